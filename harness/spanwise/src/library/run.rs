//! The services of a test while they run: requests to them, and what was seen.

use std::fmt::{self, Display};
use std::sync::{Arc, Weak};
use std::time::Duration;

use spanwise_check::{Engine, Profile, Rule, registry};
use spanwise_model::{Span, TraceId};
use spanwise_scenario::{Channel, RequestForm, Stage};

use super::runtime::Runtime;
use super::{Collector, HarnessError, Request, Trace};
use crate::run::{NotStarted, Options, Programs, Seen, Session, engine};

/// Services that run, each with a mock to export to and a proxy before it. Dropping it ends them all, also where a test panics.
///
/// Requests go to the service that no other calls, or to the one that [`Run::service`] names:
///
/// ```
/// # async fn greets(run: spanwise::Run) -> Result<(), spanwise::HarnessError> {
/// let answer = run.post("/greet").json(serde_json::json!({ "name": "Ada" })).await?;
/// assert_eq!(answer.status(), Some(200));
/// let answer = run.service("backend").grpc("backend.Backend/Greet").secure().await?;
/// # Ok(())
/// # }
/// ```
pub struct Run {
    inner: Arc<Inner>,
}

/// How long the services that are tasks may take to end when a run is dropped.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// What requests and answers need of a run; they hold it weakly, so that dropping the run ends it.
pub(super) struct Inner {
    pub(super) session: Session,
    pub(super) runtime: Runtime,
    laws: Arc<Laws>,
    /// The service that requests go to, or those it could be.
    entry: Result<String, Vec<String>>,
}

impl Run {
    pub(super) async fn start(
        stage: Stage,
        options: Options,
        programs: Programs,
        entry: Option<String>,
    ) -> Result<Run, HarnessError> {
        let profile = options.profile_of(&stage.suite.name);
        let laws = Arc::new(Laws::new(profile, &options.rules, &stage)?);
        let known: Vec<String> = stage.setting.services.iter().map(|service| service.name.clone()).collect();
        let entry = match entry {
            Some(name) if known.contains(&name) => Ok(name),
            Some(name) => return Err(HarnessError::UnknownService { name, known }),
            None => entry_of(&stage),
        };
        let runtime = Runtime::start().map_err(|error| HarnessError::Setup(error.into()))?;
        let session = runtime.run(async move { Session::start(stage, options, programs).await }).await;
        let session = session.map_err(|error| match error {
            NotStarted::Setup(error) => HarnessError::Setup(error),
            NotStarted::Services(reasons) => HarnessError::NotReady(reasons),
        })?;
        Ok(Run { inner: Arc::new(Inner { session, runtime, laws, entry }) })
    }

    /// A GET request to the entry service; the path begins with `/` and may have a query.
    pub fn get(&self, path: impl Into<String>) -> Request {
        self.entry().get(path)
    }

    /// A POST request to the entry service.
    pub fn post(&self, path: impl Into<String>) -> Request {
        self.entry().post(path)
    }

    /// A PUT request to the entry service.
    pub fn put(&self, path: impl Into<String>) -> Request {
        self.entry().put(path)
    }

    /// A PATCH request to the entry service.
    pub fn patch(&self, path: impl Into<String>) -> Request {
        self.entry().patch(path)
    }

    /// A DELETE request to the entry service.
    pub fn delete(&self, path: impl Into<String>) -> Request {
        self.entry().delete(path)
    }

    /// A gRPC call to the entry service, `package.Service/Method`, with an empty message until [`Request::json`] gives one. The
    /// service must offer reflection.
    pub fn grpc(&self, call: impl Into<String>) -> Request {
        self.entry().grpc(call)
    }

    /// One of the services. That it does not exist is told when something is asked of it.
    pub fn service(&self, name: &str) -> ServiceOfRun {
        let stage = self.inner.session.stage();
        let to = match stage.setting.service(name) {
            Some(_) => Ok(name.to_owned()),
            None => Err(name.to_owned()),
        };
        ServiceOfRun { inner: Arc::downgrade(&self.inner), to }
    }

    /// The mock, for what the test itself exports: an SDK provider without any service.
    pub fn collector(&self) -> Collector {
        Collector { url: self.inner.session.collector_url() }
    }

    /// Waits until a trace is complete, and judges it: until it has a span, and each of its spans has its parent, unless the
    /// exporter says that this is in another process; what calls between services let expect, too. What has not come by
    /// [`crate::Harness::deadline`] is told with the findings.
    ///
    /// # Errors
    /// Text that is no trace id.
    pub async fn trace(&self, id: impl Display) -> Result<Trace, HarnessError> {
        let text = id.to_string();
        let id =
            text.parse::<TraceId>().ok().filter(|id| id.is_valid()).ok_or(HarnessError::TraceId(text))?;
        let inner = self.inner.clone();
        let seen = self.inner.runtime.run(async move { inner.session.trace(id).await }).await;
        Ok(self.inner.judged(&format!("the trace {id}"), seen))
    }

    /// Every span that came so far, of all services and of the test itself, trace by trace. It waits for none: see
    /// [`Run::trace`].
    pub fn spans(&self) -> Vec<Span> {
        self.inner.session.spans()
    }

    /// Ends the services, as a deployment does (SIGTERM, then SIGKILL), and judges all that was seen since the start as one: also
    /// spans that a shutdown lost, and those that belong to no request.
    pub async fn end(self) -> Trace {
        let inner = self.inner.clone();
        let seen = self.inner.runtime.run(async move { inner.session.end().await }).await;
        self.inner.judged("the run", seen)
    }

