//! What the driver sends in a permutation, and what it expects back. Read from the forms `http`, `grpc` and `shell` of a case or of
//! a step of its sequence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwise_model::RequestResult;

use crate::Entry;
use crate::answer::ExpectedAnswer;
use crate::error::{File, SuiteError};
use crate::format::{GrpcFile, HttpFile, ShellFile};
use crate::names::Names;
use crate::result::expected_result;
use crate::service::variable_name;
use crate::spanned::Spanned;
use crate::steps::Written;
use crate::template::{Reference, Template};
use crate::yaml::{AsText, Scalar};

/// One request of the driver.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryRequest {
    /// The service it goes to; of a command, the first that it names.
    pub to: String,
    /// What is sent.
    pub form: RequestForm,
    /// Headers, or metadata, beside those that the form and the context need; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The user of this request among concurrent ones: what `{{user}}` stood for.
    pub marker: Option<String>,
    /// What must come back, where the case says so.
    pub expected: Option<RequestResult>,
    /// What else the answer must have.
    pub answer: ExpectedAnswer,
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
        body: Option<Body>,
    },
    /// A gRPC call; whether requests and answers stream is the descriptor's to say.
    Grpc {
        /// `package.Service/Method`.
        call: String,
        /// The messages as proto3 JSON (field names as in the `.proto` file, or in lowerCamelCase).
        messages: Vec<serde_json::Value>,
        /// The driver gives up after this time, and the call ends with DEADLINE_EXCEEDED.
        deadline: Option<Duration>,
    },
    /// A command that calls services.
    Shell {
        /// What `sh -c` runs. References are to fronts for the driver, and to files and addresses of the run.
        run: Template,
        /// Variables of its environment.
        env: Vec<(String, Template)>,
        /// The services that it names.
        services: Vec<String>,
        /// The folder that it runs in, as the suite file's name has it: the path may be relative, and empty.
        folder: PathBuf,
        /// It is killed after this time; `None` leaves it to the run.
        deadline: Option<Duration>,
    },
}

/// The body of an HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Sent as compact JSON.
    Json(serde_json::Value),
    /// Sent as it is.
    Text(String),
}

impl EntryRequest {
    /// The services that the driver enters at.
    pub fn services(&self) -> &[String] {
        match &self.form {
            RequestForm::Shell { services, .. } => services,
            _ => std::slice::from_ref(&self.to),
        }
    }
}

impl std::fmt::Display for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Json(json) => json.fmt(f),
            Body::Text(text) => f.write_str(text),
        }
    }
}

/// A request in one of its forms, everything filled in but what is known of answers. `None` where it has not that form.
pub(crate) fn request(
    written: &Written<'_>,
    form: Entry,
    names: &Names<'_>,
) -> Result<Option<EntryRequest>, SuiteError> {
    let (to, form_of, headers) = match (form, written.http, written.grpc, written.shell) {
        (Entry::Http, Some(http), ..) => {
            (http.to.value.clone(), http_form(http, names)?, http.headers.iter().collect())
        }
        (Entry::Grpc, _, Some(grpc), _) => {
            (grpc.to.value.clone(), grpc_form(grpc, names)?, grpc.metadata.iter().collect())
        }
        (Entry::Shell, .., Some(shell)) => {
            let (to, form) = shell_form(shell, names)?;
            (to, form, Vec::new())
        }
        _ => return Ok(None),
    };
    let has_body = matches!(form_of, RequestForm::Http { body: Some(_), .. });
    let header = |(name, value): (&Spanned<String>, &Spanned<Scalar>)| {
        Ok((sent_header(names.file, name)?, names.text(&value.written(names.file))?))
    };
    let mut headers: Vec<(String, String)> =
        headers.into_iter().map(header).collect::<Result<_, SuiteError>>()?;
    if has_body && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let expect = written.expect.map(|expect| &expect.value);
    Ok(Some(EntryRequest {
        to,
        form: form_of,
        headers,
        marker: names.user.map(str::to_owned),
        expected: expected_result(expect, form, names)?,
        answer: expect.map(|expect| ExpectedAnswer::read(expect, names)).transpose()?.unwrap_or_default(),
    }))
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
        (Some(json), None) => Some(Body::Json(names.json(json)?)),
        (None, Some(body)) => Some(Body::Text(names.text(body)?)),
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
    let messages = match (&grpc.message, &grpc.messages) {
        (Some(message), None) => vec![names.json(message)?],
        (None, Some(messages)) => {
            messages.iter().map(|message| names.json(message)).collect::<Result<_, _>>()?
        }
        (None, None) => vec![serde_json::Value::Object(serde_json::Map::new())],
        (Some(message), Some(_)) => {
            let message =
                names.file.error(message.referenced, "a call has either `message` or `messages`, not both");
            return Err(
                message.with_help("`messages` is the list that a method with a stream of requests takes")
            );
        }
    };
    let deadline = grpc.deadline_ms.as_ref().map(|deadline| Duration::from_millis(deadline.value));
    Ok(RequestForm::Grpc { call, messages, deadline })
}

