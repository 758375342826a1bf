//! Services that a program drives as it likes, where a lane drives them by a plan: what the library has of the run loop.
//!
//! Every request is a permutation of its own, made when it is sent, and goes the way of those of a lane (`send`, `complete`,
//! `observe`). The services stay up in between, so a trace is complete when all has come that the taps let expect. While one request
//! alone is under way, everything that comes is its own, as in a lane of one (`Mark`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use spanwise_collect::{ListenOptions, Listener, Store};
use spanwise_drive::Answer;
use spanwise_model::{Evidence, Observation, PermutationName, Place, Platform, Span, SpanId, TraceId};
use spanwise_scenario::{Caller, Channel, ContextKind, Permutation, RequestForm, Stage};
use tokio::sync::mpsc;

use super::aside::aside;
use super::complete::{self, Awaited};
use super::evidence::LaneEvidence;
use super::fleet::{Hop, chain};
use super::in_process::Programs;
use super::instances::{Instances, from_driver};
use super::lane::{DescriptorsOf, descriptors_of};
use super::observe::{LinesOfTraces, Mark};
use super::send::{self, Sent, now};
use super::start::start;
use super::world::World;
use super::{Options, RunError};

/// Services that run until the session is dropped.
pub(crate) struct Session {
    world: Arc<World>,
    stage: Stage,
    instances: Instances,
    /// For what the program itself exports.
    listener: Listener,
    log: Arc<Mutex<Log>>,
}

/// Why a session did not start.
pub(crate) enum NotStarted {
    /// The run could not be set up.
    Setup(RunError),
    /// Services did not get ready: the reasons.
    Services(Vec<String>),
}

/// What was sent so far, and what is under way.
#[derive(Default)]
struct Log {
    sent: Vec<Sent>,
    named: HashSet<TraceId>,
    /// How many requests were begun, and how many of them may still bring spans that name no trace of theirs.
    begun: u64,
    open: u64,
}

/// A request that was sent, and its answer.
pub(crate) struct Exchange {
    permutation: Permutation,
    answer: Answer,
    sent: Sent,
    mark: Mark,
    /// Its number, if nothing else was under way when it began.
    alone: Option<u64>,
    /// Until its trace has been waited for.
    open: Mutex<Option<Open>>,
}

/// Counts a request as under way until it is dropped.
struct Open(Arc<Mutex<Log>>);

/// What was seen of a request or a trace.
pub(crate) struct Seen {
    pub(crate) observation: Observation,
    /// What else there is to say of it: what did not come, which service is gone.
    pub(crate) notes: Vec<String>,
}

impl Session {
    /// Starts all services of a stage and waits until they are ready.
    pub(crate) async fn start(
        stage: Stage,
        options: Options,
        programs: Programs,
    ) -> Result<Session, NotStarted> {
        let world = World::new(options, Weak::new()).await.map_err(NotStarted::Setup)?;
        let world = Arc::new(world.with_programs(programs));
        let channels: &[Channel] = match stage.setting.platform {
            Platform::Plain => Channel::ALL,
            Platform::CloudRun => &[Channel::Secure],
        };
        let entries = |channel: &Channel| {
            let services = stage.setting.services.iter();
            services.map(|service| entry(&service.name, *channel)).collect::<Vec<_>>()
        };
        let entries: Vec<Hop> = channels.iter().flat_map(entries).collect();
        // What becomes of each service is asked afterwards.
        let (news, _) = mpsc::channel(1);
        let started = start(&world, stage.setting.clone(), &entries, &news).await;
        let instances = started.map_err(|reason| NotStarted::Services(vec![reason]))?;
        let names = stage.setting.services.iter().map(|service| std::slice::from_ref(&service.name));
        let failures: Vec<String> = names.filter_map(|name| instances.failure(name)).collect();
        if !failures.is_empty() {
            return Err(NotStarted::Services(failures));
        }
        let listener = instances.listen(ListenOptions::default());
        let listener = listener.map_err(|error| NotStarted::Services(vec![chain(&error)]))?;
        Ok(Session { world, stage, instances, listener, log: Arc::default() })
    }

