//! Holds the spans of each request against the trees that the suite expects. The two rules about expected spans ask.
//!
//! Expected siblings need spans of their own, so they are paired like jobs and workers: along shortest alternating paths
//! (Berge 1957). What is found out of an expected span and a span is remembered, so each two are compared once.

use std::collections::VecDeque;

use foldhash::HashMap;
use spanwise_model::notation::print_value;
use spanwise_model::{ExpectedSpan, Value, is_expected_text};

use crate::{Index, Node};

/// How the spans of a request are not what is expected.
pub(crate) enum Mismatch<'i> {
    /// No span is like the expected one where it should be: directly below a span, or anywhere in the request.
    Missing { request: usize, below: Option<Node<'i>>, expected: &'i ExpectedSpan, found: usize, of: usize },
    /// A span is there, but it says something else.
    Differs { node: Node<'i>, part: Part<'i> },
}

/// What a span says otherwise: its status, or a label.
pub(crate) struct Part<'i> {
    /// The label; `None` for the status.
    pub(crate) label: Option<&'i str>,
    pub(crate) expected: String,
    pub(crate) actual: String,
}

/// What every request misses, in order.
pub(crate) fn mismatches<'i>(index: &'i Index<'i>) -> Vec<Mismatch<'i>> {
    let trees = Tree::of(&index.observation.settings.expected);
    let mut of_request: HashMap<usize, Vec<Node<'i>>> = HashMap::default();
    // Spans that nothing leads to are those of the only request.
    let only = (index.observation.requests.len() == 1).then_some(0);
    for node in index.nodes() {
        if let Some(request) = node.request().or(only) {
            of_request.entry(request).or_default().push(node);
        }
    }
    let mut found = Vec::new();
    // What the platform's front end decided not to record is expected of nobody.
    for (request, sent) in index.requests().filter(|(at, _)| !index.is_turned_off(*at)) {
        let nodes = of_request.remove(&request).unwrap_or_default();
        let mut matching = Matching::new(&trees, sent.marker.as_deref());
        let of_step = |root: &usize| {
            let step = &trees.spans[*root].0.step;
            step.is_none() || *step == sent.step
        };
        let roots: Vec<usize> = trees.roots.iter().copied().filter(of_step).collect();
        matching.report(&roots, &nodes, (request, None, (0, 0)), &mut found);
    }
    found
}

/// Expected trees with numbers for their spans.
struct Tree<'i> {
    spans: Vec<(&'i ExpectedSpan, Vec<usize>)>,
    roots: Vec<usize>,
}

impl<'i> Tree<'i> {
    fn of(trees: &'i [ExpectedSpan]) -> Tree<'i> {
        let mut tree = Tree { spans: Vec::new(), roots: Vec::new() };
        tree.roots = trees.iter().map(|span| tree.add(span)).collect();
        tree
    }

    fn add(&mut self, span: &'i ExpectedSpan) -> usize {
        let children = span.children.iter().map(|child| self.add(child)).collect();
        self.spans.push((span, children));
        self.spans.len() - 1
    }

    fn size(&self, expected: usize) -> usize {
        1 + self.spans[expected].1.iter().map(|&child| self.size(child)).sum::<usize>()
    }
}

/// The comparisons of one request.
struct Matching<'t, 'i> {
    trees: &'t Tree<'i>,
    marker: Option<&'t str>,
    /// Whether a span and what is below it are as expected.
    is_there: HashMap<(usize, usize), bool>,
    /// How many of the expected spans are found with this span as the first.
    found: HashMap<(usize, usize), usize>,
}

impl<'t, 'i> Matching<'t, 'i> {
    fn new(trees: &'t Tree<'i>, marker: Option<&'t str>) -> Matching<'t, 'i> {
        Matching { trees, marker, is_there: HashMap::default(), found: HashMap::default() }
    }

    /// Whether it is the service, kind and name that are expected.
    fn is_alike(&self, expected: usize, node: Node<'_>) -> bool {
        let span = self.trees.spans[expected].0;
        let fits = |pattern: &str, text: &str| pattern == "*" || is_expected_text(pattern, text, self.marker);
        span.kind.is_none_or(|kind| node.kind == kind)
            && fits(&span.name, &node.name)
            && fits(&span.service, node.service().unwrap_or_default())
    }

    fn differences(&self, expected: usize, node: Node<'_>) -> Vec<Part<'i>> {
        let span = self.trees.spans[expected].0;
        let status = span.status.filter(|status| *status != node.status.code).map(|status| Part {
            label: None,
            expected: status.as_str().to_owned(),
            actual: node.status.code.as_str().to_owned(),
        });
        let label = |(key, wanted): &'i (String, Option<Value>)| {
            // A process may say it of all its spans at once.
            let actual = node.attribute(key).or_else(|| node.span().resource.attribute(key));
            let shown = |value: Option<&Value>| value.map_or("none".to_owned(), print_value);
            let fits = match (wanted, actual) {
                (None, None) => true,
                (Some(wanted), Some(actual)) => self.fits(wanted, actual),
                _ => false,
            };
            let filled = wanted.as_ref().map(|wanted| self.filled(wanted));
            (!fits).then(|| Part {
                label: Some(key),
                expected: shown(filled.as_ref()),
                actual: shown(actual),
            })
        };
        status.into_iter().chain(span.labels.iter().filter_map(label)).collect()
    }

