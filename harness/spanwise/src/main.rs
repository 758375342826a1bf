//! The command line: reads arguments, calls the library, turns what came of it into an exit code. One file a command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "demo")]
    if let Some(code) = spanwise::demo::serve_if_asked() {
        return code;
    }
    cli::main()
}
