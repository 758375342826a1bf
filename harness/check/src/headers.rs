//! What rules of the family `propagation` find in headers alike: a list that was not forwarded whole, a malformed context.

use spanwise_model::{ContextFormat, Level};

use crate::{Findings, Hop, Index};

/// Reports the entries of a list header (`baggage`, `tracestate`) that came with `inbound` and are missing on `hop`. `what` is
/// what was received, with its article. An entry without `=` is legal and means nothing.
pub(crate) fn report_lost_entries(
    findings: &mut Findings<'_>,
    inbound: Hop<'_>,
    hop: Hop<'_>,
    header: &str,
    what: &str,
) {
    let received: Vec<&str> = inbound.tap().request_values(header).collect();
    let sent: Vec<&str> = hop.tap().request_values(header).collect();
    let lost: Vec<&str> = keys(&received).filter(|key| !keys(&sent).any(|other| other == *key)).collect();
    if lost.is_empty() {
        return;
    }
    let from = hop.from().unwrap_or("an unknown caller");
    findings
        .on_hop(hop, format!("{from} received {what} and did not forward all of it."))
        .expected(received.join(","))
        .actual(if sent.is_empty() { "none".to_owned() } else { sent.join(",") })
        .fact("header", header)
        .fact("lost", lost.join(","));
}

/// The keys of all entries; properties behind a `;` belong to the value.
fn keys<'v>(values: &[&'v str]) -> impl Iterator<Item = &'v str> {
    let entries = values.iter().flat_map(|value| value.split(','));
    entries.filter_map(|entry| entry.split_once('=')).map(|(key, _)| key.trim())
}

/// Reports the header of a format where services sent one with a defect. `form` says what a right value looks like.
pub(crate) fn report_malformed<Why: std::fmt::Display>(
    index: &Index<'_>,
    findings: &mut Findings<'_>,
    format: ContextFormat,
    form: &str,
    defect: impl Fn(&str) -> Option<(Level, Why)>,
) {
    let name = format.header();
    for hop in index.inner_hops() {
        let Some(value) = hop.tap().request_header(name) else { continue };
        findings.looked();
        if let Some((level, why)) = defect(value) {
            let from = hop.from().unwrap_or("an unknown caller");
            findings
                .on_hop(hop, format!("{from} sent a malformed {name}: {why}."))
                .level(level)
                .expected(form)
                .actual(value)
                .fact("header", name)
                .fact("value", value);
        }
    }
}
