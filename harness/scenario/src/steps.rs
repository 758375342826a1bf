//! The requests of a case as the file has them: one, or the steps of its `sequence`, each in several forms.
//!
//! Checks what does not depend on `each` and the axes; `request` reads the forms.

use serde_saphyr::Location;
use spanwise_model::ServiceProtocol;

use crate::Entry;
use crate::error::{File, SuiteError};
use crate::format::{CaseFile, ExpectFile, GrpcFile, HttpFile, ShellFile, StepFile};
use crate::launch::Launch;
use crate::name::component;
use crate::service::Service;
use crate::spanned::Spanned;

/// A case that is no sequence, or a step of one.
pub(crate) struct Written<'f> {
    /// Of a step: its name, or its number where it has none.
    pub(crate) step: Option<String>,
    /// Where it stands.
    pub(crate) place: Location,
    pub(crate) http: Option<&'f HttpFile>,
    pub(crate) grpc: Option<&'f GrpcFile>,
    pub(crate) shell: Option<&'f ShellFile>,
    pub(crate) expect: Option<&'f Spanned<ExpectFile>>,
}

impl Written<'_> {
    fn has(&self, entry: Entry) -> bool {
        match entry {
            Entry::Http => self.http.is_some(),
            Entry::Grpc => self.grpc.is_some(),
            Entry::Shell => self.shell.is_some(),
        }
    }

    /// The forms that it has.
    pub(crate) fn forms(&self) -> Vec<Entry> {
        Entry::ALL.iter().copied().filter(|entry| self.has(*entry)).collect()
    }

    /// The form in which it is sent where the entry is `entry`: that one or, behind the first step, the only one there is.
    pub(crate) fn form(&self, file: File<'_>, entry: Entry) -> Result<Entry, SuiteError> {
        match self.forms().as_slice() {
            _ if self.has(entry) => Ok(entry),
            [only] => Ok(*only),
            _ => {
                let message = format!(
                    "the step has several forms, and none for entry `{}`, which the first step has",
                    entry.as_str()
                );
                Err(file.error(self.place, message))
            }
        }
    }
}

/// The requests of a case, in order.
pub(crate) fn steps<'f>(
    file: File<'_>,
    name: &Spanned<String>,
    case: &'f CaseFile,
    services: &[Service<'_>],
) -> Result<Vec<Written<'f>>, SuiteError> {
    let CaseFile { http, grpc, shell, expect, .. } = case;
    let written = match &case.sequence {
        None => vec![Written {
            step: None,
            place: name.referenced,
            http: http.as_ref(),
            grpc: grpc.as_ref(),
            shell: shell.as_ref(),
            expect: expect.as_ref(),
        }],
        Some(sequence) => {
            if http.is_some() || grpc.is_some() || shell.is_some() {
                let message = "a case has either forms of its own, or a `sequence` of steps that have them";
                return Err(file.error(sequence.referenced, message));
            }
            if let Some(expect) = expect {
                let message = "what is expected of a sequence stands in its steps";
                return Err(file.error(expect.referenced, message));
            }
            of_sequence(file, sequence)?
        }
    };
    written.iter().try_for_each(|one| check(file, one, services))?;
    Ok(written)
}

fn of_sequence<'f>(
    file: File<'_>,
    sequence: &'f Spanned<Vec<Spanned<StepFile>>>,
) -> Result<Vec<Written<'f>>, SuiteError> {
    let mut written: Vec<Written<'f>> = Vec::new();
    for (number, Spanned { value: step, referenced }) in (1..).zip(&sequence.value) {
        let name = match &step.name {
            None => format!("{number}"),
            Some(name) => {
                component(file, name, "name of a step")?;
                if name.value.contains('.') {
                    let message = format!("`{}` cannot be the name of a step: it has a dot", name.value);
                    return Err(file.error(name.referenced, message));
                }
                name.value.clone()
            }
        };
        let place = step.name.as_ref().map_or(*referenced, |name| name.referenced);
        if written.iter().any(|earlier| earlier.step.as_ref() == Some(&name)) {
            return Err(file.error(place, format!("two steps are called `{name}`")));
        }
        let StepFile { http, grpc, shell, expect, .. } = step;
        let one = Written {
            step: Some(name),
            place,
            http: http.as_ref(),
            grpc: grpc.as_ref(),
            shell: shell.as_ref(),
            expect: expect.as_ref(),
        };
        if one.forms().is_empty() {
            return Err(file.error(place, "a step has at least one of the forms `http`, `grpc` and `shell`"));
        }
        written.push(one);
    }
    if written.is_empty() {
        return Err(file.error(sequence.referenced, "a sequence has at least one step"));
    }
    Ok(written)
}

/// Checks the forms' targets, and that nothing is expected of a form that is not there.
fn check(file: File<'_>, written: &Written<'_>, services: &[Service<'_>]) -> Result<(), SuiteError> {
    let who = if written.step.is_some() { "step" } else { "case" };
    if let Some(Spanned { value: expect, .. }) = written.expect {
        let http = expect.http.as_ref().map(|expected| expected.referenced);
        let grpc = expect.grpc.as_ref().map(|expected| expected.referenced);
        let exit = expect.exit.as_ref().map(|expected| expected.referenced);
        let http_spans = expect.http_spans.as_ref().map(|trees| trees.referenced);
        let grpc_spans = expect.grpc_spans.as_ref().map(|trees| trees.referenced);
        for (form, key, expected) in [
            (Entry::Http, "http", http),
            (Entry::Grpc, "grpc", grpc),
            (Entry::Shell, "exit", exit),
            (Entry::Http, "http-spans", http_spans),
            (Entry::Grpc, "grpc-spans", grpc_spans),
        ] {
            if let Some(place) = expected.filter(|_| !written.has(form)) {
                let form = form.as_str();
                let error = file.error(place, format!("the {who} has no `{form}` form to expect this of"));
                return Err(error.with_help(format!("add the form `{form}`, or remove `expect.{key}`")));
            }
        }
        if let Some((header, _)) = expect.headers.iter().next().filter(|_| written.forms() == [Entry::Shell])
        {
            return Err(file.error(header.referenced, "a command has no headers to expect this of"));
        }
    }
    if let Some(http) = written.http {
        known_target(file, &http.to, ServiceProtocol::Http, services)?;
    }
    if let Some(grpc) = written.grpc {
        known_target(file, &grpc.to, ServiceProtocol::Grpc, services)?;
    }
    Ok(())
}

/// Refuses a request to a service that does not exist or speaks something else.
fn known_target(
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
        let error = file.error(to.referenced, message);
        return Err(error.with_help("send the request to a service that calls it"));
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
