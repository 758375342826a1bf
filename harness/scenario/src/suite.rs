//! A suite: one file, read, checked and expanded to its permutations and the settings they run in.

use std::time::Duration;

use spanwise_model::{ContextFormat, FrontEnd, Label, PermutationName, Place, Platform, Sampling, Settings};

use crate::axes::Axis;
use crate::error::{File, SuiteError};
use crate::expand::Expanded;
use crate::format::SuiteFile;
use crate::known::KnownEntry;
use crate::levels::LevelEntry;
use crate::request::EntryRequest;
use crate::service::{Service, ServiceStart};
use crate::spanned::Spanned;
use crate::{
    Caller, Channel, CompileProtos, ContextKind, FixedCollector, Propagation, ReadRegistry, ServiceYaml,
    axes, cloud_run, collector, exclude, expand, format, known, levels, name, registry, running, service,
};

/// A suite file, read and checked.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, the first component of every permutation's.
    pub name: String,
    /// The Google Cloud project that services are told.
    pub project: Option<String>,
    /// The profile of rules; `None` leaves it to the command.
    pub profile: Option<String>,
    /// The sampling the suite declares.
    pub sampling: Option<Sampling>,
    /// The labels that its registry adds to the semantic conventions.
    pub labels: Vec<Label>,
    /// The levels that it gives to rules.
    pub levels: Vec<LevelEntry>,
    /// Its settings, in the order of their first permutation.
    pub settings: Vec<Setting>,
    /// Its permutations: cases in the order of the file, then `each`, then axes.
    pub permutations: Vec<Permutation>,
    /// What stands in it and is not sent, a sentence each.
    pub notes: Vec<String>,
}

/// What only other stages know, against which a suite is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Every rule.
    pub rules: &'a [&'a str],
    /// Every profile.
    pub profiles: &'a [&'a str],
    /// Every demo service that the program can start.
    pub demos: &'a [&'a str],
    /// Every version of the semantic conventions that rules can judge by.
    pub schemas: &'a [&'a str],
    /// Reads the registries that suites name; without it they are passed over.
    pub registry: Option<ReadRegistry>,
    /// Compiles the `.proto` files that suites name; without it they are passed over.
    pub protos: Option<CompileProtos>,
    /// How services are deployed to Cloud Run, at most one of each name; those that the suite does not have are passed over.
    pub deployed: &'a [ServiceYaml],
}

impl Permutation {
    /// The requests of all steps.
    pub fn requests(&self) -> impl Iterator<Item = &EntryRequest> {
        self.steps.iter().flat_map(|step| &step.requests)
    }

    /// The known failure that covers findings of a rule.
    pub fn known_for(&self, rule: &str) -> Option<&KnownEntry> {
        self.known.iter().find(|entry| entry.rules.iter().any(|known| known == rule))
    }
}

impl Known<'_> {
    /// Refuses a rule that there is not.
    pub(crate) fn rule(&self, file: File<'_>, rule: &Spanned<String>) -> Result<(), SuiteError> {
        if self.rules.contains(&rule.value.as_str()) {
            return Ok(());
        }
        let error = file.error(rule.referenced, format!("unknown rule `{}`", rule.value));
        Err(error.with_names(&rule.value, self.rules.iter().copied()))
    }
}

/// What services must be started with together: they start once for all permutations of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Says which it is: suite, axes that matter to the services, and the case if it changes their environment.
    pub name: String,
    /// The suite.
    pub suite: String,
    /// The Google Cloud project that the services are told.
    pub project: Option<String>,
    /// What `{{NAME.url}}` says to the services.
    pub channel_out: Channel,
    /// The platform that is emulated.
    pub platform: Platform,
    /// Its front end; the default on [`Platform::Plain`], which has none.
    pub front_end: FrontEnd,
    /// Where those of its services export to that run already.
    pub collector: Option<FixedCollector>,
    /// The services to start, callees before their callers.
    pub services: Vec<ServiceStart>,
}

impl Setting {
    /// A service to start, by its name.
    pub fn service(&self, name: &str) -> Option<&ServiceStart> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// A case under one value of every axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Permutation {
    /// Its full name: `suite/case`, the values of `each`, the values of the axes.
    pub name: PermutationName,
    /// The name of the group that must agree: the full name without the axes listed in `agree`.
    pub group: String,
    /// The suite.
    pub suite: String,
    /// The case.
    pub case: String,
    /// Where the case stands in the suite file.
    pub place: Place,
    /// The setting it runs in, as an index into the settings of the plan (or suite) it is part of.
    pub setting: usize,
    /// The services that it needs, by name; another one that does not start leaves it able to run.
    pub services: Vec<String>,
    /// Whether it must run alone in its setting.
    pub exclusive: bool,
    /// What the driver speaks to the front before the entry service.
    pub channel_in: Channel,
    /// What the driver says of the trace.
    pub context: DriverContext,
    /// Where the driver stands; matters on Cloud Run alone.
    pub caller: Caller,
    /// What the driver sends: one step after the other, a single one where the case is no sequence.
    pub steps: Vec<Step>,
    /// How often it sends that; `None` where it does once.
    pub repeat: Option<Repeat>,
    /// What the rules are told. The run loop fills in times, whether a deadline passed, and on Cloud Run each service's URLs
    /// among the audiences of tokens for it.
    pub settings: Settings,
    /// The known failures that speak of it.
    pub known: Vec<KnownEntry>,
}

