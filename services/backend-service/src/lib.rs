//! The demo's private gRPC service.
//!
//! [`run`] is the whole process: `main.rs` calls it, and so may any other program that wants to be this service. It reads the
//! environment alone. What the service answers stands in `greeter`, how it breaks a stream in `reset`.

mod greeter;
mod reset;

use std::process::ExitCode;

use spanwise_demo_common_lib::instrument::{CatchPanicLayer, GrpcServerTraceLayer, Instrumentation};
use spanwise_demo_common_lib::settings::{Environment, Settings};
use spanwise_demo_common_lib::start::{self, StartError};
use spanwise_demo_common_lib::telemetry::{Identity, Telemetry};
use spanwise_demo_common_lib::{logging, user};
use spanwise_demo_proto::FILE_DESCRIPTOR_SET;
use spanwise_demo_proto::backend_service::v1::backend_service_server::BackendServiceServer;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use greeter::Greeter;
use reset::ResetLayer;

const IDENTITY: Identity = Identity { name: "backend-service", version: env!("CARGO_PKG_VERSION") };

/// Streams that callers may cancel before they were accepted, on one connection. HTTP/2's protection against floods of resets
/// would close it after twenty, and with it the calls that nobody cancelled.
const PENDING_RESETS: usize = 100_000;

/// Runs the service until SIGTERM or SIGINT: requests in flight finish, spans get out.
pub fn run() -> ExitCode {
    start::exit_code(IDENTITY.name, run_until_stopped())
}

/// Serves on this listener until `stop` is ready and the calls in flight have ended.
///
/// # Errors
/// The server failed.
pub async fn serve(
    listener: TcpListener,
    instrumentation: Instrumentation,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<BackendServiceServer<Greeter>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(std::io::Error::other)?;
    Server::builder()
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS))
        .http2_max_local_error_reset_streams(None)
        .layer(GrpcServerTraceLayer::new(instrumentation.clone()))
        .layer(CatchPanicLayer::grpc())
        .layer(ResetLayer)
        .add_service(BackendServiceServer::new(Greeter))
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop)
        .await
        .map_err(std::io::Error::other)?;
    instrumentation.idle().await;
    Ok(())
}

fn run_until_stopped() -> Result<(), StartError> {
    let environment = Environment::of_process();
    let settings = Settings::read(&environment)?;
    logging::start(&environment, settings.project.as_deref())?;
    start::runtime()?.block_on(async {
        let telemetry = Telemetry::start(&environment, &settings, IDENTITY)?;
        let stop = start::stop_signal()?;
        let listener = start::listen(settings.port).await?;
        start::announce(&listener)?;
        let instrumentation = telemetry.instrumentation(user::hooks());
        start::within_grace(stop.clone(), serve(listener, instrumentation, stop)).await?;
        telemetry.shutdown().await;
        Ok(())
    })
}
