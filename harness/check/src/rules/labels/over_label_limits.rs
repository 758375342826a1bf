//! A span is over a limit of Google's trace endpoints, or lost something to a limit.

use spanwise_model::{Evidence, Level, Value};

use super::{Alike, on_spans, service};
use crate::conventions::cloud_trace::{Limits, limits};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "over-label-limits",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Names, keys, values, and the numbers of labels, events and links stay within the limits of the Telemetry API, which Cloud
Trace has today: 1024 bytes of a name, 512 of a key, 64 KiB of a value, 1024 labels, 256 events, 128 links. With `limits: v2-proto` in
the suite they are held against those that Cloud Trace v2 first had: 128, 128, 256 bytes, 32 labels, 4 of an event. That labels, events or
links were dropped before the export is a warning.

## Why it matters

The endpoint cuts and drops what is over a limit, and tells nobody. What is lost is seldom the least: the end of a stack
trace, the text of a query, or whichever label came last.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    | event "order placed" shop.item="tea" shop.count=2 shop.price=7 shop.currency="EUR" shop.gift=false
settings:
  limits=v2-proto
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    | event "order placed" shop.item="tea" shop.count=2 shop.price=7 shop.currency="EUR"
settings:
  limits=v2-proto
```

## How to fix

- Rust: `SpanLimits` of the SDK bound the numbers; cut long values before you record them, with `str::floor_char_boundary`.
- Python: set `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT` and `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`.
- Go: pass `sdktrace.WithRawSpanLimits`, or set the same two variables.
- Node: `spanLimits` of the tracer provider, or the same two variables.
- Java: `SpanLimits.builder()`, or `otel.span.attribute.count.limit` and `otel.attribute.value.length.limit`.

## References

- Google Cloud, Telemetry API, "Quotas and limits": <https://cloud.google.com/stackdriver/docs/reference/telemetry/quotas>
- Cloud Trace API v2, messages `Span` and `AttributeValue`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

/// What is over a limit: in words, the label it is about if any, the limit, and its unit.
type Over<'i> = (&'static str, Option<&'i str>, usize, &'static str);

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let profile = index.observation.settings.limits;
    let limits = limits(profile);
    let mut over: Alike<'_, (Option<&str>, Over<'_>)> = Alike::default();
    let mut dropped: Alike<'_, (Option<&str>, &str)> = Alike::default();
    for node in index.nodes() {
        findings.looked();
        each(node, limits, &mut |one, _| {
            let nodes = over.entry((index.apart(node), (node.service(), one))).or_default();
            if nodes.last() != Some(&node) {
                nodes.push(node);
            }
        });
        for (what, _) in lost(node).into_iter().filter(|(_, count)| *count > 0) {
            dropped.entry((index.apart(node), (node.service(), what))).or_default().push(node);
        }
    }
    for ((_, (_, one)), nodes) in over {
        let (what, label, limit, unit) = one;
        let sizes = nodes.iter().map(|node| largest(*node, limits, one));
        let size = sizes.max().unwrap_or_default();
        let whose = label.map(|label| format!(" {}", shortened(label))).unwrap_or_default();
        let message =
            format!("{} exports {what}{whose} of {size} {unit}, more than are kept.", service(nodes[0]));
        let report = on_spans(findings, &nodes, message)
            .expected(format!("at most {limit} {unit} ({})", profile.as_str()))
            .actual(format!("{size} {unit}"));
        if let Some(label) = label {
            report.fact("label", shortened(label));
        }
    }
    for ((_, (_, what)), nodes) in dropped {
        let count: u64 =
            nodes.iter().flat_map(|node| lost(*node)).filter(|one| one.0 == what).map(|one| one.1).sum();
        let message =
            format!("{} dropped {what} before the export, over a limit of its own.", service(nodes[0]));
        on_spans(findings, &nodes, message)
            .level(Level::Warning)
            .expected("nothing dropped")
            .actual(format!("{count} {what} dropped"));
    }
}

/// Calls for all of a span that is over a limit, with its size.
fn each<'i>(node: Node<'i>, limits: &Limits, see: &mut dyn FnMut(Over<'i>, usize)) {
    let span = node.span();
    let mut held = |what, label, size, limit, unit| {
        if size > limit {
            see((what, label, limit, unit), size);
        }
    };
    held("a span's name", None, span.name.len(), limits.name, "bytes");
    held("a span", None, span.attributes.len(), limits.labels, "labels");
    held("a resource", None, span.resource.attributes.len(), limits.resource, "labels");
    held("a span", None, span.events.len(), limits.events, "events");
    held("a span", None, span.links.len(), limits.links, "links");
    for event in &span.events {
        held("an event's name", None, event.name.len(), limits.event_name, "bytes");
        held("an event", None, event.attributes.len(), limits.event_labels, "labels");
    }
    for link in &span.links {
        held("a link", None, link.attributes.len(), limits.link_labels, "labels");
    }
    let more = span.events.iter().flat_map(|event| &event.attributes);
    let more = more.chain(span.links.iter().flat_map(|link| &link.attributes));
    for (key, value) in span.attributes.iter().chain(more).chain(&span.resource.attributes) {
        held("a key", Some(key), key.len(), limits.key, "bytes");
        held("a value of", Some(key), bytes(value), limits.value, "bytes");
    }
}

/// The largest size of what is over a limit in the same way.
fn largest(node: Node<'_>, limits: &Limits, wanted: Over<'_>) -> usize {
    let mut largest = 0;
    each(node, limits, &mut |one, size| {
        if one == wanted {
            largest = largest.max(size);
        }
    });
    largest
}

/// What the exporter says it dropped.
fn lost(node: Node<'_>) -> [(&'static str, u64); 3] {
    let counts = [node.dropped_attributes, node.dropped_events, node.dropped_links].map(u64::from);
    [("labels", counts[0]), ("events", counts[1]), ("links", counts[2])]
}

/// The bytes of a text, or of the texts of a list.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| key.len() + bytes(value)).sum(),
        _ => 0,
    }
}

/// A key that is no longer than a line.
fn shortened(key: &str) -> String {
    const MOST: usize = 60;
    if key.len() <= MOST {
        return key.to_owned();
    }
    format!("{}…", &key[..key.floor_char_boundary(MOST)])
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[track_caller]
    fn check(span: &str, settings: &str, expected: &[&str]) {
        let text = format!("{span}\nsettings:\n  {settings}");
        let found = findings("over-label-limits", &text).into_iter().map(|one| {
            let label = one.facts.get("label").map(|label| format!(" {label}")).unwrap_or_default();
            format!("{} {}{label}", one.level.as_str(), one.actual.unwrap_or_default())
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{text:.200}");
    }

    fn span(labels: &str) -> String {
        format!("api INTERNAL \"work\" {labels}")
    }

    #[test]
    fn sizes() {
        let (v2, today) = ("limits=v2-proto", "timed");
        let text = |bytes: usize| "é".repeat(bytes / 2);
        check(&span(&format!("a.b=\"{}\"", text(256))), v2, &[]);
        check(&span(&format!("a.b=\"{}\"", text(258))), v2, &["violation 258 bytes a.b"]);
        check(&span(&format!("a.b=\"{}\"", text(65_536))), today, &[]);
        check(&span(&format!("a.b=\"{}\"", text(65_538))), today, &["violation 65538 bytes a.b"]);
        check(&format!("api INTERNAL \"{}\"", text(130)), v2, &["violation 130 bytes"]);
        check(&format!("api INTERNAL \"{}\"", text(130)), today, &[]);
        let key = "k".repeat(513);
        check(&span(&format!("{key}=1")), today, &[&format!("violation 513 bytes {}…", "k".repeat(60))]);
    }

    #[test]
    fn numbers() {
        let labels = |count: usize| (0..count).map(|at| format!("a.k{at}=1 ")).collect::<String>();
        check(&span(&labels(32)), "limits=v2-proto", &[]);
        check(&span(&labels(33)), "limits=v2-proto", &["violation 33 labels"]);
        check(&span(&labels(33)), "timed", &[]);
        let events = "\n  | event \"x\"".repeat(257);
        check(&format!("api INTERNAL \"work\"{events}"), "timed", &["violation 257 events"]);
        let event = format!("api INTERNAL \"work\"\n  | event \"x\" {}", labels(5));
        check(&event, "limits=v2-proto", &["violation 5 labels"]);
    }

    #[test]
    fn what_was_dropped_is_a_warning_once_a_service() {
        let one = "api INTERNAL \"work\" dropped-attributes=2\n";
        check(
            &format!("{one}{one}api INTERNAL \"x\" dropped-events=1"),
            "timed",
            &["warning 4 labels dropped", "warning 1 events dropped"],
        );
    }
}
