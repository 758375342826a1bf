//! What the driver sends in a permutation, and what it expects back. Read from a case's `http`, `grpc` and `expect`.

use std::time::Duration;

use crate::spanned::Spanned;
use spanwise_model::{GrpcCode, RequestResult, ServiceProtocol};

use crate::Entry;
use crate::error::{File, SuiteError};
use crate::format::{CaseFile, GrpcFile, HttpFile};
use crate::launch::Launch;
use crate::service::Service;
use crate::template::Names;
use crate::yaml::{AsText, Scalar};

/// One request of the driver.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryRequest {
    /// The service it goes to.
    pub to: String,
    /// What is sent.
    pub form: RequestForm,
    /// Headers, or metadata, beside those that the form and the context need; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The user of this request among concurrent ones: what `{{user}}` stood for.
    pub marker: Option<String>,
    /// What must come back, where the case says so.
    pub expected: Option<RequestResult>,
}

/// The form of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestForm {
    /// An HTTP request.
    Http {
        /// `GET`, `POST`, …
        method: &'static str,
        /// Path and query.
        path: String,
        /// The body; `None` sends none. Its content type is among the headers.
        body: Option<String>,
    },
    /// A gRPC call with one request message; whether answers stream is the descriptor's to say.
    Grpc {
        /// `package.Service/Method`.
        call: String,
        /// The message as proto3 JSON (field names as in the `.proto` file, or in lowerCamelCase).
        message: serde_json::Value,
        /// The driver gives up after this time, and the call ends with DEADLINE_EXCEEDED.
        deadline: Option<Duration>,
    },
}

/// The HTTP status that `google/rpc/code.proto` maps a gRPC code to.
pub fn http_status(code: GrpcCode) -> u16 {
    match code {
        GrpcCode::Ok => 200,
        GrpcCode::Cancelled => 499,
        GrpcCode::InvalidArgument | GrpcCode::FailedPrecondition | GrpcCode::OutOfRange => 400,
        GrpcCode::DeadlineExceeded => 504,
        GrpcCode::NotFound => 404,
        GrpcCode::AlreadyExists | GrpcCode::Aborted => 409,
        GrpcCode::PermissionDenied => 403,
        GrpcCode::Unauthenticated => 401,
        GrpcCode::ResourceExhausted => 429,
        GrpcCode::Unimplemented => 501,
        GrpcCode::Unavailable => 503,
        GrpcCode::Unknown | GrpcCode::Internal | GrpcCode::DataLoss => 500,
    }
}

/// The request of a case in one form, everything filled in.
pub(crate) fn request(
    case: &CaseFile,
    entry: Entry,
    names: &Names<'_>,
) -> Result<Option<EntryRequest>, SuiteError> {
    let (to, form, headers) = match (entry, &case.http, &case.grpc) {
        (Entry::Http, Some(http), _) => (&http.to, http_form(http, names)?, &http.headers),
        (Entry::Grpc, _, Some(grpc)) => (&grpc.to, grpc_form(grpc, names)?, &grpc.metadata),
        _ => return Ok(None),
    };
    let has_body = matches!(form, RequestForm::Http { body: Some(_), .. });
    let header = |(name, value): (&Spanned<String>, &Spanned<Scalar>)| {
        Ok((header_name(names.file, name)?, names.text(&value.text())?))
    };
    let mut headers: Vec<(String, String)> = headers.iter().map(header).collect::<Result<_, SuiteError>>()?;
    if has_body && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Some(EntryRequest {
        to: to.value.clone(),
        form,
        headers,
        marker: names.user.map(str::to_owned),
        expected: match entry {
            Entry::Http => {
                case.expect.http.as_ref().map(|expected| http_result(expected, names)).transpose()?
            }
            Entry::Grpc => {
                case.expect.grpc.as_ref().map(|expected| grpc_result(expected, names)).transpose()?
            }
        },
    }))
}

