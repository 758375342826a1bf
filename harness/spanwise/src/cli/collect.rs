//! `spanwise collect`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use spanwise_collect::{Behavior, Persona, Standalone};

use super::signals::{self, Signals};
use super::{Exit, runtime, unusable};

#[derive(Args)]
pub(super) struct CollectArguments {
    /// Where OTLP over gRPC listens, such as 127.0.0.1:4317
    #[arg(long, value_name = "ADDR", value_parser = address)]
    otlp_grpc: Option<SocketAddr>,
    /// Where OTLP over HTTP listens, such as 127.0.0.1:4318
    #[arg(long, value_name = "ADDR", value_parser = address)]
    otlp_http: Option<SocketAddr>,
    /// Where Cloud Trace v2 listens, gRPC and REST on one port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    cloud_trace: Option<SocketAddr>,
    /// Whom the OTLP listeners stand for
    #[arg(long, value_enum, default_value = "otlp")]
    persona: PersonaName,
    /// Refuse what Google would refuse, with its own code, in place of noting it down
    #[arg(long)]
    refuse: bool,
    /// How many bytes of payloads are kept before more are refused
    #[arg(long, value_name = "BYTES")]
    max_memory: Option<u64>,
    /// Write a recording that `spanwise check` reads
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PersonaName {
    /// Any collector.
    Otlp,
    /// Google's Telemetry API.
    Google,
}

/// Reads `HOST:PORT`; a name may stand for the host.
fn address(text: &str) -> Result<SocketAddr, String> {
    let resolved = text.to_socket_addrs().map_err(|error| format!("{error}; wanted is HOST:PORT"))?;
    let all: Vec<SocketAddr> = resolved.collect();
    // Exporters that are given `localhost` try every address of it; those that are given 127.0.0.1 know only this one.
    let first = all.iter().find(|address| address.is_ipv4()).or(all.first());
    first.copied().ok_or_else(|| format!("no address is known for {text}"))
}

pub(super) fn collect(arguments: CollectArguments) -> Exit {
    let standalone = Standalone {
        otlp_grpc: arguments.otlp_grpc,
        otlp_http: arguments.otlp_http,
        cloud_trace: arguments.cloud_trace,
        persona: match arguments.persona {
            PersonaName::Otlp => Persona::Otlp,
            PersonaName::Google => Persona::Google,
        },
        behavior: Behavior { refuse: arguments.refuse, ..Behavior::default() },
        max_memory: arguments.max_memory,
        out: arguments.out,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let collected = runtime.block_on(async {
        let signals = Signals::listen(signals::silent)?;
        standalone.run(&mut std::io::stdout(), signals.stopped()).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            unusable(format!("{error}{}", cause.unwrap_or_default()))
        })
    });
    collected.err().unwrap_or(Exit::Conforms)
}
