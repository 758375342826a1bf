//! What a Cloud Run file means: from its keys to a [`ServiceYaml`], or to the place of the first mistake.

use crate::spanned::Spanned;
use spanwise_model::{Auth, CloudRunService, Cpu, Ingress};

use super::file::{ContainerFile, DeploymentFile, RevisionAnnotations, ServiceAnnotations, VariableFile};
use super::{Said, ServiceYaml};
use crate::cloud_run::{LONGEST_REQUEST_MS, MOST_CONCURRENCY, is_account, number};
use crate::environment::is_reserved;
use crate::error::{File, SuiteError};
use crate::format::read_yaml;
use crate::service::variable_name;
use crate::yaml::Scalar;

const API_VERSION: &str = "serving.knative.dev/v1";
const KIND: &str = "Service";

pub(super) fn read(file: File<'_>) -> Result<ServiceYaml, SuiteError> {
    let written: DeploymentFile = read_yaml(file)?;
    for (said, expected) in [(&written.api_version, API_VERSION), (&written.kind, KIND)] {
        if said.value != expected {
            let message = format!("`{}` is not the `{expected}` of a Cloud Run service", said.value);
            return Err(file.error(said.referenced, message));
        }
    }
    let template = written.spec.template;
    let of_service = written.metadata.annotations.unwrap_or_default();
    let of_revision = template.metadata.unwrap_or_default().annotations.unwrap_or_default();
    let mut said = annotations(file, &of_service, &of_revision)?;
    let revision = template.spec;
    if let Some(account) = &revision.service_account_name {
        is_account(file, account)?;
        said.service_account = Some(account.value.clone());
    }
    if let Some(timeout) = &revision.timeout_seconds {
        let longest = LONGEST_REQUEST_MS / 1_000;
        let seconds = number(file, "timeoutSeconds", &revision.timeout_seconds, 1..=longest, timeout.value)?;
        said.timeout_ms = Some(seconds * 1_000);
    }
    if revision.container_concurrency.is_some() {
        let written = &revision.container_concurrency;
        let concurrency = number(file, "containerConcurrency", written, 0..=MOST_CONCURRENCY, 0)?;
        // Cloud Run takes 0 for nothing said.
        let standard = CloudRunService::default().concurrency;
        said.concurrency = Some(if concurrency == 0 { standard } else { concurrency });
    }
    let container = serving(file, &revision.containers)?;
    said.http2 = http2(file, container)?;
    let Variables { env, left_out } = variables(file, container.env.as_deref().unwrap_or_default())?;
    Ok(ServiceYaml {
        file: file.name.to_owned(),
        text: file.text.to_owned(),
        at: written.metadata.name.referenced,
        name: written.metadata.name.value,
        env,
        left_out,
        others: revision.containers.value.len() - 1,
        said,
    })
}

/// The container that takes requests: the only one, or the only one with a port.
fn serving<'c>(
    file: File<'_>,
    containers: &'c Spanned<Vec<ContainerFile>>,
) -> Result<&'c ContainerFile, SuiteError> {
    if let [only] = containers.value.as_slice() {
        return Ok(only);
    }
    let has_port = |one: &&ContainerFile| one.ports.as_ref().is_some_and(|ports| !ports.is_empty());
    let mut serving = containers.value.iter().filter(has_port);
    match (serving.next(), serving.next()) {
        (Some(one), None) => Ok(one),
        _ => {
            let message = "of several containers, exactly one must have a port: the one that takes requests";
            Err(file.error(containers.referenced, message))
        }
    }
}

fn http2(file: File<'_>, container: &ContainerFile) -> Result<Option<bool>, SuiteError> {
    let Some(port) = container.ports.as_ref().and_then(|ports| ports.first()) else { return Ok(None) };
    number(file, "containerPort", &port.container_port, 1..=u16::MAX, 1)?;
    let Some(name) = &port.name else { return Ok(None) };
    word(file, &name.value, name, &[("http1", Some(false)), ("h2c", Some(true))])
}

/// The variables of a container.
struct Variables {
    env: Vec<(String, String)>,
    left_out: Vec<String>,
}

