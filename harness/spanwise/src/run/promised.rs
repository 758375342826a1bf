//! What a suite expects of the spans of its requests, as far as service and kind tell it while they come in. It is waited for,
//! because where services call each other past every front no tap shows the call. Whether the spans are what is expected is the
//! rules' to say.

use std::collections::BTreeMap;

use spanwise_model::{ExpectedSpan, Request, SpanKind};

use super::complete::{Awaited, Known};

/// The spans of expected trees that have not come: each service and kind of which there are fewer than all requests together
/// must have. Nothing is expected of a request whose context says that it is not recorded.
pub(super) fn promised(trees: &[ExpectedSpan], requests: &[Request], known: &[Known]) -> Vec<Awaited> {
    let mut wanted: BTreeMap<(&str, &str), (SpanKind, usize)> = BTreeMap::new();
    let is_off = |request: &&Request| request.context.as_ref().is_some_and(|one| one.sampled == Some(false));
    for request in requests.iter().filter(|request| !is_off(request)) {
        for tree in trees.iter().filter(|tree| tree.step.is_none() || tree.step == request.step) {
            count(tree, &mut wanted);
        }
    }
    let missing = |((service, _), (kind, wanted)): ((&str, &str), (SpanKind, usize))| {
        let come = known.iter().filter(|span| span.service == service && span.kind == kind).count();
        (come < wanted).then(|| Awaited::Expected { service: service.to_owned(), kind })
    };
    wanted.into_iter().filter_map(missing).collect()
}

/// Counts the spans of a tree that say of which service and kind they are.
fn count<'t>(tree: &'t ExpectedSpan, wanted: &mut BTreeMap<(&'t str, &'static str), (SpanKind, usize)>) {
    if let Some(kind) = tree.kind.filter(|_| !tree.service.contains('*')) {
        wanted.entry((&tree.service, kind.as_str())).or_insert((kind, 0)).1 += 1;
    }
    tree.children.iter().for_each(|child| count(child, wanted));
}

#[cfg(test)]
mod tests {
    use spanwise_model::{Observation, notation};

    use super::*;

    const REQUEST: &str = "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n";

    fn expected(service: &str, kind: Option<SpanKind>, children: Vec<ExpectedSpan>) -> ExpectedSpan {
        ExpectedSpan { service: service.to_owned(), kind, children, ..ExpectedSpan::default() }
    }

    /// Compares what is waited for, in words, when the spans of `text` have come.
    #[track_caller]
    fn check(tree: &ExpectedSpan, text: &str, words: &[&str]) {
        let wire = "wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";
        let observation: Observation = notation::parse(&format!("{text}{wire}")).expect("the notation");
        let known: Vec<Known> = observation.spans.iter().filter_map(Known::decoded).collect();
        let awaited = promised(std::slice::from_ref(tree), &observation.requests, &known);
        assert_eq!(awaited.iter().map(ToString::to_string).collect::<Vec<_>>(), words, "{text}");
    }

    #[test]
    fn what_a_suite_expects_is_waited_for_by_service_and_kind() {
        let stock = || expected("stock", Some(SpanKind::Server), Vec::new());
        let tree = expected("web", Some(SpanKind::Server), vec![stock()]);
        let missing = "a SERVER span of stock, which the suite expects";
        check(&tree, REQUEST, &[missing]);
        check(&tree, &format!("{REQUEST}    stock SERVER \"GET /stock\" 200\n"), &[]);
        check(&tree, &format!("{REQUEST}    stock INTERNAL \"look\"\n"), &[missing]);
        let two = expected("web", Some(SpanKind::Server), vec![stock(), stock()]);
        check(&two, &format!("{REQUEST}    stock SERVER \"GET /stock\" 200\n"), &[missing]);
    }

    #[test]
    fn what_may_be_of_any_service_or_kind_is_not() {
        check(&expected("*", Some(SpanKind::Server), Vec::new()), REQUEST, &[]);
        check(&expected("stock", None, Vec::new()), REQUEST, &[]);
    }
}
