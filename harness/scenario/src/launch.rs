//! How a service comes to serve: the keys `demo`, `command` and `url`, `build`, `build-within-s` and `folder`, `ready` and
//! `ready-within-s`. Those of containers are read in `container`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde_saphyr::Location;
use spanwise_model::StubResponse;

use crate::cloud_run::number;
use crate::container::{Container, container};
use crate::error::{File, SuiteError};
use crate::format::{ReadyFile, ReadyWord, ServiceFile};
use crate::names::Names;
use crate::schema::words;
use crate::spanned::Spanned;
use crate::template::Template;
use crate::yaml::Described;
use crate::{Known, Ready, running};

/// How long a service that is started may take until it serves, in seconds: an agent in a virtual machine takes ten and more, and
/// one that ends early is noticed at once.
const READY_WITHIN_S: u64 = 60;
/// The same for one that should serve already.
const RUNNING_WITHIN_S: u64 = 10;
/// Whoever waits longer has forgotten that he waits.
pub(crate) const LONGEST_READY_S: u64 = 3600;
/// How long what is run or pulled before may take: a cold build of a large program takes minutes, one that waits for a lock or for
/// an answer does not end at all.
const BUILT_WITHIN_S: u64 = 1800;
/// As that of readiness.
pub(crate) const LONGEST_BUILD_S: u64 = 36_000;

const EXACTLY_ONE: &str = "a service has exactly one of `demo`, `command`, `image`, `dockerfile` and `url`; beside an image, \
                           `command` takes the place of its CMD";

/// What is started as a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launch {
    /// A demo service, by the name under which the program starts it as a child of itself.
    Demo(String),
    /// A program and its arguments.
    Command(Vec<Template>),
    /// A container.
    Container(Container),
    /// Nothing: it runs already.
    Running {
        /// Where, as `HOST:PORT`.
        address: String,
    },
    /// A stand-in for somebody else's HTTP service, which answers with the first that fits.
    Stub(Vec<StubResponse>),
}

/// How a service comes to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What is started.
    pub launch: Launch,
    /// What is run before, once for all services with the same program, arguments and folder.
    pub build: Option<Vec<String>>,
    /// How long that may take, and an image until it is there.
    pub build_within: Duration,
    /// The folder for both, from where the suite file's name begins; `None` for that of the harness.
    pub folder: Option<PathBuf>,
    /// How it says that it serves.
    pub ready: Ready,
    /// How long it may take until then.
    pub ready_within: Duration,
}

impl Launch {
    /// The words in which references may be.
    pub fn words(&self) -> &[Template] {
        match self {
            Launch::Command(words) => words,
            Launch::Container(container) => &container.args,
            Launch::Demo(_) | Launch::Running { .. } | Launch::Stub(_) => &[],
        }
    }

    /// Whether the run says what its environment is.
    pub fn takes_environment(&self) -> bool {
        match self {
            Launch::Demo(_) | Launch::Command(_) | Launch::Container(_) => true,
            Launch::Running { .. } | Launch::Stub(_) => false,
        }
    }

    /// Whether it runs in a container, where Google's names lead to the run.
    pub fn is_container(&self) -> bool {
        matches!(self, Launch::Container(_))
    }
}

impl Start {
    /// A start about which no more is said.
    pub(crate) fn of(launch: Launch) -> Start {
        let (ready, within) = match launch {
            Launch::Demo(_) => (Ready::Line, READY_WITHIN_S),
            Launch::Command(_) | Launch::Container(_) | Launch::Stub(_) => (Ready::Port, READY_WITHIN_S),
            Launch::Running { .. } => (Ready::Port, RUNNING_WITHIN_S),
        };
        Start {
            launch,
            build: None,
            build_within: Duration::from_secs(BUILT_WITHIN_S),
            folder: None,
            ready,
            ready_within: Duration::from_secs(within),
        }
    }
}

/// Reads how the service of this name comes to serve.
pub(crate) fn start(
    name: &Spanned<String>,
    service: &ServiceFile,
    known: &Known<'_>,
    names: &Names<'_>,
) -> Result<Start, SuiteError> {
    let file = names.file;
    let mut start = Start::of(launch(name.referenced, service, known, names)?);
    match &start.launch {
        Launch::Running { .. } => running::refuse_what_starts(file, service)?,
        Launch::Demo(_) => {
            let build = service.build.as_ref().map(|written| ("build", written.referenced));
            let folder = service.folder.as_ref().map(|written| ("folder", written.referenced));
            if let Some((key, place)) = build.or(folder) {
                let message = format!("a demo service is part of the program; `{key}` does nothing for it");
                return Err(file.error(place, message));
            }
        }
        Launch::Command(_) | Launch::Container(_) | Launch::Stub(_) => {
            start.build = service.build.as_ref().map(|written| build(written, names)).transpose()?;
            let folder = folder(file, service.folder.as_ref())?;
            start.folder = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
        }
    }
    if let Some(written) = &service.build_within_s
        && start.build.is_none()
        && !start.launch.is_container()
    {
        let message = "`build-within-s` without `build`, `dockerfile` or `image` does nothing";
        return Err(file.error(written.referenced, message));
    }
    let standard = start.build_within.as_secs();
    let within = number(file, "build-within-s", &service.build_within_s, 1..=LONGEST_BUILD_S, standard)?;
    start.build_within = Duration::from_secs(within);
    if let Some(written) = &service.ready {
        start.ready = ready(file, written)?;
    }
    let standard = start.ready_within.as_secs();
    let within = number(file, "ready-within-s", &service.ready_within_s, 1..=LONGEST_READY_S, standard)?;
    start.ready_within = Duration::from_secs(within);
    Ok(start)
}

