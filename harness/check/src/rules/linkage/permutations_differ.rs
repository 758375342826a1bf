//! Permutations that should agree have different trees.

use foldhash::HashMap;
use spanwise_model::notation::Difference;
use spanwise_model::{Evidence, Level, Platform, notation};

use crate::across_platforms::{are_compared, is_by_policy_alone, reason};
use crate::expected::{Mismatch, mismatches};
use crate::{Check, Family, Group, GroupFindings, GroupMember, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "permutations-differ",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    // Where a span is not missing says more than that it is.
    explains: &["expected-span-missing", "expected-label-differs"],
    explanation: r#"
## What it checks

Permutations that differ only in what must not matter (the channel, the exporter, the propagation) give the same trees
once ids, times and ports are taken out. The finding is on the one that deviates from most of those without a violation of
their own; where it has another finding as bad, that one explains the difference. What the suite expects and only the one that
deviates breaks is that difference, and follows from it.

Where the platform must not matter either, the measure is what the permutations without it give, and a finding on Cloud Run says
what of its front end makes the difference: which header arrived, what was written in its place, which policy decided. Where the
front end's decision on sampling is all that differs, the finding is information.

## Why it matters

The exporter must not decide what a trace looks like, nor the laptop. Where they do, what was tested is not what will be seen in
production.

## Bad

```trace
--- permutation demo/greet/export=otlp-grpc
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
--- permutation demo/greet/export=otlp-http
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
--- permutation demo/greet/export=gcp_trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
```

## Good

```trace
--- permutation demo/greet/export=otlp-grpc
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
--- permutation demo/greet/export=gcp_trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
```

## How to fix

- Rust: build the provider in one place, and let the settings choose the exporter alone.
- Python: configure by `OTEL_*` variables; keep processors and samplers the same for every exporter.
- Go: choose the exporter in one function that returns `sdktrace.SpanExporter`.
- Node: choose `traceExporter` by a variable, and nothing else beside it.
- Java: set `otel.traces.exporter`, and nothing else beside it.
- A label whose value is new with every request, such as the id of an order: name it under `varying-labels` of the suite.

## References

- OpenTelemetry, trace SDK, section "Span Exporter": <https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-exporter>
"#,
    check: Check::Group(check),
};

fn check(group: &Group<'_>, findings: &mut GroupFindings<'_>) {
    // What most of those say counts that have no violation of their own; of equally many, what the first says.
    let all_violate = group.members.iter().all(|member| member.has_violation);
    let is_local = |member: &GroupMember<'_>| member.index.observation.settings.platform == Platform::Plain;
    let is_sound = |member: &GroupMember<'_>| all_violate || !member.has_violation;
    // What holds locally is the measure of what holds on a platform.
    let only_local = group.members.iter().any(|member| is_local(member) && is_sound(member));
    let is_witness = |member: &&GroupMember<'_>| is_sound(member) && (is_local(member) || !only_local);
    let mut times: HashMap<&str, usize> = HashMap::default();
    for member in group.members.iter().filter(is_witness) {
        *times.entry(member.trees).or_default() += 1;
    }
    let most = times.values().copied().max().unwrap_or(0);
    let is_model = |member: &&GroupMember<'_>| is_witness(member) && times[member.trees] == most;
    let mut models = group.members.iter().filter(is_model);
    let Some(model) = models.next() else { return };
    // Whoever runs the deviating one again needs the majority with it.
    let witness = models.find(|member| member.trees == model.trees);
    for (at, member) in group.members.iter().enumerate() {
        findings.looked(at);
        if member.trees == model.trees {
            continue;
        }
        let differences = differences(model.trees, member.trees);
        let (line, expected, actual) = first_difference(model.trees, member.trees);
        // A difference in one span says little where a whole trace is missing.
        let (how, expected, actual) = if member.index.has_any_span() || !model.index.has_any_span() {
            let how = told(&differences).unwrap_or_else(|| format!("it differs from line {line} on"));
            (how, expected, actual)
        } else {
            ("no span of any service came".to_owned(), "the same trees", "no span")
        };
        let is_deployed = are_compared(model, member);
        let why = if is_deployed { reason(member.index) } else { None };
        let message = match &why {
            Some(why) => format!("Links locally, breaks on Cloud Run, because {}: {how}.", why.text),
            None if is_deployed => format!(
                "Links locally, breaks on Cloud Run, and nothing that the front end did tells why: {how}."
            ),
            None => format!("This permutation should give the same trees as {}, but {how}.", model.name),
        };
        let mut report = findings
            .on_member(at, message)
            .gives_way()
            .expected(expected)
            .actual(actual)
            .fact("partner", model.name)
            .fact("agreeing", most as i64);
        if let Some(witness) = witness {
            report = report.fact("witness", witness.name);
        }
        if is_deployed && is_by_policy_alone(model, member) {
            report = report.level(Level::Information);
        }
        if !is_what_is_expected(model, member, &differences) {
            report = report.explains_nothing();
        }
        if let Some(why) = why {
            why.tell(report);
        }
    }
}

/// Whether what the suite expects and a member breaks is what it differs in: its model has all of it, and a label that is not
/// as expected is among the differences, which leave out what channels and exporters may change.
fn is_what_is_expected(
    model: &GroupMember<'_>,
    member: &GroupMember<'_>,
    differences: &[Difference],
) -> bool {
    let is_seen = |mismatch: &Mismatch<'_>| match mismatch {
        Mismatch::Missing { .. } => true,
        Mismatch::Differs { part, .. } => {
            let field = part.label.map_or("status differs".to_owned(), |label| format!(" {label} "));
            differences.iter().any(|difference| difference.text.contains(&field))
        }
    };
    mismatches(model.index).is_empty() && mismatches(member.index).iter().all(is_seen)
}

/// The differences between two texts of trees; none where what differs is not a matter of spans.
fn differences(model: &str, member: &str) -> Vec<Difference> {
    match (notation::parse(model), notation::parse(member)) {
        (Ok(model), Ok(member)) => notation::diff(&model, &member),
        _ => Vec::new(),
    }
}

/// The first difference in words, and how many more there are.
fn told(differences: &[Difference]) -> Option<String> {
    let (first, more) = differences.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        1 => ", and one more difference".to_owned(),
        count => format!(", and {count} more differences"),
    };
    Some(format!("{}{more}", first.text))
}

/// The first line in which two texts differ, from 1, and what either has there.
fn first_difference<'t>(one: &'t str, other: &'t str) -> (usize, &'t str, &'t str) {
    let (mut one, mut other) = (one.lines(), other.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (one.next(), other.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return (number, "", ""),
            (a, b) => return (number, a.map_or("nothing", str::trim), b.map_or("nothing", str::trim)),
        }
    }
}