/// Requests that the driver sends at once, each with a trace of its own; the next step begins when all are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, by which later steps know its answers; `None` where the case is no sequence.
    pub name: Option<String>,
    /// The requests: one, or one of each user.
    pub requests: Vec<EntryRequest>,
}

/// Rounds of requests: the driver waits for all answers of one, then the pause, and begins the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How many rounds.
    pub times: u32,
    /// Between the last answer of a round and the first request of the next.
    pub pause: Duration,
}

/// The trace context that the driver sends with every request of a permutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverContext {
    /// Sampled or not, none, or two that differ.
    pub kind: ContextKind,
    /// The headers that carry it; empty for [`ContextKind::None`].
    pub formats: Vec<ContextFormat>,
}

impl DriverContext {
    pub(crate) fn new(kind: ContextKind, propagation: Propagation) -> DriverContext {
        let formats = match kind {
            ContextKind::Sampled | ContextKind::Unsampled => propagation.formats().to_vec(),
            ContextKind::None => Vec::new(),
            ContextKind::Conflicting => ContextFormat::ALL.to_vec(),
        };
        DriverContext { kind, formats }
    }
}

impl Suite {
    /// Reads a suite file. `file_name` is only shown; nothing is opened but by [`Known::registry`].
    ///
    /// The first mistake ends it: YAML that cannot be read, a key that does not exist, a name that nothing has.
    pub fn parse(file_name: &str, text: &str, known: &Known<'_>) -> Result<Suite, SuiteError> {
        let file = File { name: file_name, text };
        let written: SuiteFile = format::read_yaml(file)?;
        let (suite, Parts { axes, front_end, services, collector }) = read(file, &written, known)?;
        if written.services.0.is_empty() {
            return Err(file.error(written.suite.referenced, "the suite has no services"));
        }
        let Expanded { mut settings, mut permutations, notes } =
            expand::expand(file, &written, &services, &axes, &front_end)?;
        settings.iter_mut().for_each(|setting| setting.collector.clone_from(&collector));
        exclude::exclude(file, &written, &mut permutations)?;
        known::assign(file, &written, known, &mut permutations)?;
        Ok(Suite { settings, permutations, notes, ..suite })
    }
}

/// What cases are expanded with.
pub(crate) struct Parts<'f> {
    pub(crate) axes: Vec<Axis>,
    pub(crate) front_end: FrontEnd,
    pub(crate) services: Vec<Service<'f>>,
    pub(crate) collector: Option<FixedCollector>,
}

/// Reads everything but the cases, and what is said of them.
pub(crate) fn read<'f>(
    file: File<'_>,
    written: &'f SuiteFile,
    known: &Known<'f>,
) -> Result<(Suite, Parts<'f>), SuiteError> {
    name::component(file, &written.suite, "suite name")?;
    if let Some(profile) = &written.profile
        && !known.profiles.contains(&profile.value.as_str())
    {
        let error = file.error(profile.referenced, format!("unknown profile `{}`", profile.value));
        return Err(error.with_names(&profile.value, known.profiles.iter().copied()));
    }
    if let Some(schema) = &written.schema
        && !known.schemas.contains(&schema.value.as_str())
    {
        let message = format!("unknown version `{}` of the semantic conventions", schema.value);
        let error = file.error(schema.referenced, message);
        return Err(error.with_names(&schema.value, known.schemas.iter().copied()));
    }
    let suite = Suite {
        name: written.suite.value.clone(),
        project: written.project.clone(),
        profile: written.profile.as_ref().map(|profile| profile.value.clone()),
        sampling: written.sampling,
        labels: labels(file, written, known)?,
        levels: levels::levels(file, written, known)?,
        settings: Vec::new(),
        permutations: Vec::new(),
        notes: Vec::new(),
    };
    let axes = axes::axes(file, written)?;
    let front_end = cloud_run::front_end(file, written, &axes)?;
    let services = service::services(file, written, &axes, known)?;
    let of_suite = |fixed| collector::of_suite(file, fixed, running::senders(written));
    let collector = written.collector.as_ref().map(of_suite).transpose()?;
    Ok((suite, Parts { axes, front_end, services, collector }))
}

/// Reads the registry that a suite names.
fn labels(file: File<'_>, written: &SuiteFile, known: &Known<'_>) -> Result<Vec<Label>, SuiteError> {
    let (Some(path), Some(read)) = (&written.registry, known.registry) else { return Ok(Vec::new()) };
    let error = |message: String| {
        let help = "name a file, or a folder of them, in the format of Weaver; relative to the suite file";
        file.error(path.referenced, message).with_help(help)
    };
    let files = read(file.name, &path.value)
        .map_err(|why| error(format!("the registry `{}` cannot be read: {why}", path.value)))?;
    let labels = registry::labels(&files)?;
    if labels.is_empty() {
        return Err(error(format!("the registry `{}` defines no attribute", path.value)));
    }
    Ok(labels)
}
