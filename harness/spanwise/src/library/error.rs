//! What can go wrong between a test and its services, in messages that say what, where, and what to do.

use std::fmt;
use std::path::PathBuf;

use spanwise_check::NameTaken;
use spanwise_scenario::{StageError, SuiteError};

use crate::run::RunError;

/// Why a run did not start, a request could not be made, or an answer could not be read.
///
/// `Debug` prints what `Display` does: it is what a test shows that ends with `?` or `expect`.
#[derive(thiserror::Error)]
pub enum HarnessError {
    /// The suite file cannot be read.
    #[error("the suite file {} cannot be read, seen from {}: {source}", file.display(), here())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The suite file has a mistake.
    #[error("{}:{}:{}: {}{}", .0.file(), .0.line(), .0.column(), .0.message(), advice(.0))]
    Suite(#[source] Box<SuiteError>),
    /// What the test says of its services cannot be. The words are those of a suite file, which it is read as.
    #[error("what the test says of its services cannot be: {}{}", .0.message(), advice(.0))]
    Services(#[source] Box<SuiteError>),
    /// A value of an axis was chosen that there is not.
    #[error("{0}")]
    Axis(String),
    /// A suite file and services in the test do not go together.
    #[error("`{0}` is for harnesses that are built in the test: a suite file says it itself")]
    SaidByFile(&'static str),
    /// Two rules have one name.
    #[error(transparent)]
    Rules(#[from] NameTaken),
    /// The run could not be set up.
    #[error("{}", crate::run::chain(.0))]
    Setup(#[source] RunError),
    /// Services did not get ready: each with the reason and the last lines that it wrote.
    #[error("{}", .0.join("\n"))]
    NotReady(Vec<String>),
    /// A service that does not exist was asked for.
    #[error("there is no service `{name}`; there {}", are(known))]
    UnknownService {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// It is not clear which service a request goes to.
    #[error(
        "requests of the run itself go to the one service that no other calls, and of these there {}; say which with \
         `Harness::entry`, or ask `run.service(NAME)`",
        are(.0)
    )]
    NoEntry(Vec<String>),
    /// A request could not be made, or not sent.
    #[error("{request} could not be sent: {reason}")]
    Request {
        /// Method and path, or the call.
        request: String,
        /// Why.
        reason: String,
    },
    /// A body, or a part of it, is not what was asked for.
    #[error("the answer to {request} ({result}) is no such JSON: {source}; it began with {beginning:?}")]
    Json {
        /// Method and path, or the call.
        request: String,
        /// How it ended: the status, or the code.
        result: String,
        /// Where it differs.
        source: serde_json::Error,
        /// The first characters of the body.
        beginning: String,
    },
    /// Text that is no trace id was given for one.
    #[error("{0:?} is no trace id: it has 32 hexadecimal digits, not all zero")]
    TraceId(String),
    /// The services have been ended.
    #[error("the run has ended: keep it until the last trace is read")]
    Ended,
}

impl HarnessError {
    /// Why there is no stage; `is_file` where the text was somebody's file.
    pub(super) fn of_stage(error: StageError, is_file: bool) -> HarnessError {
        match error {
            StageError::Suite(error) if is_file => HarnessError::Suite(error),
            StageError::Suite(error) => HarnessError::Services(error),
            StageError::Choice(message) => HarnessError::Axis(message),
        }
    }
}

impl fmt::Debug for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn advice(error: &SuiteError) -> String {
    error.advice().map(|advice| format!("; {advice}")).unwrap_or_default()
}

/// The names of services in a sentence.
fn are(names: &[String]) -> String {
    match names {
        [] => "is none".to_owned(),
        names => format!("are: {}", names.join(", ")),
    }
}

/// Where relative paths begin: of tests, the folder of their package.
fn here() -> String {
    std::env::current_dir().map_or_else(|_| "an unknown folder".to_owned(), |here| here.display().to_string())
}