/// A command, and the first service that it names.
fn shell_form(shell: &ShellFile, names: &Names<'_>) -> Result<(String, RequestForm), SuiteError> {
    let variable = |(name, value): (&Spanned<String>, &Spanned<Scalar>)| {
        variable_name(names.file, name)?;
        Ok((name.value.clone(), entering(names, &value.written(names.file))?))
    };
    let run = entering(names, &shell.run)?;
    let env: Vec<(String, Template)> = shell.env.iter().map(variable).collect::<Result<_, SuiteError>>()?;
    let mut services: Vec<String> = Vec::new();
    for reference in
        std::iter::once(&run).chain(env.iter().map(|(_, value)| value)).flat_map(Template::references)
    {
        match reference {
            Reference::ServiceUrl(name) if !services.contains(name) => services.push(name.clone()),
            _ => {}
        }
    }
    let Some(to) = services.first().cloned() else {
        let error = names.file.error(shell.run.referenced, "the command names no service that it calls");
        return Err(error.with_help("write `{{NAME.url}}` in `run` or `env` for the address of a service"));
    };
    let folder = Path::new(names.file.name).parent().unwrap_or(Path::new("")).to_owned();
    let deadline = match &shell.deadline_ms {
        Some(zero) if zero.value == 0 => {
            return Err(names.file.error(zero.referenced, "`deadline-ms` is at least 1"));
        }
        deadline => deadline.as_ref().map(|deadline| Duration::from_millis(deadline.value)),
    };
    Ok((to, RequestForm::Shell { run, env, services, folder, deadline }))
}

/// Reads text of a command, which is none of the services: it has no port and exports nowhere.
fn entering(names: &Names<'_>, text: &Spanned<String>) -> Result<Template, SuiteError> {
    let template = names.template(text)?;
    let of_services = template.references().find(|reference| {
        matches!(reference, Reference::Port | Reference::Collector(_) | Reference::MetadataHost)
    });
    match of_services {
        None => Ok(template),
        Some(reference) => {
            let message = format!("a command has no `{{{{{reference}}}}}`, which is a service's");
            let error = names.file.error_within(text.referenced, &reference.to_string(), message);
            Err(error.with_help("a program whose own spans matter is a service"))
        }
    }
}

/// The name of a header that a case sends: what trace context travels in is the driver's to set.
fn sent_header(file: File<'_>, name: &Spanned<String>) -> Result<String, SuiteError> {
    let lower = header_name(file, name)?;
    if matches!(lower.as_str(), "traceparent" | "x-cloud-trace-context") {
        let error = file.error(name.referenced, format!("`{lower}` is set by the driver"));
        return Err(error.with_help("say what it sends with `context` and the axis `propagation`"));
    }
    Ok(lower)
}

/// Header names are compared and sent in lower case.
pub(crate) fn header_name(file: File<'_>, name: &Spanned<String>) -> Result<String, SuiteError> {
    let lower = name.value.to_ascii_lowercase();
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if lower.is_empty() || !lower.bytes().all(legal) {
        return Err(file.error(name.referenced, format!("{:?} cannot be the name of a header", name.value)));
    }
    Ok(lower)
}
