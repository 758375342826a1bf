//! The block `expected:`.

use crate::ExpectedSpan;
use crate::notation::text::quote;

use super::span::{label, written_key};

/// The lines of expected trees, in order.
pub(super) fn print_expected(trees: &[ExpectedSpan]) -> Vec<String> {
    let mut lines = Vec::new();
    trees.iter().for_each(|span| print(span, 1, &mut lines));
    lines
}

fn print(span: &ExpectedSpan, depth: usize, lines: &mut Vec<String>) {
    lines.push(format!("{}{}", "  ".repeat(depth), print_expected_span(span)));
    span.children.iter().for_each(|child| print(child, depth + 1, lines));
}

/// One expected span as the block `expected:` of the notation writes it, without what is below it.
pub fn print_expected_span(span: &ExpectedSpan) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
    let is_plain = !span.service.is_empty() && span.service.chars().all(plain);
    let service = if is_plain { span.service.clone() } else { quote(&span.service) };
    let kind = span.kind.map_or("*", |kind| kind.as_str());
    let mut line = format!("{service} {kind} {}", quote(&span.name));
    if let Some(status) = span.status {
        line.push_str(&format!(" status={}", status.as_str()));
    }
    if let Some(step) = &span.step {
        line.push_str(&format!(" step={}", quote(step)));
    }
    for (key, value) in &span.labels {
        line.push(' ');
        match value {
            Some(value) => line.push_str(&label(key, value, key == "status" || key == "step")),
            None => line.push_str(&format!("!{}", written_key(key, false))),
        }
    }
    line
}
