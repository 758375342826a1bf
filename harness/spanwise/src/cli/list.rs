//! `spanwise list`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use spanwise::check::registry;
use spanwise::model::Pattern;

use super::{Exit, suites};

#[derive(Args)]
pub(super) struct ListArguments {
    /// Suite files; without one ./spanwise.yaml, and without that the demo
    suites: Vec<PathBuf>,
    /// Only permutations whose full name, or a beginning of it, matches: `demo/greet` is the whole case; `*` stands for a
    /// component or a part of one, `**` for any number of components. May be given several times: one match is enough
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<Pattern>,
    /// The rules in place of permutations: name, level, family
    #[arg(long, conflicts_with_all = ["suites", "filter"])]
    rules: bool,
}

pub(super) fn list(arguments: ListArguments) -> Exit {
    let lines: Vec<String> = if arguments.rules {
        let line = |rule: &spanwise::check::Rule| {
            format!("{:<34} {:<12} {}", rule.name, rule.level.as_str(), rule.family.as_str())
        };
        registry::rules().map(line).collect()
    } else {
        match suites::planned(&arguments.suites, &[], &arguments.filter) {
            Ok(planned) => planned.plan.permutations.iter().map(|one| one.name.to_string()).collect(),
            Err(exit) => return exit,
        }
    };
    if lines.is_empty() {
        eprintln!("spanwise: no permutation is selected; `spanwise list` without a filter prints all names");
        return Exit::NothingSelected;
    }
    // Whoever reads only the first lines, `| head`, has what he wanted.
    let _ = std::io::stdout().write_all((lines.join("\n") + "\n").as_bytes());
    Exit::Conforms
}
