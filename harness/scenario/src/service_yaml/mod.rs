//! How a service is deployed: the Cloud Run file of it, a Knative `Service`, which `gcloud run services replace` takes too.
//!
//! The program reads the files that it is given; a suite whose service has a file's name runs it so on `platform: cloud-run`,
//! over what the suite says of it in `cloud-run`. What is taken: `metadata.name`; of the container that takes requests, `env`
//! (plain values, which give way to the suite's and the run's) and the name of its port; `serviceAccountName`, `timeoutSeconds`,
//! `containerConcurrency`; the annotations of ingress, scaling, CPU throttling, audiences, and of invocation without a check.
//! What is not: `image`, `command`, `args` and the number of the port, because the suite says how a service is started; other
//! containers; values that are secrets.
//!
//! Source: "Cloud Run YAML Reference" and the reference of `RevisionSpec` of the Cloud Run Admin API v1.

mod file;
mod read;

use std::collections::BTreeSet;

use serde_saphyr::Location;
use spanwise_model::{Auth, CloudRunService, Cpu, Ingress, Platform};

use crate::error::{File, SuiteError};
use crate::{ServiceStart, Suite};

/// A Cloud Run file that was read and checked.
#[derive(Clone, Debug)]
pub struct ServiceYaml {
    file: String,
    text: String,
    /// Where its name stands.
    at: Location,
    name: String,
    env: Vec<(String, String)>,
    /// The variables whose values stand elsewhere.
    left_out: Vec<String>,
    /// How many containers do not take requests.
    others: usize,
    said: Said,
}

/// What the file says of the settings that a suite has, too.
#[derive(Clone, Debug, Default)]
struct Said {
    ingress: Option<Ingress>,
    auth: Option<Auth>,
    audiences: Option<Vec<String>>,
    service_account: Option<String>,
    http2: Option<bool>,
    timeout_ms: Option<u64>,
    concurrency: Option<u32>,
    min_instances: Option<u32>,
    max_instances: Option<u32>,
    cpu: Option<Cpu>,
}

impl ServiceYaml {
    /// Reads a file. `file_name` is only shown. Keys that are not taken may be there; those that are have the right type, or the
    /// error points at them.
    pub fn parse(file_name: &str, text: &str) -> Result<ServiceYaml, SuiteError> {
        read::read(File { name: file_name, text })
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its variables, in the order of the file.
    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Puts what the file says over what the suite says.
    pub(crate) fn apply(&self, settings: &mut CloudRunService) {
        let Said { min_instances: min, max_instances: max, .. } = self.said;
        let said = self.said.clone();
        put(&mut settings.ingress, said.ingress);
        put(&mut settings.auth, said.auth);
        put(&mut settings.audiences, said.audiences);
        put(&mut settings.http2, said.http2);
        put(&mut settings.timeout_ms, said.timeout_ms);
        put(&mut settings.concurrency, said.concurrency);
        put(&mut settings.cpu, said.cpu);
        settings.service_account = said.service_account.or(settings.service_account.take());
        // Of the two bounds, the one that only the suite has gives way.
        settings.min_instances = min.unwrap_or(settings.min_instances.min(max.unwrap_or(u32::MAX)));
        settings.max_instances = max.unwrap_or(settings.max_instances.max(settings.min_instances));
    }

    /// Refuses files of which two are for one service, or of which one is for no service that any suite runs on Cloud Run.
    pub fn check(files: &[ServiceYaml], suites: &[Suite]) -> Result<(), SuiteError> {
        for (at, file) in files.iter().enumerate() {
            if let Some(other) = files[..at].iter().find(|other| other.name == file.name) {
                return Err(file.error(format!("`{}` is deployed by {} already", file.name, other.file)));
            }
            let first = suites.iter().filter_map(|suite| suite.permutations.first());
            let names: BTreeSet<&str> =
                first.flat_map(|one| &one.settings.services).map(|facts| facts.name.as_str()).collect();
            if !names.contains(file.name.as_str()) {
                let error = file.error(format!("no suite has a service `{}`", file.name));
                return Err(error.with_names(&file.name, names));
            }
            if file.starts(suites).next().is_none() {
                let error = file.error(format!("no suite runs `{}` on `cloud-run`", file.name));
                return Err(
                    error.with_help("add `platform: [plain, cloud-run]` to the suite as its last axis")
                );
            }
        }
        Ok(())
    }

    /// What the file says and a run does not do, a sentence each: the service may behave otherwise than where it is deployed.
    pub fn notes(&self, suites: &[Suite]) -> Vec<String> {
        let mut notes = Vec::new();
        for name in &self.left_out {
            if self.starts(suites).any(|start| !start.env.contains_key(name)) {
                let why = "its value is not in the file; give it one in the suite's `env`";
                notes.push(format!("{}: `{name}` is not set: {why}", self.file));
            }
        }
        for (name, value) in &self.env {
            let differs =
                |start: &ServiceStart| start.env.get(name).is_none_or(|set| set.to_string() != *value);
            if self.starts(suites).all(differs) {
                let why = "it is the suite's or the run's to set";
                notes.push(format!("{}: `{name}` is not taken from the file: {why}", self.file));
            }
        }
        match self.others {
            0 => {}
            1 => {
                notes.push(format!("{}: 1 of its containers is not started: it takes no requests", self.file))
            }
            more => {
                notes.push(format!(
                    "{}: {more} of its containers are not started: they take no requests",
                    self.file
                ));
            }
        }
        notes
    }

    /// How the service is started on Cloud Run.
    fn starts<'a>(&'a self, suites: &'a [Suite]) -> impl Iterator<Item = &'a ServiceStart> {
        let settings = suites.iter().flat_map(|suite| &suite.settings);
        let settings = settings.filter(|setting| setting.platform == Platform::CloudRun);
        settings.flat_map(|setting| &setting.services).filter(|start| start.name == self.name)
    }

    fn error(&self, message: String) -> SuiteError {
        File { name: &self.file, text: &self.text }.error(self.at, message)
    }
}

fn put<T>(place: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *place = said;
    }
}