    /// What was started.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Where the program itself exports to.
    pub(crate) fn collector_url(&self) -> String {
        self.listener.url()
    }

    /// Where the program itself calls a service.
    pub(crate) fn url(&self, service: &str, channel: Channel) -> Option<String> {
        self.instances.entry_url(&entry(service, channel))
    }

    /// The run's certificate authority.
    pub(crate) fn ca_pem(&self) -> &str {
        self.world.authority.ca_pem()
    }

    /// Sends the one request of a permutation and waits for its answer. An error means that it could not be made.
    pub(crate) async fn send(&self, permutation: Permutation) -> Result<Exchange, String> {
        let request = permutation.requests().next().ok_or("there is no request")?;
        let mut descriptors = DescriptorsOf::new();
        if let RequestForm::Grpc { .. } = request.form {
            let found = descriptors_of(&self.world, &permutation.suite, &request.to, &self.instances).await?;
            descriptors.insert(request.to.clone(), Ok(found));
        }
        let (mark, alone) = self.begin();
        let open = Open(self.log.clone());
        let mut sent = Sent::default();
        let answers = send::send(&self.world, &self.instances, &descriptors, &permutation, &mut sent).await?;
        let answer = answers.into_iter().next().ok_or("nothing was sent")?;
        let mut log = self.log();
        log.named.extend(&sent.traces);
        log.sent.push(sent.clone());
        drop(log);
        Ok(Exchange { permutation, answer, sent, mark, alone, open: Mutex::new(Some(open)) })
    }

    /// Waits until a request's trace is complete, and puts together what is known of it.
    pub(crate) async fn observe(&self, exchange: &Exchange) -> Seen {
        let Exchange { permutation, sent, .. } = exchange;
        let claim = self.claim(exchange);
        let awaited = complete::wait(&self.world, &self.instances, permutation, sent, claim.as_ref()).await;
        // Another request may have begun while this one was waited for.
        let claim = claim.and_then(|_| self.claim(exchange));
        exchange.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.seen(permutation, sent, claim.as_ref(), &awaited)
    }

    /// Waits until a trace has a span, and all its spans and calls have what belongs to them, and puts together what is known
    /// of it.
    pub(crate) async fn trace(&self, trace: TraceId) -> Seen {
        let mut sent = Sent::default();
        for one in &self.log().sent {
            let of_trace = |request: &&spanwise_model::Request| request.trace_id == trace;
            sent.requests.extend(one.requests.iter().filter(of_trace).cloned());
            sent.spans.extend(one.spans.iter().filter(|span| span.trace_id == trace).cloned());
        }
        sent.traces.push(trace);
        let permutation = self.permutation();
        let driver: Vec<SpanId> = sent.spans.iter().map(|span| span.span_id).collect();
        let more = |store: &Store| without_parent(&store.spans_of(trace).0, &driver);
        let awaited = complete::wait_for(&self.world, &self.instances, &permutation, &sent, None, more).await;
        self.seen(&permutation, &sent, None, &awaited)
    }