    /// The certificate authority of the run (PEM), which clients of the test's own must trust to use
    /// [`ServiceOfRun::secure_url`].
    pub fn ca_pem(&self) -> &str {
        self.inner.session.ca_pem()
    }

    fn entry(&self) -> ServiceOfRun {
        let to = self.inner.entry.clone().map_err(|_| String::new());
        ServiceOfRun { inner: Arc::downgrade(&self.inner), to }
    }
}

impl Drop for Run {
    /// Ends services that are tasks as gently as the end of a test allows; processes are killed when they are dropped, right after.
    fn drop(&mut self) {
        let inner = self.inner.clone();
        self.inner.runtime.run_and_block(async move { inner.session.end_tasks(LAST_MOMENT).await });
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = &self.inner.session.stage().setting.services;
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        f.debug_struct("Run").field("services", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn judged(&self, name: &str, mut seen: Seen) -> Trace {
        name.clone_into(&mut seen.observation.name);
        Trace::new(seen, self.laws.clone())
    }
}

/// A service of a [`Run`].
#[derive(Clone, Debug)]
pub struct ServiceOfRun {
    inner: Weak<Inner>,
    /// Its name; as an error the name that no service has, empty where it is not clear which one is meant.
    to: Result<String, String>,
}

impl ServiceOfRun {
    /// As [`Run::get`].
    pub fn get(&self, path: impl Into<String>) -> Request {
        self.http("GET", path.into())
    }

    /// As [`Run::post`].
    pub fn post(&self, path: impl Into<String>) -> Request {
        self.http("POST", path.into())
    }

    /// As [`Run::put`].
    pub fn put(&self, path: impl Into<String>) -> Request {
        self.http("PUT", path.into())
    }

    /// As [`Run::patch`].
    pub fn patch(&self, path: impl Into<String>) -> Request {
        self.http("PATCH", path.into())
    }

    /// As [`Run::delete`].
    pub fn delete(&self, path: impl Into<String>) -> Request {
        self.http("DELETE", path.into())
    }

    /// As [`Run::grpc`].
    pub fn grpc(&self, call: impl Into<String>) -> Request {
        let message = serde_json::Value::Object(serde_json::Map::new());
        self.request(RequestForm::Grpc { call: call.into(), message, deadline: None })
    }

    /// The URL of the proxy before it, for clients of the test's own; their exchanges are seen like those of the run.
    ///
    /// # Errors
    /// No such service.
    pub fn url(&self) -> Result<String, HarnessError> {
        self.url_of(Channel::Insecure)
    }

    /// The same over TLS, with a certificate for `localhost` and `127.0.0.1` that [`Run::ca_pem`] vouches for.
    ///
    /// # Errors
    /// No such service.
    pub fn secure_url(&self) -> Result<String, HarnessError> {
        self.url_of(Channel::Secure)
    }

    fn url_of(&self, channel: Channel) -> Result<String, HarnessError> {
        let inner = self.inner.upgrade().ok_or(HarnessError::Ended)?;
        let name = self.name()?;
        inner.session.url(&name, channel).ok_or(HarnessError::UnknownService { name, known: Vec::new() })
    }

    fn http(&self, method: &'static str, path: String) -> Request {
        self.request(RequestForm::Http { method, path, body: None })
    }

    fn request(&self, form: RequestForm) -> Request {
        Request::new(self.inner.clone(), self.name(), form)
    }

    fn name(&self) -> Result<String, HarnessError> {
        self.to.clone().map_err(|name| {
            let Some(inner) = self.inner.upgrade() else { return HarnessError::Ended };
            match &inner.entry {
                Err(candidates) if name.is_empty() => HarnessError::NoEntry(candidates.clone()),
                _ => {
                    let services = &inner.session.stage().setting.services;
                    let known = services.iter().map(|service| service.name.clone()).collect();
                    HarnessError::UnknownService { name, known }
                }
            }
        })
    }
}

/// The service that no other calls, or the candidates.
fn entry_of(stage: &Stage) -> Result<String, Vec<String>> {
    let services = &stage.setting.services;
    let called: Vec<String> = services.iter().flat_map(crate::run::callees).collect();
    let uncalled =
        services.iter().filter(|service| !called.contains(&service.name) && !service.facts.external);
    let mut names: Vec<String> = uncalled.map(|service| service.name.clone()).collect();
    match names.len() {
        1 => Ok(names.remove(0)),
        _ => Err(names),
    }
}

/// What a run is judged by.
pub(super) struct Laws {
    pub(super) profile: Profile,
    /// One a profile: a test may ask for another than the harness's.
    engines: Vec<(Profile, Engine)>,
    rules: Vec<&'static Rule>,
}

impl Laws {
    fn new(profile: Profile, rules: &[&'static Rule], stage: &Stage) -> Result<Laws, HarnessError> {
        let suite = &stage.suite;
        let labels = Some(&suite.labels).filter(|labels| !labels.is_empty());
        let engine = |profile: Profile| Ok((profile, engine(profile, rules, labels, &suite.levels)?));
        let engines = Profile::ALL.into_iter().map(engine).collect::<Result<_, HarnessError>>()?;
        Ok(Laws { profile, engines, rules: rules.to_vec() })
    }

    /// The rules of a profile.
    pub(super) fn engine(&self, profile: Profile) -> &Engine {
        let found = self.engines.iter().find(|(of, _)| *of == profile);
        // There is one of each.
        &found.unwrap_or(&self.engines[0]).1
    }

    /// Whether there is a rule of this name.
    pub(super) fn has_rule(&self, name: &str) -> bool {
        registry::find(name).is_some() || self.rules.iter().any(|rule| rule.name == name)
    }
}

impl fmt::Debug for Laws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laws").field("profile", &self.profile).finish_non_exhaustive()
    }
}
