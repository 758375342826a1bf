//! What services meet where they export to: keys `collector` of services, and of a suite with services that run already.

use std::net::SocketAddr;

use spanwise_model::GrpcCode;

use crate::Persona;
use crate::error::{File, SuiteError};
use crate::format::{CollectorFile, FixedCollectorFile};
use crate::spanned::Spanned;

/// What a service meets where it exports to; the default takes everything that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collector {
    /// Whom it stands for.
    pub persona: Persona,
    /// Whether it refuses what Google would refuse, where it stands for Google; else it only notes it down.
    pub refuse: bool,
    /// The code with which it refuses the first export request, whatever is in it.
    pub refuse_first: Option<GrpcCode>,
}

/// Where all services that run already export to. One address may be that of several protocols.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FixedCollector {
    /// Where it takes OTLP over gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// Where it takes OTLP over HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// Where it takes Cloud Trace v2.
    pub cloud_trace: Option<SocketAddr>,
    /// Whom it stands for.
    pub persona: Persona,
    /// The services that run already and export to it.
    pub senders: Vec<FixedSender>,
}

/// A service that runs already, as its telemetry shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FixedSender {
    /// Its name in the suite.
    pub service: String,
    /// The `service.name` by which what it exports is known; `None` where all that comes is its own.
    pub service_name: Option<String>,
}

/// Reads how the collector of a service behaves.
pub(crate) fn of_service(file: File<'_>, written: Option<&CollectorFile>) -> Result<Collector, SuiteError> {
    let Some(written) = written else { return Ok(Collector::default()) };
    let code = |code: &Spanned<String>| {
        let refusals = || GrpcCode::all().filter(|one| *one != GrpcCode::Ok);
        refusals().find(|one| one.as_str() == code.value).ok_or_else(|| {
            let error = file.error(code.referenced, format!("`{}` is no gRPC code of an error", code.value));
            error.with_names(&code.value, refusals().map(GrpcCode::as_str))
        })
    };
    let refuse_first = written.refuse_first.as_ref().map(code).transpose()?;
    Ok(Collector { persona: written.persona, refuse: written.refuse, refuse_first })
}

/// Reads where the services that run already export to.
pub(crate) fn of_suite(
    file: File<'_>,
    written: &Spanned<FixedCollectorFile>,
    senders: Vec<FixedSender>,
) -> Result<FixedCollector, SuiteError> {
    let address = |text: &Spanned<String>| {
        let parsed = text.value.parse::<SocketAddr>().ok();
        parsed.filter(|address| address.port() != 0).ok_or_else(|| {
            let error = file.error(text.referenced, format!("`{}` is no address to listen at", text.value));
            error.with_help(
                "write a number and a port, such as `127.0.0.1:4317`; `0.0.0.0:4317` is every interface",
            )
        })
    };
    let FixedCollectorFile { otlp_grpc, otlp_http, cloud_trace, persona } = &written.value;
    let read = |text: &Option<Spanned<String>>| text.as_ref().map(address).transpose();
    let (otlp_grpc, otlp_http, cloud_trace) = (read(otlp_grpc)?, read(otlp_http)?, read(cloud_trace)?);
    if otlp_grpc.or(otlp_http).or(cloud_trace).is_none() {
        let error = file.error(written.referenced, "the collector listens nowhere");
        return Err(error.with_help("add `otlp-grpc`, `otlp-http` or `cloud-trace`, each with an address"));
    }
    Ok(FixedCollector { otlp_grpc, otlp_http, cloud_trace, persona: *persona, senders })
}
