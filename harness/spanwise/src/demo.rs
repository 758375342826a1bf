//! The demo inside the binary: its suite, and its two services as child processes of whatever program runs it.
//!
//! No nested build and no second binary: a program that can start demo services calls [`serve_if_asked`] first thing
//! in `main`, and is then started again by the run loop with [`ARGUMENT`].

use std::process::ExitCode;

/// The first argument of a process that is to be a demo service; the second is the service's name.
pub const ARGUMENT: &str = "__demo-service";

/// The demo's suite: file name and text.
pub const SUITE: (&str, &str) = ("demo.yaml", include_str!("../../../fixtures/suites/demo.yaml"));

/// A demo service: its name in suite files (`demo: api-service`), and what runs it until SIGTERM.
type Service = (&'static str, fn() -> ExitCode);

const SERVICES: [Service; 2] = [
    ("api-service", spanwise_demo_api_service::run),
    ("backend-service", spanwise_demo_backend_service::run),
];

/// The names of the demo services.
pub fn names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// Becomes a demo service where this process was started to be one; `None` in every other process.
///
/// The first line of every `main` that runs demo suites:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = spanwise::demo::serve_if_asked() {
///         return code;
///     }
///     ExitCode::SUCCESS
/// }
/// ```
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return None;
    }
    let asked = arguments.next().unwrap_or_default();
    match SERVICES.iter().find(|(name, _)| *name == asked) {
        Some((_, run)) => Some(run()),
        None => {
            eprintln!("there is no demo service {asked:?}");
            Some(ExitCode::from(2))
        }
    }
}