    /// Every span that came so far, trace by trace.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let store = self.instances.store();
        store.traces().into_iter().flat_map(|trace| store.spans_of(trace).0).collect()
    }

    /// Ends the services, and puts together all that is known of the session.
    pub(crate) async fn end(&self) -> Seen {
        self.instances.stop().await;
        let mut all = Sent::default();
        for one in &self.log().sent {
            all.requests.extend(one.requests.iter().cloned());
            all.spans.extend(one.spans.iter().cloned());
            all.traces.extend(&one.traces);
        }
        self.seen(&self.permutation(), &all, Some(&Mark::default()), &[])
    }

    /// Ends the services that are tasks of this process.
    pub(crate) async fn end_tasks(&self, grace: Duration) {
        let instances = self.instances.all();
        let tasks = instances.iter().filter(|one| self.world.programs.contains_key(&*one.source().service));
        join_all(tasks.map(|task| task.terminate(grace))).await;
    }

    fn seen(
        &self,
        permutation: &Permutation,
        sent: &Sent,
        claim: Option<&Mark>,
        awaited: &[Awaited],
    ) -> Seen {
        let instances = self.instances.all();
        let evidence = LaneEvidence {
            exports: self.instances.store().clone(),
            taps: self.instances.taps().clone(),
            logs: instances.iter().flat_map(|instance| instance.logs()).collect(),
            process: instances.iter().flat_map(|instance| instance.events()).collect(),
            hidden: self.instances.hidden(),
            urls: self.instances.all_urls(),
            ..LaneEvidence::nothing(&self.stage.suite.name, false, false, Vec::new())
        };
        // Nobody knows when a trace that the program itself made was begun.
        let ended = if sent.spans.is_empty() { 0 } else { now() };
        let words: Vec<String> = awaited.iter().map(ToString::to_string).collect();
        let lines = LinesOfTraces::of(&evidence.logs);
        let mut observation =
            aside(|| evidence.observation(permutation, sent, &words, claim, (&lines, ended)));
        if self.stage.setting.services.is_empty() {
            let seen = [Evidence::Spans, Evidence::Resource, Evidence::Exports];
            observation.recorded.retain(|evidence| seen.contains(evidence));
        }
        let mut notes = Vec::new();
        if !awaited.is_empty() {
            let deadline = self.world.options.deadline;
            notes.push(format!("within {deadline:?} did not come: {}", words.join(", ")));
        }
        let gone = instances.iter().filter(|instance| instance.exited().now_or_never().is_some());
        notes.extend(gone.map(|instance| format!("{} has ended{}", instance.source(), instance.tail())));
        Seen { observation, notes }
    }

    /// A permutation of nothing in particular.
    fn permutation(&self) -> Permutation {
        let name = PermutationName::new(&self.stage.suite.name, "session", &[]);
        Permutation {
            group: name.to_string(),
            name,
            suite: self.stage.suite.name.clone(),
            case: String::new(),
            place: nowhere(),
            setting: 0,
            services: self.stage.setting.services.iter().map(|service| service.name.clone()).collect(),
            exclusive: false,
            channel_in: self.stage.channel_in,
            context: self.stage.context(ContextKind::None),
            caller: Caller::default(),
            steps: Vec::new(),
            repeat: None,
            settings: self.stage.settings.clone(),
            known: Vec::new(),
        }
    }

    /// Begins a request: from where on all might be its own, and its number if so.
    fn begin(&self) -> (Mark, Option<u64>) {
        let mut log = self.log();
        log.begun += 1;
        log.open += 1;
        let alone = (log.open == 1).then_some(log.begun);
        (Mark::now(&self.instances, now()), alone)
    }

    /// From where on all is a request's own; `None` where another was under way meanwhile.
    fn claim(&self, exchange: &Exchange) -> Option<Mark> {
        let log = self.log();
        let mark = exchange.alone.filter(|number| log.begun == *number).map(|_| exchange.mark.clone())?;
        let own = &exchange.sent.traces;
        Some(mark.but(log.named.iter().copied().filter(|trace| !own.contains(trace)).collect()))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Method and path, or the call.
    pub(crate) fn name(&self) -> &str {
        &self.permutation.case
    }

    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The trace of the driver's own span.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.sent.spans.first().map_or(TraceId::ZERO, |span| span.trace_id)
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exchange").field(&self.name()).field(&self.answer().result).finish()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
    }
}

/// What a trace's own spans let expect: one at least, and of each its parent, unless that is said to be elsewhere.
fn without_parent(spans: &[Span], driver: &[SpanId]) -> Vec<Awaited> {
    if spans.is_empty() {
        return vec![Awaited::First];
    }
    let known = |id: SpanId| spans.iter().any(|span| span.span_id == id) || driver.contains(&id);
    let waits = |span: &&Span| {
        span.parent_is_remote != Some(true) && span.parent_span_id.is_some_and(|id| !known(id))
    };
    let orphans = spans.iter().filter(waits);
    orphans.map(|span| Awaited::Parent { of: span.name.clone() }).collect()
}

/// Where a request stands that no file describes.
pub(crate) fn nowhere() -> Place {
    Place { file: Arc::from(""), line: 0, column: 0 }
}

fn entry(service: &str, channel: Channel) -> Hop {
    from_driver(service, channel, Caller::default())
}
