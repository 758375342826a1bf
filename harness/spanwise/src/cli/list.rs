//! `spanwise list`.

use std::io::Write;

use clap::Args;
use spanwise::check::registry;

use super::Exit;
use super::selection::Selection;

#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    selection: Selection,
    /// The rules in place of permutations: name, level, family
    #[arg(long, conflicts_with_all = ["suites", "filter", "skip", "shard", "service_yaml"])]
    rules: bool,
}

pub(super) fn list(arguments: &ListArguments) -> Exit {
    let lines: Vec<String> = if arguments.rules {
        let line = |rule: &spanwise::check::Rule| {
            format!("{:<34} {:<12} {}", rule.name, rule.level.as_str(), rule.family.as_str())
        };
        registry::rules().map(line).collect()
    } else {
        match arguments.selection.planned() {
            Ok(planned) => planned.plan.permutations.iter().map(|one| one.name.to_string()).collect(),
            Err(exit) => return exit,
        }
    };
    // Whoever reads only the first lines, `| head`, has what he wanted.
    let _ = std::io::stdout().write_all((lines.join("\n") + "\n").as_bytes());
    Exit::Conforms
}