    fn fits(&self, wanted: &Value, actual: &Value) -> bool {
        match (wanted, actual) {
            (_, Value::Scrubbed(_)) | (Value::Scrubbed(_), _) => true,
            (Value::Str(pattern), Value::Str(text)) => is_expected_text(pattern, text, self.marker),
            // Cloud Trace has no type for it.
            (Value::Double(_), Value::Str(text)) => *text == wanted.to_string(),
            _ => wanted == actual,
        }
    }

    /// The value with the marker of the request in it.
    fn filled(&self, wanted: &Value) -> Value {
        match (wanted, self.marker) {
            (Value::Str(text), Some(marker)) => Value::Str(text.replace(ExpectedSpan::USER, marker)),
            _ => wanted.clone(),
        }
    }

    fn is_there(&mut self, expected: usize, node: Node<'i>) -> bool {
        if !self.is_alike(expected, node) {
            return false;
        }
        if let Some(known) = self.is_there.get(&(expected, node.at())) {
            return *known;
        }
        let children = &self.trees.spans[expected].1;
        let is_there = self.differences(expected, node).is_empty()
            && (children.is_empty() || {
                let below: Vec<_> = node.children().collect();
                children.len() <= below.len() && self.pairs(children, &below).iter().all(Option::is_some)
            });
        self.is_there.insert((expected, node.at()), is_there);
        is_there
    }

    /// Pairs as many of the expected spans as can be, each with a span of its own: its place in `nodes`.
    fn pairs(&mut self, expected: &[usize], nodes: &[Node<'i>]) -> Vec<Option<usize>> {
        let mut pairs: Vec<Option<usize>> = vec![None; expected.len()];
        let mut taken: HashMap<usize, usize> = HashMap::default();
        for begin in 0..expected.len() {
            let mut queue = VecDeque::from([begin]);
            let mut reached: HashMap<usize, usize> = HashMap::default();
            let mut free = None;
            'search: while let Some(one) = queue.pop_front() {
                for (at, node) in nodes.iter().enumerate() {
                    if reached.contains_key(&at) || !self.is_there(expected[one], *node) {
                        continue;
                    }
                    reached.insert(at, one);
                    match taken.get(&at) {
                        Some(holder) => queue.push_back(*holder),
                        None => {
                            free = Some(at);
                            break 'search;
                        }
                    }
                }
            }
            // Everyone on the way hands its span on.
            while let Some(at) = free {
                let one = reached[&at];
                taken.insert(at, one);
                free = pairs[one].replace(at);
            }
        }
        pairs
    }

    /// How much of an expected tree is found at a span, siblings aside.
    fn found(&mut self, expected: usize, node: Node<'i>) -> usize {
        if !self.is_alike(expected, node) {
            return 0;
        }
        if let Some(known) = self.found.get(&(expected, node.at())) {
            return *known;
        }
        let children = self.trees.spans[expected].1.clone();
        let best = |matching: &mut Self, child: usize| {
            node.children().map(|below| matching.found(child, below)).max().unwrap_or(0)
        };
        let found = 1 + children.into_iter().map(|child| best(self, child)).sum::<usize>();
        self.found.insert((expected, node.at()), found);
        found
    }

    /// Says what is wrong with expected spans among these, following the best match of each as far as it goes.
    fn report(
        &mut self,
        expected: &[usize],
        nodes: &[Node<'i>],
        (request, below, (found, of)): (usize, Option<Node<'i>>, (usize, usize)),
        out: &mut Vec<Mismatch<'i>>,
    ) {
        let mut pairs = self.pairs(expected, nodes);
        let mut is_used = vec![false; nodes.len()];
        pairs.iter().flatten().for_each(|&at| is_used[at] = true);
        for (place, &one) in
            expected.iter().enumerate().filter(|(place, _)| pairs[*place].is_none()).collect::<Vec<_>>()
        {
            let mut best: Option<(usize, usize, usize)> = None;
            for (at, node) in nodes.iter().enumerate().filter(|(at, _)| !is_used[*at]) {
                let much = self.found(one, *node);
                let differences = if much > 0 { self.differences(one, *node).len() } else { 0 };
                let is_better = |(most, fewest, _): &(usize, usize, usize)| {
                    much > *most || (much == *most && differences < *fewest)
                };
                if much > 0 && best.as_ref().is_none_or(is_better) {
                    best = Some((much, differences, at));
                }
            }
            let (span, children) = &self.trees.spans[one];
            let whole =
                |much: usize, trees: &Tree<'_>| if of == 0 { (much, trees.size(one)) } else { (found, of) };
            let Some((much, _, at)) = best else {
                let (found, of) = whole(0, self.trees);
                out.push(Mismatch::Missing { request, below, expected: span, found, of });
                continue;
            };
            (pairs[place], is_used[at]) = (Some(at), true);
            let node = nodes[at];
            out.extend(self.differences(one, node).into_iter().map(|part| Mismatch::Differs { node, part }));
            let next: Vec<_> = node.children().collect();
            let so_far = whole(much, self.trees);
            let children = children.clone();
            self.report(&children, &next, (request, Some(node), so_far), out);
        }
    }
}