fn launch(
    at: Location,
    service: &ServiceFile,
    known: &Known<'_>,
    names: &Names<'_>,
) -> Result<Launch, SuiteError> {
    let file = names.file;
    if let (Some(written), None) = (&service.service_name, &service.url) {
        let message =
            "`service-name` tells services apart that run already; the run knows which one it starts";
        return Err(file.error(written.referenced, message));
    }
    if let Some(container) = container(service, names)? {
        return match (&service.demo, &service.url) {
            (None, None) => Ok(Launch::Container(container)),
            _ => Err(file.error(at, EXACTLY_ONE)),
        };
    }
    match (&service.demo, &service.command, &service.url) {
        (Some(demo), None, None) if known.demos.contains(&demo.value.as_str()) => {
            Ok(Launch::Demo(demo.value.clone()))
        }
        (Some(demo), None, None) => {
            let error = file.error(demo.referenced, format!("unknown demo service `{}`", demo.value));
            Err(error.with_names(&demo.value, known.demos.iter().copied()))
        }
        (None, Some(command), None) if command.value.is_empty() => {
            Err(file.error(command.referenced, "the command is empty"))
        }
        (None, Some(command), None) => Ok(Launch::Command(
            command.value.iter().map(|word| names.template(word)).collect::<Result<_, _>>()?,
        )),
        (None, None, Some(url)) => running::launch(file, url, service.service_name.as_ref()),
        _ => Err(file.error(at, EXACTLY_ONE)),
    }
}

/// Words without references: what is built is the same for every instance.
fn build(written: &Spanned<Vec<Spanned<String>>>, names: &Names<'_>) -> Result<Vec<String>, SuiteError> {
    if written.value.is_empty() {
        return Err(names.file.error(written.referenced, "the command that builds is empty"));
    }
    written.value.iter().map(|word| names.text(word)).collect()
}

/// Relative to the folder of the suite file, as everything is that the file names.
fn folder(file: File<'_>, written: Option<&Spanned<String>>) -> Result<PathBuf, SuiteError> {
    let beside = beside(file);
    match written {
        Some(written) if written.value.is_empty() => {
            Err(file.error(written.referenced, "the folder has no name; `.` is that of the suite file"))
        }
        written => Ok(written.map_or_else(|| beside.to_owned(), |written| beside.join(&written.value))),
    }
}

/// The folder of the suite file. A name without one has the empty path for its parent, in which nothing can be started or built.
pub(crate) fn beside<'f>(file: File<'f>) -> &'f Path {
    let beside = Path::new(file.name).parent().filter(|folder| !folder.as_os_str().is_empty());
    beside.unwrap_or(Path::new("."))
}

fn ready(file: File<'_>, written: &Spanned<Described<ReadyFile>>) -> Result<Ready, SuiteError> {
    let asked = match &written.value {
        Described::Text(word) => return ready_word(file, word, written.referenced),
        Described::Mapping(asked) => asked,
    };
    match (&asked.http, &asked.line) {
        (Some(path), None) if path.value.starts_with('/') => Ok(Ready::Http(path.value.clone())),
        (Some(path), None) => Err(file.error(path.referenced, "the path does not begin with `/`")),
        (None, Some(line)) if line.value.trim().is_empty() => {
            Err(file.error(line.referenced, "every line has this in it"))
        }
        (None, Some(line)) => Ok(Ready::Says(line.value.clone())),
        _ => Err(file.error(written.referenced, "`ready` has exactly one of `http` and `line`")),
    }
}

fn ready_word(file: File<'_>, word: &str, at: Location) -> Result<Ready, SuiteError> {
    match ReadyWord::deserialize(IntoDeserializer::<Error>::into_deserializer(word)) {
        Ok(ReadyWord::Line) => Ok(Ready::Line),
        Ok(ReadyWord::Port) => Ok(Ready::Port),
        Ok(ReadyWord::GrpcHealth) => Ok(Ready::GrpcHealth),
        Err(_) => {
            Err(file.error(at, format!("unknown word `{word}`")).with_names(word, words::<ReadyWord>()))
        }
    }
}
