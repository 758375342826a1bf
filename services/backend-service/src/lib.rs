//! The demo's private gRPC service.
//!
//! [`run`] is the whole process: `main.rs` calls it, and so may any other program that wants to be this service. It reads the
//! environment alone. What the service answers stands in `greeter`, how it breaks a stream in `reset`.

mod greeter;
mod reset;

use std::process::ExitCode;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use spanwise_demo_common_lib::instrument::{
    CatchPanicLayer, FlushLayer, GrpcServerTraceLayer, Instrumentation,
};
use spanwise_demo_common_lib::serve::serve as serve_router;
use spanwise_demo_common_lib::settings::{Environment, Settings};
use spanwise_demo_common_lib::start::{self, StartError};
use spanwise_demo_common_lib::telemetry::{Identity, Telemetry};
use spanwise_demo_common_lib::{caller_deadline, logging, user};
use spanwise_demo_proto::backend_service::v1::backend_service_server::BackendServiceServer;
use spanwise_demo_proto::{FILE_DESCRIPTOR_SET, METHODS};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tower::ServiceBuilder;

use greeter::Greeter;

const IDENTITY: Identity = Identity { name: "backend-service", version: env!("CARGO_PKG_VERSION") };

/// Runs the service until SIGTERM or SIGINT: requests in flight finish, spans get out.
pub fn run() -> ExitCode {
    start::exit_code(IDENTITY.name, run_until_stopped())
}

/// Serves on this listener until `stop` is ready and the calls in flight have ended, or their time is up.
///
/// # Errors
/// The contract cannot be handed out by reflection.
pub async fn serve(
    listener: TcpListener,
    instrumentation: Instrumentation,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let router = router(&instrumentation).await?;
    serve_router(listener, router, &instrumentation, stop).await;
    Ok(())
}

async fn router(instrumentation: &Instrumentation) -> std::io::Result<Router> {
    let layers = ServiceBuilder::new()
        .layer(FlushLayer::new(instrumentation))
        .layer(GrpcServerTraceLayer::new(instrumentation.clone(), METHODS))
        .layer(from_fn(caller_deadline::keep))
        .layer(CatchPanicLayer::grpc());
    Ok(routes().await?.layer(layers))
}

/// What the service answers, with its health and its contract, and nothing around it: no spans, no deadlines, no guard
/// against panics.
///
/// # Errors
/// The contract cannot be handed out by reflection.
pub async fn routes() -> std::io::Result<Router> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<BackendServiceServer<Greeter>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(std::io::Error::other)?;
    let routes = Routes::new(BackendServiceServer::new(Greeter));
    let routes = routes.add_service(health_service).add_service(reflection);
    Ok(routes.into_axum_router().layer(map_response(reset::where_marked)))
}

fn run_until_stopped() -> Result<(), StartError> {
    let environment = Environment::of_process();
    let settings = Settings::read(&environment)?;
    let runtime = start::runtime()?;
    let settings = runtime.block_on(settings.completed())?;
    logging::start(&environment, settings.project.as_deref())?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&environment, &settings, IDENTITY)?;
        let stop = start::stop_signal()?;
        let listener = start::listen(settings.port).await?;
        start::announce(&listener)?;
        let served = serve(listener, telemetry.instrumentation(user::hooks()), stop).await;
        telemetry.shutdown().await;
        Ok(served?)
    })
}
