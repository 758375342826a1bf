//! `spanwise completions` and `spanwise man`: made from the arguments, so that they are never behind.

use std::io::Write;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Exit, unusable};

#[derive(Args)]
pub(super) struct CompletionsArguments {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArguments {
    /// The page of this command; without one that of spanwise
    command: Option<String>,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "spanwise", &mut text);
    written(&text)
}

pub(super) fn man(arguments: &ManArguments) -> Exit {
    let mut all = Arguments::command();
    all.build();
    let page = match &arguments.command {
        None => all,
        Some(name) => match all.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
                return unusable(format!("no command is called {name:?}; there are {}", names.join(", ")));
            }
        },
    };
    let mut text = Vec::new();
    match clap_mangen::Man::new(page).render(&mut text) {
        Ok(()) => written(&text),
        Err(error) => unusable(format!("the page cannot be made: {error}")),
    }
}

/// Whoever reads only the first lines, `| head`, has what he wanted.
fn written(text: &[u8]) -> Exit {
    let _ = std::io::stdout().write_all(text);
    Exit::Conforms
}
