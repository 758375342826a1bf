//! The repository's own chores: `cargo xtask tidy | generate | new-rule FAMILY NAME`.
//!
//! Called by people and by `.ci/run`; `tidy` also runs as a test. It is no part of what users install.

mod generate;
mod new_rule;
mod tidy;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | generate | new-rule FAMILY NAME

  tidy                  check the house rules that the compiler does not: file heads and lengths, waits, reasons for
                        dependencies, generated pages
  generate              write the generated pages anew
  new-rule FAMILY NAME  write the skeleton of a rule and register it";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["tidy"] => tidy::tidy(&tree::root()),
        ["generate"] => generate::write(&tree::root()).map_err(|error| vec![error]),
        ["new-rule", family, name] => {
            new_rule::write(&tree::root(), family, name).map_err(|error| vec![error])
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
            ExitCode::FAILURE
        }
    }
}
