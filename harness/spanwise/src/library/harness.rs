//! From what a test says of its services to services that run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use spanwise_check::{Profile, Rule};

use super::{HarnessError, Run, Service};
use crate::plan::{More, SuiteText, stage};
use crate::run::{Options, Programs};

/// What the suite of a harness that a test builds is called where [`Harness::key`] does not say.
const NAME: &str = "test";

/// What a test starts: the services of a suite file, or those that it describes itself.
#[derive(Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Harness {
    source: Source,
    chosen: Vec<(String, String)>,
    options: Options,
    profile: Option<Profile>,
    entry: Option<String>,
    /// A key that only a suite which is built in the test may have, and was given for a file.
    said_by_file: Option<&'static str>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Built { suite: Map<String, Value>, services: Map<String, Value>, programs: Programs },
}

impl Harness {
    /// The services of a suite file, relative to the folder of the test's package, which is where `cargo test` runs it. Its cases
    /// are not read, nor are the failures that it knows of: a test names rules that may speak with `assert_conforms!(trace, allow = […])`.
    /// Of each axis the first value counts, or what [`Harness::axis`] chooses.
    pub fn from_suite(file: impl Into<PathBuf>) -> Harness {
        Harness::new(Source::File(file.into()))
    }

    /// Services that the test describes; none at all for a test that has only a tracer provider.
    pub fn builder() -> Harness {
        Harness::new(Source::Built { suite: Map::new(), services: Map::new(), programs: Programs::new() })
    }

    fn new(source: Source) -> Harness {
        let (chosen, options) = (Vec::new(), Options::default());
        Harness { source, chosen, options, profile: None, entry: None, said_by_file: None }
    }

    /// Adds a service, under the name by which others call it and by which it stands in traces.
    pub fn service(mut self, name: impl Into<String>, service: Service) -> Harness {
        let Source::Built { services, programs, .. } = &mut self.source else { return self.unfit("service") };
        let name = name.into();
        let Service { mut keys, program } = service;
        if let Some(program) = program {
            keys.insert("demo".to_owned(), json!(name));
            programs.insert(name.clone(), program);
        }
        services.insert(name, Value::Object(keys));
        self
    }

    /// The Google Cloud project that services are told.
    pub fn project(self, project: impl Into<String>) -> Harness {
        self.said("project", Value::String(project.into()), "project")
    }

    /// Anything else that a suite file says of a suite: `key("levels", …)`, `key("require-labels", ["user.id"])`.
    pub fn key(self, name: impl Into<String>, value: impl Serialize) -> Harness {
        // What cannot be written as JSON is refused by the reader, which expects something there.
        self.said(name, serde_json::to_value(value).unwrap_or(Value::Null), "key")
    }

    /// Chooses a value of an axis, which are those of suite files: `axis("export", "otlp-http")`, `axis("channel-out", "secure")`,
    /// `axis("propagation", "gcp_trace")`.
    pub fn axis(mut self, name: impl Into<String>, value: impl Into<String>) -> Harness {
        self.chosen.push((name.into(), value.into()));
        self
    }

    /// What traces are judged by, where an assertion does not say; else it is the suite file's profile, else
    /// [`Profile::CloudRun`].
    pub fn profile(self, profile: Profile) -> Harness {
        Harness { profile: Some(profile), ..self }
    }

    /// Adds a rule of the test's own; [`crate::check::Rule`] shows how one is made.
    pub fn rule(mut self, rule: &'static Rule) -> Harness {
        self.options.rules.push(rule);
        self
    }

    /// The service that the run's own requests go to; else it is the one that no other calls.
    pub fn entry(self, name: impl Into<String>) -> Harness {
        Harness { entry: Some(name.into()), ..self }
    }

    /// How long spans that are expected may take to come; 10 seconds where nothing is said. Only traces that are not complete
    /// take that long.
    pub fn deadline(mut self, deadline: Duration) -> Harness {
        self.options.deadline = deadline;
        self
    }

    /// How long a request may take to be answered; 30 seconds where nothing is said.
    pub fn answer_within(mut self, time: Duration) -> Harness {
        self.options.answer_within = time;
        self
    }

    /// How long a service may take to end after SIGTERM before [`Run::end`] kills it; 10 seconds where nothing is said.
    pub fn grace(mut self, grace: Duration) -> Harness {
        self.options.grace = grace;
        self
    }

    /// Starts the services and waits until they are ready: callees before their callers where one is a task, else side by side. Where
    /// one then calls another when it starts, or fails beside the others, all are ended and started once more, in order.
    ///
    /// # Errors
    /// A suite file that cannot be read or has a mistake; services that do not get ready, with the last lines that they wrote.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(self) -> Result<Run, HarnessError> {
        if let Some(method) = self.said_by_file {
            return Err(HarnessError::SaidByFile(method));
        }
        let (suite, programs, is_file) = match self.source {
            Source::File(file) => {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| HarnessError::Read { file: file.clone(), source })?;
                (SuiteText { file: file.display().to_string(), text }, Programs::new(), true)
            }
            Source::Built { suite, services, programs } => (text_of(suite, services), programs, false),
        };
        let names: Vec<&str> = programs.keys().map(String::as_str).collect();
        let more = More { services: &names, rules: &self.options.rules, deployed: &[] };
        let planned = stage(&suite, &self.chosen, &more);
        let (stage, of_suite) = planned.map_err(|error| HarnessError::of_stage(error, is_file))?;
        let mut options = self.options;
        options.profile = self.profile.or(of_suite).unwrap_or(options.profile);
        Run::start(stage, options, programs, self.entry).await
    }

    fn said(mut self, name: impl Into<String>, value: Value, method: &'static str) -> Harness {
        let Source::Built { suite, .. } = &mut self.source else { return self.unfit(method) };
        suite.insert(name.into(), value);
        self
    }

    fn unfit(self, method: &'static str) -> Harness {
        Harness { said_by_file: self.said_by_file.or(Some(method)), ..self }
    }
}

/// The suite of a test as a file would say it: JSON is YAML, so one reader gives all keys one meaning.
fn text_of(suite: Map<String, Value>, services: Map<String, Value>) -> SuiteText {
    let mut all: BTreeMap<String, Value> = suite.into_iter().collect();
    all.entry("suite".to_owned()).or_insert_with(|| json!(NAME));
    all.insert("services".to_owned(), Value::Object(services));
    all.insert("cases".to_owned(), json!({}));
    SuiteText { file: NAME.to_owned(), text: json!(all).to_string() }
}
