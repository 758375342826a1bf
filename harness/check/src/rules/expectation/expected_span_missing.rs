//! A span that the suite expects of a request is not there, or not where it should be.

use spanwise_model::{Evidence, ExpectedSpan, Level, notation};

use crate::expected::{Mismatch, mismatches};
use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "expected-span-missing",
    family: Family::Expectation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Each request has the spans that its case expects: of that service, kind and name, directly below one another as the suite
nests them. Further spans may be there. Where only a part is found, the finding stands on the last span that is right.
Requests that the platform's front end decided not to record are left out.

## Why it matters

What makes a trace useful beyond the conventions, a span around the call of the payment provider, say, is known to its
authors alone. An expectation keeps it from getting lost by an update or a new framework.

## Bad

```trace
driver CLIENT "POST /orders" 201
  web SERVER "POST /orders" 201
    web INTERNAL "store order"
expected:
  web SERVER "POST /orders"
    web INTERNAL "check stock"
```

## Good

```trace
driver CLIENT "POST /orders" 201
  web SERVER "POST /orders" 201
    web INTERNAL "check stock"
    web INTERNAL "store order"
expected:
  web SERVER "POST /orders"
    web INTERNAL "check *"
```

## How to fix

- Rust: `#[tracing::instrument]` on the function, and `.instrument(span)` on futures that are spawned.
- Python: `with tracer.start_as_current_span(…)` around the work.
- Go: `ctx, span := tracer.Start(ctx, …)`, and hand `ctx` on.
- Node: `tracer.startActiveSpan(…)` around the work.
- Java: `@WithSpan` on the method, and executors wrapped by `Context.taskWrapping`.
- Any: where the trace is right, correct `expect` in the suite file.

## References

- The suite file, keys `expect.spans`, `expect.http-spans` and `expect.grpc-spans` of the case.
"#,
    check: Check::One(check),
};

/// This many of the spans that are there instead are named.
const SHOWN: usize = 5;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    if index.observation.settings.expected.is_empty() {
        return;
    }
    index.requests().for_each(|_| findings.looked());
    for mismatch in mismatches(index) {
        let Mismatch::Missing { request, below, expected, found, of } = mismatch else { continue };
        let sent = &index.observation.requests[request];
        let what = described(expected);
        let report = match below {
            Some(node) => {
                let message = format!(
                    "{what} should stand directly below the {} span \"{}\", and is not there: of the expected tree \
                     {found} of {of} spans were found.",
                    node.kind.as_str(),
                    node.name
                );
                let report = findings.on_span(node, message).actual(there(node.children()));
                calls(index, node, request).into_iter().fold(report, |report, hop| report.reaches_hop(hop))
            }
            None => {
                let message = format!("{what} should be among the spans of the request, and is not there.");
                let report = findings.on_trace(sent.trace_id, message).service(&sent.to.service);
                let of_request = index.nodes().filter(|node| node.request() == Some(request));
                let report = report.actual(there(of_request));
                index.entry(request).into_iter().fold(report, |report, hop| report.reaches_hop(hop))
            }
        };
        report.expected(notation::print_expected_span(expected)).fact("found", found as i64);
    }
}

/// The calls on which a missing span may have been lost: those of the span above; where none carried its id, every call that
/// its service made for the request.
fn calls<'i>(index: &'i Index<'_>, above: Node<'i>, request: usize) -> Vec<Hop<'i>> {
    let sent: Vec<Hop<'i>> = above.sent().collect();
    if !sent.is_empty() {
        return sent;
    }
    let is_of_service = |hop: &Hop<'_>| hop.request() == Some(request) && hop.from() == above.service();
    index.inner_hops().filter(is_of_service).collect()
}

/// `A CLIENT span "POST" of api-service`, as far as it is said.
fn described(expected: &ExpectedSpan) -> String {
    let kind = expected.kind.map_or(String::new(), |kind| format!("{} ", kind.as_str()));
    let article = if kind.starts_with(['I', 'U']) { "An" } else { "A" };
    let named = |text: &str, before: &str, quote: &str| match text {
        "*" => String::new(),
        text => format!("{before}{quote}{text}{quote}"),
    };
    let (name, service) = (named(&expected.name, " ", "\""), named(&expected.service, " of ", ""));
    format!("{article} {kind}span{name}{service}")
}

/// The first spans that are there.
fn there<'i>(nodes: impl Iterator<Item = Node<'i>>) -> String {
    let mut nodes =
        nodes.map(|node| format!("{} {} \"{}\"", node.shown_service(), node.kind.as_str(), node.name));
    let mut shown: Vec<String> = nodes.by_ref().take(SHOWN).collect();
    match nodes.count() {
        0 if shown.is_empty() => "no span".to_owned(),
        0 => shown.join(", "),
        more => {
            shown.push(format!("and {more} more"));
            shown.join(", ")
        }
    }
}
