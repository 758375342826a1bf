//! Log lines as Cloud Logging wants them: one JSON object a line on stdout, joined to the trace.
//!
//! A service calls [`start`] once; everything logged through `tracing` afterwards comes out here. Trace, span and sampling
//! decision are read from the current OpenTelemetry context, so a line says what is true at the moment it is written.
//! Field names: Cloud Logging, page "Structured logging", section "Special JSON fields".

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{self, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::instrument::LogLabels;
use crate::settings::{Environment, SettingsError, unusable};

/// What is logged unless `RUST_LOG` says otherwise. The SDK tells of its own start-up at INFO; only its troubles are wanted.
const LEVELS: &str = "info,opentelemetry=warn";

/// Starts logging for the process: INFO and above, or what `RUST_LOG` says (`debug`, `info,hyper=debug`, …). A panic
/// becomes one line as well. Called twice, the second call has no effect.
///
/// # Errors
/// `RUST_LOG` is not understood.
pub fn start(environment: &Environment, project: Option<&str>) -> Result<(), SettingsError> {
    let levels = environment.get("RUST_LOG").unwrap_or(LEVELS);
    let filter: Targets = levels
        .parse()
        .map_err(|_| unusable("RUST_LOG", levels, "levels such as info or info,hyper=debug"))?;
    let layer = JsonLines { project: project.map(str::to_owned) }.with_filter(filter);
    if Registry::default().with(layer).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// A line of no request, for what must be said whatever `RUST_LOG` is: the first line of a process, and the last.
pub(crate) fn line(level: Level, message: &str) -> Map<String, Value> {
    Map::from_iter([
        ("message".to_owned(), message.into()),
        ("severity".to_owned(), severity(level).into()),
        ("time".to_owned(), now().into()),
    ])
}

/// Writes every event as a line.
#[derive(Debug)]
struct JsonLines {
    project: Option<String>,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let mut line = self.line(event).to_string();
        line.push('\n');
        // A reader that went away must not end the service.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

impl JsonLines {
    fn line(&self, event: &Event<'_>) -> Value {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut line = fields.0;
        let name = || Value::from(event.metadata().name());
        line.entry("message").or_insert_with(name);
        line.insert("severity".to_owned(), severity(*event.metadata().level()).into());
        line.insert("time".to_owned(), now().into());
        Context::map_current(|context| self.add_trace(context, &mut line));
        Value::Object(line)
    }

    fn add_trace(&self, context: &Context, line: &mut Map<String, Value>) {
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            let trace = match &self.project {
                Some(project) => format!("projects/{project}/traces/{}", span.trace_id()),
                None => span.trace_id().to_string(),
            };
            line.insert("logging.googleapis.com/trace".to_owned(), trace.into());
            line.insert("logging.googleapis.com/spanId".to_owned(), span.span_id().to_string().into());
            line.insert("logging.googleapis.com/trace_sampled".to_owned(), span.is_sampled().into());
        }
        if let Some(LogLabels(labels)) = context.get::<LogLabels>() {
            let labels: BTreeMap<&str, &str> =
                labels.iter().map(|(key, value)| (key.as_ref(), value.as_str())).collect();
            line.insert("logging.googleapis.com/labels".to_owned(), json!(labels));
        }
    }
}

/// As RFC 3339 has it, in UTC.
fn now() -> String {
    prost_types::Timestamp::from(SystemTime::now()).to_string()
}

/// The name that Cloud Logging has for a level (`LogSeverity`).
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// Collects the fields of an event.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("panic without a message");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use rstest::rstest;

    use super::*;

    /// Keeps the lines instead of writing them.
    struct Kept(JsonLines, Arc<Mutex<Vec<Value>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
            self.1.lock().unwrap().push(self.0.line(event));
        }
    }

    fn logged(project: Option<&str>, context: Context, log: impl FnOnce()) -> Value {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let layer = Kept(JsonLines { project: project.map(str::to_owned) }, lines.clone());
        let _current = context.attach();
        tracing::subscriber::with_default(Registry::default().with(layer), log);
        let mut line = lines.lock().unwrap().remove(0);
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        line
    }

    fn traced(flags: TraceFlags) -> Context {
        let span = SpanContext::new(TraceId::from(1), SpanId::from(74), flags, false, TraceState::default());
        Context::new().with_remote_span_context(span)
    }

    #[test]
    fn a_line_outside_a_request_names_no_trace() {
        let line = logged(Some("p"), Context::new(), || tracing::info!(address = "127.0.0.1:1", "listening"));
        assert_eq!(line, json!({"severity": "INFO", "message": "listening", "address": "127.0.0.1:1"}));
    }

    #[rstest]
    #[case(Some("p"), TraceFlags::SAMPLED, "projects/p/traces/00000000000000000000000000000001", true)]
    #[case(None, TraceFlags::default(), "00000000000000000000000000000001", false)]
    fn a_line_of_a_request_finds_its_trace(
        #[case] project: Option<&str>,
        #[case] flags: TraceFlags,
        #[case] trace: &str,
        #[case] sampled: bool,
    ) {
        let labels = LogLabels(vec![("enduser.id".into(), "ada".to_owned())]);
        let context = traced(flags).with_value(labels);
        let line = logged(project, context, || tracing::warn!(attempts = 3, "slow"));
        let expected = json!({
            "severity": "WARNING",
            "message": "slow",
            "attempts": 3,
            "logging.googleapis.com/trace": trace,
            "logging.googleapis.com/spanId": "000000000000004a",
            "logging.googleapis.com/trace_sampled": sampled,
            "logging.googleapis.com/labels": {"enduser.id": "ada"},
        });
        assert_eq!(line, expected);
    }
}
