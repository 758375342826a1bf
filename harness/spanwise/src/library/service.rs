//! A service as a test describes it, for [`crate::Harness::service`]. What it says becomes the service's entry in a suite, so
//! that the keys mean here what they mean in files.

use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::run::{Environment, Program};

/// A service of a test: a program that is started as a child process, or a task of the test itself.
///
/// It serves HTTP unless [`Service::grpc`] says otherwise.
#[derive(Clone)]
pub struct Service {
    pub(super) keys: Map<String, Value>,
    pub(super) program: Option<Program>,
}

impl Service {
    /// A program and its arguments, in which `{{port}}` and the references of [`Service::env`] may stand. Without such an
    /// argument it finds its port in `PORT`. It counts as ready when its port takes connections; see [`Service::key`].
    pub fn command<Word: Into<String>>(words: impl IntoIterator<Item = Word>) -> Service {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        Service::new("command", json!(words), None)
    }

    /// A service that is a task in this process: no child, so that a test costs milliseconds.
    ///
    /// It gets what a process would find in its environment as a map, and its listener, which takes connections already. It
    /// ends when the run does: at once, or once it returns, where it has asked for [`Environment::stop`].
    pub fn in_process<Task>(task: impl Fn(Environment) -> Task + Send + Sync + 'static) -> Service
    where
        Task: Future<Output: TaskEnd> + Send + 'static,
    {
        let program: Program = Arc::new(move |environment| {
            let task = task(environment);
            Box::pin(async move { task.await.failure() })
        });
        Service::new("demo", Value::Null, Some(program))
    }

    fn new(key: &str, value: Value, program: Option<Program>) -> Service {
        let keys = [(key.to_owned(), value), ("protocol".to_owned(), json!("http"))];
        Service { keys: keys.into_iter().collect(), program }
    }

    /// It serves gRPC.
    pub fn grpc(self) -> Service {
        self.key("protocol", "grpc")
    }

    /// Sets a variable of its environment, beside the standard `OTEL_*` ones that every service gets.
    ///
    /// `{{NAME.url}}` stands for the URL of another service, through the proxy before it; `{{collector.otlp_grpc}}`,
    /// `{{collector.otlp_http}}` and `{{collector.cloud_trace}}` for the mock's, `{{ca.file}}` for the certificate authority.
    pub fn env(mut self, name: impl Into<String>, value: impl Display) -> Service {
        let env = self.keys.entry("env").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(env) = env {
            env.insert(name.into(), Value::String(value.to_string()));
        }
        self
    }

    /// Anything else that a suite file says of a service: `key("untraced", ["/healthz"])`, `key("flushes-on-sigterm", true)`,
    /// `key("ready", "grpc-health")`. The JSON Schema of suite files, `fixtures/schema/suite.schema.json`, describes them all; a
    /// mistake is told when the run starts.
    pub fn key(mut self, name: impl Into<String>, value: impl Serialize) -> Service {
        // What cannot be written as JSON is refused by the reader, which expects something there.
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.keys.insert(name.into(), value);
        self
    }
}

/// What the task of [`Service::in_process`] may return: nothing, or a result.
pub trait TaskEnd {
    /// Why it failed, if it did.
    fn failure(self) -> Option<String>;
}

impl TaskEnd for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<Error: Display> TaskEnd for Result<(), Error> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}
