//! A tracing conformance test harness: starts services, drives requests, checks every span.
//!
//! # In your own tests
//!
//! As a dev-dependency (`default-features = false`: without the command line and the demo) it starts your services, sends them
//! requests, and gives you each request's trace:
//!
//! ```
//! use spanwise::{Harness, HarnessError, Service, assert_conforms};
//!
//! #[tokio::test]
//! # async fn hidden() {}
//! async fn greets() -> Result<(), HarnessError> {
//!     let web = Service::in_process(|env| greeter::serve(env.listener, env.variables));
//!     let run = Harness::builder().service("web", web).start().await?;
//!
//!     let answer = run.get("/greet").await?;
//!     assert_eq!(answer.status(), Some(200));
//!     let trace = answer.trace().await?;
//!     assert_eq!(trace.to_string(), "driver CLIENT \"GET /greet\" 200\n  web SERVER \"GET /greet\" 200");
//!     assert_conforms!(trace);
//!     Ok(())
//! }
//! # mod greeter {
//! #     use axum::{Router, http::HeaderMap, routing::get};
//! #     use opentelemetry::{KeyValue, propagation::TextMapPropagator as _};
//! #     use opentelemetry::trace::{SpanKind, Tracer as _, TracerProvider as _};
//! #     use opentelemetry_otlp::WithExportConfig as _;
//! #     pub async fn serve(
//! #         listener: tokio::net::TcpListener,
//! #         variables: std::collections::BTreeMap<String, String>,
//! #     ) -> std::io::Result<()> {
//! #         let endpoint = &variables["OTEL_EXPORTER_OTLP_ENDPOINT"];
//! #         let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint);
//! #         let resource = opentelemetry_sdk::Resource::builder().with_service_name("web").build();
//! #         let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
//! #             .with_batch_exporter(exporter.build().expect("an exporter"))
//! #             .with_resource(resource)
//! #             .build();
//! #         let tracer = provider.tracer("greeter");
//! #         let greet = move |headers: HeaderMap| async move {
//! #             let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()));
//! #             let headers: std::collections::HashMap<String, String> = headers.collect();
//! #             let parent = opentelemetry_sdk::propagation::TraceContextPropagator::new().extract(&headers);
//! #             let labels = [
//! #                 KeyValue::new("http.request.method", "GET"),
//! #                 KeyValue::new("http.route", "/greet"),
//! #                 KeyValue::new("url.path", "/greet"),
//! #                 KeyValue::new("url.scheme", "http"),
//! #                 KeyValue::new("http.response.status_code", 200),
//! #             ];
//! #             let span = tracer.span_builder("GET /greet").with_kind(SpanKind::Server).with_attributes(labels);
//! #             drop(span.start_with_context(&tracer, &parent));
//! #             let provider = provider.clone();
//! #             let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
//! #             flushed.await.expect("a thread").expect("a flush");
//! #             "Hello!"
//! #         };
//! #         axum::serve(listener, Router::new().route("/greet", get(greet))).await
//! #     }
//! # }
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(greets()).expect("a greeting");
//! ```
//!
//! **What runs.** [`Harness::from_suite`] starts the services of a `spanwise.yaml`; with [`Harness::builder`] a test describes them:
//! [`Service::command`] is a child process in any language, [`Service::in_process`] a task of the test. Each finds a mock collector
//! in the standard `OTEL_*` variables, and others by `{{NAME.url}}`, through a proxy that sees the wire. Dropping the [`Run`] ends
//! them all, also in a test that panics; [`Run::end`] ends them as a deployment does and judges that, too.
//!
//! **What is asserted.** [`Answer::trace`] waits until the trace is complete: every call that the proxies saw has its spans, or the
//! deadline has passed. A [`Trace`] prints as its tree in normal form, so that `insta::assert_snapshot!(trace)` can hold it;
//! [`assert_conforms!`] panics with tree and findings; [`Trace::spans`] and [`Trace::findings`] are data.
//!
//! **A provider alone.** Code without a server is tested by what it exports to [`Run::collector`]:
//!
//! ```
//! use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
//! # use opentelemetry_otlp::WithExportConfig as _;
//! # use spanwise::{Harness, HarnessError, assert_conforms};
//!
//! # async fn cleans_up() -> Result<(), HarnessError> {
//! let run = Harness::builder().start().await?;
//! # let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
//! # let exporter = exporter.with_endpoint(run.collector().otlp_grpc_endpoint()).build().expect("an exporter");
//! # let resource = opentelemetry_sdk::Resource::builder().with_service_name("job").build();
//! # let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().with_resource(resource);
//! let provider = provider.with_batch_exporter(exporter).build(); // to run.collector().otlp_grpc_endpoint()
//! let tracer = provider.tracer("job");
//! let mut span = tracer.start("clean up");
//! span.end();
//! # let flushed = provider.clone();
//! # tokio::task::spawn_blocking(move || flushed.force_flush()).await.expect("a thread").expect("a flush");
//! let trace = run.trace(span.span_context().trace_id()).await?;
//! assert_eq!(trace.to_string(), "job INTERNAL \"clean up\"");
//! assert_conforms!(trace);
//! # tokio::task::spawn_blocking(move || provider.shutdown()).await.expect("a thread").expect("a provider that was up");
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(cleans_up()).expect("a trace");
//! ```
//!
//! **Time.** A test of two services that are tasks was seen to have them up after 7 ms, their answer after 13 ms, the trace judged after
//! 19 ms, and all ended after 28 ms (debug build, two cores); on a machine that is busy with builds it takes several times that. The batch delay of
//! the SDK counts in, so give it 5 milliseconds, as processes find it in `OTEL_BSP_SCHEDULE_DELAY`. An SDK's provider blocks its thread while it flushes or is dropped, and its exporter may need that very thread: shut it down in
//! `tokio::task::spawn_blocking`, or let the test have `#[tokio::test(flavor = "multi_thread")]`.
//!
//! **Many tests.** Each may have a run of its own, side by side; [`Shared`] is one for all tests of a binary. With rstest a fixture is
//! an async function that starts either, and needs nothing of this crate:
//!
//! ```
//! use rstest::{fixture, rstest};
//! use spanwise::{Harness, HarnessError, Run, Shared};
//!
//! #[fixture]
//! async fn own() -> Run {
//!     Harness::from_suite("spanwise.yaml").start().await.expect("services that start")
//! }
//!
//! static SHOP: Shared = Shared::new(|| Harness::from_suite("spanwise.yaml"));
//!
//! #[fixture]
//! async fn shared() -> &'static Run {
//!     SHOP.run().await
//! }
//!
//! #[rstest]
//! #[tokio::test]
//! async fn orders(#[future(awt)] shared: &'static Run) -> Result<(), HarnessError> {
//!     spanwise::assert_conforms!(shared.get("/order").await?.trace().await?);
//!     Ok(())
//! }
//! ```
//!
//! # The run loop
//!
//! The stages stand in crates of their own; here they are put together:
//!
//! - [`plan`] reads suite files and selects permutations,
//! - [`run()`] starts the services, drives the requests and lets the rules speak, telling reporters as it goes,
//! - [`ratchet`] lets pass what was there before,
//! - [`record`] writes down what a run sees, from which [`replay()`] makes its report again,
//! - [`capture`] checks files that others recorded, without starting anything,
//! - [`init`] writes a first suite for a folder,
//! - `demo` is the demo inside the binary (feature `demo`).
//!
//! # Rules of your own
//!
//! A rule is a static, handed over in [`Options::rules`]; it runs after the catalogue, over the same observations:
//!
//! ```
//! use spanwise::check::{Check, Engine, Family, Profile, Rule};
//! use spanwise::model::{Evidence, Level, notation};
//!
//! static SPAN_NAME_TOO_LONG: Rule = Rule {
//!     name: "span-name-too-long",
//!     family: Family::Custom,
//!     level: Level::Violation,
//!     profile: Profile::Otel, // the least demanding profile that runs it
//!     since: "1.0.0",
//!     evidence: &[Evidence::Spans],
//!     explains: &[],
//!     explanation: "",
//!     check: Check::One(|index, findings| {
//!         for node in index.nodes() {
//!             findings.looked();
//!             if node.name.len() > 40 {
//!                 findings.on_span(node, "The name does not fit into our dashboards.").actual(&node.name);
//!             }
//!         }
//!     }),
//! };
//!
//! let options = spanwise::Options { rules: vec![&SPAN_NAME_TOO_LONG], ..Default::default() };
//! # let text = "web INTERNAL \"read the configuration of every tenant again\"";
//! # let observation = notation::parse(text)?;
//! # let engine = Engine::new(options.profile).with_rules(&options.rules)?;
//! # let checked = engine.check(&observation);
//! # assert!(checked.findings.iter().any(|finding| finding.rule == "span-name-too-long"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The command line is the binary beside this library, and nothing else knows of arguments and exit codes.

pub mod capture;
#[cfg(feature = "demo")]
pub mod demo;
pub mod init;
mod library;
pub mod plan;
pub mod ratchet;
pub mod record;
mod registry;
mod run;
mod shard;

pub use library::{
    Answer, Collector, Conformance, Harness, HarnessError, Request, Run, Service, ServiceOfRun, Shared,
    TaskEnd, Trace,
};
pub use record::{Recorder, Recording, ReplayError};
pub use registry::{RegistryError, registry_labels};
pub use run::{
    Address, Environment, Kept, Options, RepeatCommand, Replayed, RunError, Stop, replay, run, run_and_keep,
    run_rounds, run_until, starts,
};
pub use shard::Shard;
pub use spanwise_check as check;
pub use spanwise_model as model;
pub use spanwise_report as report;
pub use spanwise_scenario as scenario;
