//! Stand-ins for HTTP services of others, key `stubs` of a suite: what each answers to which request.

use std::time::Duration;

use spanwise_model::StubResponse;

use crate::cloud_run::number;
use crate::error::{File, SuiteError};
use crate::format::StubFile;
use crate::request::header_name;
use crate::spanned::Spanned;
use crate::yaml::AsText as _;

/// The longest that a stub takes to answer, in milliseconds.
pub(crate) const LONGEST_DELAY_MS: u64 = 600_000;

/// Reads what a stub answers.
pub(crate) fn responses(
    file: File<'_>,
    name: &Spanned<String>,
    written: &[StubFile],
) -> Result<Vec<StubResponse>, SuiteError> {
    if written.is_empty() {
        let message = format!("the stub `{}` answers nothing", name.value);
        let help = "list what it answers: `- { path: \"*\" }` answers 200 to everything";
        return Err(file.error(name.referenced, message).with_help(help));
    }
    written.iter().map(|written| response(file, written)).collect()
}

fn response(file: File<'_>, written: &StubFile) -> Result<StubResponse, SuiteError> {
    let StubFile { method, path, respond } = written;
    if let Some(method) = method.as_ref().filter(|method| !is_method(&method.value)) {
        let message = format!("`{}` is no HTTP method, such as `POST`", method.value);
        return Err(file.error(method.referenced, message));
    }
    if !path.value.starts_with(['/', '*']) {
        return Err(file.error(path.referenced, "the path does not begin with `/`"));
    }
    if path.value.contains(['?', '#']) {
        return Err(file.error(path.referenced, "requests are told apart by their path without the query"));
    }
    let mut headers = Vec::new();
    for (name, value) in respond.headers.iter() {
        let text = value.written(file).value;
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(file.error(value.referenced, "a header holds ASCII characters of one line"));
        }
        headers.push((header_name(file, name)?, text));
    }
    let body = match (&respond.json, &respond.body) {
        (Some(_), Some(body)) => {
            return Err(file.error(body.referenced, "a response has either `json` or `body`, not both"));
        }
        (Some(json), None) => {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            json.value.to_string()
        }
        (None, body) => body.as_ref().map(|body| body.value.clone()).unwrap_or_default(),
    };
    let delay = number(file, "delay-ms", &respond.delay_ms, 0..=LONGEST_DELAY_MS, 0)?;
    Ok(StubResponse {
        method: method.as_ref().map(|method| method.value.clone()),
        path: path.value.clone(),
        status: number(file, "status", &respond.status, 200..=599, 200)?,
        headers,
        body,
        delay: Duration::from_millis(delay),
    })
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}