/// Refuses a request to a service that does not exist or speaks something else.
pub(crate) fn known_target(
    file: File<'_>,
    to: &Spanned<String>,
    protocol: ServiceProtocol,
    services: &[Service<'_>],
) -> Result<(), SuiteError> {
    let Some(service) = services.iter().find(|service| service.name == to.value) else {
        let error = file.error(to.referenced, format!("unknown service `{}`", to.value));
        return Err(error.with_names(&to.value, services.iter().map(|service| service.name)));
    };
    if matches!(service.start.launch, Launch::Stub(_)) {
        let message = format!("`{}` is a stub, which stands for somebody else's service", to.value);
        return Err(file
            .error(to.referenced, message)
            .with_help("send the request to a service that calls it"));
    }
    if service.facts.protocol == protocol {
        return Ok(());
    }
    let (form, says) = match protocol {
        ServiceProtocol::Http => ("http", "grpc"),
        ServiceProtocol::Grpc => ("grpc", "http"),
    };
    let message = format!("the `{form}` form goes to `{}`, whose protocol is {says}", to.value);
    Err(file.error(to.referenced, message))
}

fn http_form(http: &HttpFile, names: &Names<'_>) -> Result<RequestForm, SuiteError> {
    let written = [
        ("GET", &http.get),
        ("POST", &http.post),
        ("PUT", &http.put),
        ("PATCH", &http.patch),
        ("DELETE", &http.delete),
    ];
    let mut methods = written.into_iter().filter_map(|(method, path)| Some((method, path.as_ref()?)));
    let (Some((method, path)), None) = (methods.next(), methods.next()) else {
        let message = "an `http` form has exactly one of `get`, `post`, `put`, `patch` and `delete`";
        return Err(names.file.error(http.to.referenced, message));
    };
    let filled = names.text(path)?;
    if !filled.starts_with('/') {
        return Err(names.file.error(path.referenced, "the path does not begin with `/`"));
    }
    let body = match (&http.json, &http.body) {
        (Some(json), None) => Some(names.json(json)?.to_string()),
        (None, Some(body)) => Some(names.text(body)?),
        (None, None) => None,
        (Some(_), Some(body)) => {
            return Err(names.file.error(body.referenced, "a request has either `json` or `body`, not both"));
        }
    };
    Ok(RequestForm::Http { method, path: filled, body })
}

fn grpc_form(grpc: &GrpcFile, names: &Names<'_>) -> Result<RequestForm, SuiteError> {
    let call = names.text(&grpc.call)?;
    let well_formed = call
        .split_once('/')
        .is_some_and(|(service, method)| !service.is_empty() && !method.is_empty() && !method.contains('/'));
    if !well_formed {
        let message = format!("`{call}` does not have the form `package.Service/Method`");
        return Err(names.file.error(grpc.call.referenced, message));
    }
    let message = match &grpc.message {
        Some(message) => names.json(message)?,
        None => serde_json::Value::Object(serde_json::Map::new()),
    };
    let deadline = grpc.deadline_ms.as_ref().map(|deadline| Duration::from_millis(deadline.value));
    Ok(RequestForm::Grpc { call, message, deadline })
}

/// Reads `expect.http`: a status, `broken` (200, and a body that is cut short), or a gRPC code for its HTTP status.
fn http_result(expected: &Spanned<Scalar>, names: &Names<'_>) -> Result<RequestResult, SuiteError> {
    let text = names.text(&expected.text())?;
    if text == "broken" {
        return Ok(RequestResult::HttpBroken(200));
    }
    if let Ok(code) = text.parse::<GrpcCode>() {
        return Ok(RequestResult::Http(http_status(code)));
    }
    match text.parse() {
        Ok(status @ 100..=599) => Ok(RequestResult::Http(status)),
        _ => {
            let message = format!("`{text}` is no HTTP status, no gRPC code, and not `broken`");
            Err(names.file.error(expected.referenced, message))
        }
    }
}

fn grpc_result(expected: &Spanned<String>, names: &Names<'_>) -> Result<RequestResult, SuiteError> {
    let text = names.text(expected)?;
    text.parse().map(RequestResult::Grpc).map_err(|()| {
        let error = names.file.error(expected.referenced, format!("`{text}` is no gRPC code"));
        error.with_names(&text, GrpcCode::all().map(GrpcCode::as_str))
    })
}

/// Header names are compared and sent in lower case; what trace context travels in is the driver's to set.
pub(crate) fn header_name(file: File<'_>, name: &Spanned<String>) -> Result<String, SuiteError> {
    let lower = name.value.to_ascii_lowercase();
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if lower.is_empty() || !lower.bytes().all(legal) {
        return Err(file.error(name.referenced, format!("{:?} cannot be the name of a header", name.value)));
    }
    if matches!(lower.as_str(), "traceparent" | "x-cloud-trace-context") {
        let error = file.error(name.referenced, format!("`{lower}` is set by the driver"));
        return Err(error.with_help("say what it sends with `context` and the axis `propagation`"));
    }
    Ok(lower)
}

/// Checks both forms' targets, and that nothing is expected of a form that the case does not have.
pub(crate) fn check_forms(
    file: File<'_>,
    case: &CaseFile,
    services: &[Service<'_>],
) -> Result<(), SuiteError> {
    let http = case.expect.http.as_ref().map(|expected| expected.referenced);
    let grpc = case.expect.grpc.as_ref().map(|expected| expected.referenced);
    let http_spans = case.expect.http_spans.as_ref().map(|trees| trees.referenced);
    let grpc_spans = case.expect.grpc_spans.as_ref().map(|trees| trees.referenced);
    for (form, key, expected, has_form) in [
        ("http", "http", http, case.http.is_some()),
        ("grpc", "grpc", grpc, case.grpc.is_some()),
        ("http", "http-spans", http_spans, case.http.is_some()),
        ("grpc", "grpc-spans", grpc_spans, case.grpc.is_some()),
    ] {
        if let Some(place) = expected.filter(|_| !has_form) {
            let error = file.error(place, format!("the case has no `{form}` form to expect this of"));
            return Err(error.with_help(format!("add the form `{form}`, or remove `expect.{key}`")));
        }
    }
    if let Some(http) = &case.http {
        known_target(file, &http.to, ServiceProtocol::Http, services)?;
    }
    if let Some(grpc) = &case.grpc {
        known_target(file, &grpc.to, ServiceProtocol::Grpc, services)?;
    }
    Ok(())
}