fn variables(file: File<'_>, written: &[VariableFile]) -> Result<Variables, SuiteError> {
    let (mut env, mut left_out) = (Vec::new(), Vec::new());
    for VariableFile { name, value, value_from } in written {
        variable_name(file, name)?;
        if is_reserved(&name.value) {
            let message = format!("`{}` is Cloud Run's to set: it refuses to deploy this", name.value);
            return Err(file.error(name.referenced, message));
        }
        if env.iter().any(|(earlier, _)| *earlier == name.value) || left_out.contains(&name.value) {
            return Err(file.error(name.referenced, format!("`{}` is set twice", name.value)));
        }
        match value {
            Some(value) => env.push((name.value.clone(), text(file, value)?.to_owned())),
            None if value_from.is_some() => left_out.push(name.value.clone()),
            None => env.push((name.value.clone(), String::new())),
        }
    }
    Ok(Variables { env, left_out })
}

fn annotations(
    file: File<'_>,
    service: &ServiceAnnotations,
    revision: &RevisionAnnotations,
) -> Result<Said, SuiteError> {
    let ingress = [
        ("all", Ingress::All),
        ("internal", Ingress::Internal),
        // The load balancer is not emulated; what does not come through it is the same to both.
        ("internal-and-cloud-load-balancing", Ingress::Internal),
    ];
    // With the check, who may call stands in the policy of the service and not in this file.
    let auth = [("true", Some(Auth::None)), ("false", None)];
    let cpu = [("true", Cpu::Throttled), ("false", Cpu::Always)];
    let audiences = service.custom_audiences.as_ref().or(revision.custom_audiences.as_ref());
    let (min, max) = (
        revision.min_scale.as_ref().or(service.min_scale.as_ref()),
        revision.max_scale.as_ref().or(service.max_scale.as_ref()),
    );
    let min_instances = min.map(|written| scale(file, written, 0)).transpose()?;
    let max_instances =
        max.map(|written| scale(file, written, min_instances.unwrap_or(0).max(1))).transpose()?;
    Ok(Said {
        ingress: choice(file, &service.ingress, &ingress)?,
        auth: choice(file, &service.invoker_iam_disabled, &auth)?.flatten(),
        audiences: audiences.map(|written| list(file, written)).transpose()?,
        min_instances,
        max_instances,
        cpu: choice(file, &revision.cpu_throttling, &cpu)?,
        ..Said::default()
    })
}

fn scale(file: File<'_>, written: &Spanned<Scalar>, least: u32) -> Result<u32, SuiteError> {
    match text(file, written)?.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(file.error(written.referenced, format!("this is a number, {least} or more"))),
    }
}

fn list(file: File<'_>, written: &Spanned<Scalar>) -> Result<Vec<String>, SuiteError> {
    match serde_json::from_str::<Vec<String>>(text(file, written)?) {
        Ok(list) if list.iter().all(|audience| !audience.is_empty()) => Ok(list),
        _ => {
            let error = file.error(written.referenced, "custom audiences are a JSON list of texts");
            Err(error.with_help("write them as '[\"https://one.example\", \"two\"]'"))
        }
    }
}

fn choice<T: Copy>(
    file: File<'_>,
    written: &Option<Spanned<Scalar>>,
    words: &[(&str, T)],
) -> Result<Option<T>, SuiteError> {
    written.as_ref().map(|written| word(file, text(file, written)?, written, words)).transpose()
}

fn word<T: Copy, N>(
    file: File<'_>,
    said: &str,
    place: &Spanned<N>,
    words: &[(&str, T)],
) -> Result<T, SuiteError> {
    words.iter().find(|(word, _)| *word == said).map(|(_, value)| *value).ok_or_else(|| {
        let error = file.error(place.referenced, format!("unknown word `{said}`"));
        error.with_names(said, words.iter().map(|(word, _)| *word))
    })
}

/// Variables and annotations are text to Cloud Run, which refuses numbers and booleans.
fn text<'s>(file: File<'_>, written: &'s Spanned<Scalar>) -> Result<&'s str, SuiteError> {
    match &written.value {
        Scalar::Text(text) => Ok(text),
        other => {
            let error = file.error(written.referenced, "Cloud Run takes text here");
            Err(error.with_help(format!("write it as \"{other}\"")))
        }
    }
}
