//! A text was cut in the middle of a character, or says wrongly how much of it was cut off.

use foldhash::HashSet;
use spanwise_model::{Defect, DefectKind, Evidence, Level, Span, Value};

use super::{Alike, on_spans, service};
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "value-cut-inside-character",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Texts that an exporter cut end with a whole character of UTF-8, and the `truncated_byte_count` of Cloud Trace v2 can be: it is not
negative, and not above zero where the whole text would have fit. A text that ends with the replacement character U+FFFD and
has no other is a warning: it was likely cut inside a character and repaired behind that.

## Why it matters

Protobuf admits no text that is not UTF-8: some endpoints refuse the whole batch for one such value, and hundreds of spans
are lost because one user's name has an umlaut in the wrong place. A wrong count makes a whole text look cut.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 id=S2 shop.customer="Zo\u{fffd}"
export:
  api-service otlp-http
defects:
  cut api-service export=1 at=T1/S2 place="resource_spans[0].scope_spans[0].spans[0].attributes[4].value.string_value" "ends in the middle of a character"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 shop.customer="Zoë"
export:
  api-service otlp-http
```

## How to fix

- Rust: cut with `&text[..text.floor_char_boundary(limit)]`; `String::truncate` panics inside a character.
- Python: cut text, not bytes, or decode the rest with `errors="ignore"`.
- Go: cut at a boundary found with `utf8.RuneStart`, and pass the rest through `strings.ToValidUTF8`.
- Node: cut with `Buffer` at a byte whose top bits are not `10`; `slice` can split a surrogate pair.
- Java: step back by one where `Character.isHighSurrogate` holds for the last character kept.

## References

- Cloud Trace API v2, message `TruncatableString`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
- Protocol Buffers, "Scalar Value Types", `string`: <https://protobuf.dev/programming-guides/proto3/#scalar>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut cuts: Ordered<_, (&Defect, i64)> = Ordered::default();
    for defect in index.observation.defects.iter().filter(|defect| defect.kind == DefectKind::Cut) {
        findings.looked();
        let service = defect.source.as_ref().map(|source| &*source.service);
        let trace = defect.trace_id.filter(|_| index.is_capture());
        cuts.entry((trace, service, &*defect.detail)).or_insert((defect, 0)).1 += 1;
    }
    for ((_, service, detail), (first, count)) in cuts {
        let message = format!("A text that {} exports {detail}.", service.unwrap_or("a service"));
        let node = first.trace_id.zip(first.span_id).and_then(|(trace, span)| index.find(trace, span));
        let report = match (node, first.trace_id) {
            (Some(node), _) if node.is_judged() => findings.on_span(node, message),
            (_, Some(trace)) => findings.on_trace(trace, message),
            _ => findings.on_whole(message),
        };
        let report = match service {
            Some(service) => report.service(service),
            None => report,
        };
        report
            .expected("a text that ends with a whole character, and the count of bytes cut off")
            .actual(detail)
            .fact("place", first.place.as_str())
            .fact("count", count);
    }
    repaired(index, findings);
}

/// Texts that end like one that was cut inside a character and then made valid again.
fn repaired(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut ends: Alike<'_, (Option<&str>, &str)> = Alike::default();
    let cut = index.observation.defects.iter().filter(|defect| defect.kind == DefectKind::Cut);
    let cut: HashSet<_> = cut.filter_map(|defect| defect.trace_id.zip(defect.span_id)).collect();
    for node in index.nodes() {
        findings.looked();
        for (place, _) in texts(node.span()).filter(|(_, text)| ends_replaced(text)) {
            // What the exporter sent was not even valid; that is told already.
            if !cut.contains(&(node.trace_id, node.span_id)) {
                ends.entry((index.apart(node), (node.service(), place))).or_default().push(node);
            }
        }
    }
    for ((_, (_, place)), nodes) in ends {
        let message = format!(
            "{} exports a text in {place} that ends with a replacement character, as one does that was cut inside a \
             character.",
            service(nodes[0])
        );
        on_spans(findings, &nodes, message)
            .level(Level::Warning)
            .expected("a text that ends with a whole character")
            .actual("U+FFFD at its end")
            .fact("label", place);
    }
}

/// The name of a span and the texts among its labels and those of its events, with the key that each stands under.
fn texts(span: &Span) -> impl Iterator<Item = (&str, &str)> {
    let events = span.events.iter().flat_map(|event| &event.attributes);
    let labels = span.attributes.iter().chain(events).filter_map(|(key, value)| match value {
        Value::Str(text) => Some((key.as_str(), text.as_str())),
        _ => None,
    });
    std::iter::once(("its name", span.name.as_str())).chain(labels)
}

/// Whether a text ends with a replacement character (up to three, one for each byte left) and has none before.
fn ends_replaced(text: &str) -> bool {
    const REPLACED: char = '\u{fffd}';
    let rest = text.trim_end_matches(REPLACED);
    let count = (text.len() - rest.len()) / REPLACED.len_utf8();
    (1..=3).contains(&count) && !rest.is_empty() && !rest.contains(REPLACED)
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = findings("value-cut-inside-character", text).into_iter();
        let shown = found.map(|one| format!("{} {}", one.level.as_str(), one.actual.unwrap_or_default()));
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn ends() {
        check(r#"api INTERNAL "work" a.b="Zoë""#, &[]);
        check(r#"api INTERNAL "work" a.b="Zo\u{fffd}""#, &["warning U+FFFD at its end"]);
        check(r#"api INTERNAL "wor\u{fffd}""#, &["warning U+FFFD at its end"]);
        // Bytes that never were text, or a replacement character by itself.
        check(r#"api INTERNAL "work" a.b="\u{fffd}PNG\u{fffd}" a.c="\u{fffd}""#, &[]);
    }

    #[test]
    fn damage_is_told_once() {
        let span = "api INTERNAL \"work\" id=S1 a.b=\"Zo\\u{fffd}\"\nexport:\n  api otlp-grpc\ndefects:\n";
        let cut = "  cut api export=1 at=T1/S1 place=\"x\" \"ends in the middle of a character\"\n";
        check(&format!("{span}{cut}{cut}"), &["violation ends in the middle of a character"]);
        check(
            &format!("{span}  field api at=T1/S1 place=\"x\" \"is not valid UTF-8\"\n"),
            &["warning U+FFFD at its end"],
        );
        assert_eq!(findings("malformed-telemetry", &format!("{span}{cut}")), []);
    }
}
