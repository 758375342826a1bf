//! `spanwise explain`.

use std::io::Write;

use clap::Args;
use spanwise::check::{explain as page, registry};

use super::{Exit, unusable};

#[derive(Args)]
pub(super) struct ExplainArguments {
    /// The rule's name, as findings and `spanwise list --rules` show it
    rule: String,
}

pub(super) fn explain(arguments: &ExplainArguments) -> Exit {
    let Some(text) = page(&arguments.rule) else {
        let near = registry::rules().map(|rule| rule.name).filter(|name| near(name, &arguments.rule));
        let near: Vec<&str> = near.collect();
        let hint = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) };
        return unusable(format!(
            "no rule is called {:?}{hint} (`spanwise list --rules` has all)",
            arguments.rule
        ));
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Conforms
}

/// Whether two names share a word that says something.
fn near(name: &str, asked: &str) -> bool {
    asked.split('-').filter(|word| word.len() > 3).any(|word| name.contains(word))
}
