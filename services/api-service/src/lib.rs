//! The demo's REST service, which calls the backend over gRPC.
//!
//! [`run`] is the whole process: `main.rs` calls it, and so may any other program that wants to be this service. It reads the
//! environment alone. The endpoints stand in `greet` and `greet_many`, the errors they answer in `error`, their description in
//! `docs`.

mod docs;
mod error;
mod greet;
mod greet_many;

use std::process::ExitCode;

use axum::Router;
use axum::routing::{get, post};
use spanwise_demo_common_lib::backend::{self, BackendClient, BackendSettings};
use spanwise_demo_common_lib::instrument::{
    CatchPanicLayer, FlushLayer, HttpServerTraceLayer, Instrumentation,
};
use spanwise_demo_common_lib::serve::serve as serve_router;
use spanwise_demo_common_lib::settings::{Environment, Settings};
use spanwise_demo_common_lib::start::{self, StartError};
use spanwise_demo_common_lib::telemetry::{Identity, Telemetry};
use spanwise_demo_common_lib::{logging, user};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

const IDENTITY: Identity = Identity { name: "api-service", version: env!("CARGO_PKG_VERSION") };

/// Runs the service until SIGTERM or SIGINT: requests in flight finish, spans get out.
pub fn run() -> ExitCode {
    start::exit_code(IDENTITY.name, run_until_stopped())
}

/// Serves on this listener until `stop` is ready and the requests in flight have ended, or their time is up.
pub async fn serve(
    listener: TcpListener,
    instrumentation: Instrumentation,
    backend: BackendClient,
    stop: impl Future<Output = ()>,
) {
    serve_router(listener, router(instrumentation.clone(), backend), &instrumentation, stop).await;
}

fn router(instrumentation: Instrumentation, backend: BackendClient) -> Router {
    let traced = ServiceBuilder::new()
        .layer(FlushLayer::new(&instrumentation))
        .layer(HttpServerTraceLayer::new(instrumentation))
        .layer(CatchPanicLayer::http(error::panicked));
    Router::new()
        .route("/greet", post(greet::greet))
        .route("/greet-many/{name}", get(greet_many::greet_many))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(traced)
        // What follows has no spans: probes come every few seconds and belong to no user's request, and the documentation is
        // static.
        .route("/healthz", get(async || "ok"))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .with_state(backend)
}

fn run_until_stopped() -> Result<(), StartError> {
    let environment = Environment::of_process();
    let settings = Settings::read(&environment)?;
    let backend = BackendSettings::read(&environment)?;
    let runtime = start::runtime()?;
    let settings = runtime.block_on(settings.completed())?;
    logging::start(&environment, settings.project.as_deref())?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&environment, &settings, IDENTITY)?;
        let instrumentation = telemetry.instrumentation(user::hooks());
        let backend = backend::client(&backend, &instrumentation)?;
        let stop = start::stop_signal()?;
        let listener = start::listen(settings.port).await?;
        start::announce(&listener)?;
        serve(listener, instrumentation, backend, stop).await;
        telemetry.shutdown().await;
        Ok(())
    })
}
