//! Who gets color: terminals, unless the environment says otherwise (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`), the same for
//! reports, errors that point into files, and the help that clap writes.

use std::io;

use anstream::{AutoStream, ColorChoice};

/// Whether standard output gets color.
pub(super) fn on_stdout() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Has errors that point into files go by the same rules, on standard error.
pub(super) fn of_errors() {
    let colors = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let made = miette::set_hook(Box::new(move |_| {
        Box::new(miette::MietteHandlerOpts::new().color(colors).terminal_links(colors).build())
    }));
    // Only a second hook is refused, and there is none.
    let _ = made;
}
