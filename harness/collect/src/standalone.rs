//! The collector on its own, for any exporter: the whole of `spanwise collect`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

use crate::{
    Behavior, CollectError, Collector, ListenOptions, Listener, Options, Persona, Protocols, Store,
    write_recording,
};

/// What to open and to write. An address that is `None` is not opened; when all are, every protocol gets a free port.
#[derive(Clone, Debug, Default)]
pub struct Standalone {
    /// Where OTLP over gRPC listens.
    pub otlp_grpc: Option<SocketAddr>,
    /// Where OTLP over HTTP listens.
    pub otlp_http: Option<SocketAddr>,
    /// Where Cloud Trace v2 listens, gRPC and REST.
    pub cloud_trace: Option<SocketAddr>,
    /// Whom the OTLP listeners stand for.
    pub persona: Persona,
    /// How they misbehave.
    pub behavior: Behavior,
    /// How many bytes of payloads are kept before more are refused.
    pub max_memory: Option<u64>,
    /// The recording to write, as requests come.
    pub out: Option<PathBuf>,
}

/// The first line of output: where the collector listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP over HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// Cloud Trace v2.
    pub cloud_trace: Option<SocketAddr>,
}

impl Standalone {
    /// Collects until `stop` resolves. Writes two lines of JSON: [`Addresses`] once all ports listen,
    /// [`crate::Counts`] at the end.
    ///
    /// # Errors
    /// When an address cannot be bound, or a line or the recording cannot be written.
    pub async fn run(
        self,
        output: &mut impl Write,
        stop: impl Future<Output = ()>,
    ) -> Result<(), CollectError> {
        let mut recording = self.out.as_deref().map(Recording::create).transpose()?;
        let collector = Collector::new(Options { max_memory: self.max_memory });
        let (addresses, listeners) = self.listen(&collector)?;
        line(output, "the first line", &addresses)?;
        let store = collector.store();
        match &mut recording {
            Some(recording) => recording.follow(store, stop).await?,
            None => stop.await,
        }
        let closed: JoinSet<()> = listeners.into_iter().map(Listener::close).collect();
        closed.join_all().await;
        // What was acknowledged until the last connection ended belongs to the recording and to the counts.
        if let Some(recording) = &mut recording {
            recording.write(store, usize::MAX)?;
        }
        line(output, "the last line", &store.counts())
    }

    fn listen(&self, collector: &Collector) -> Result<(Addresses, Vec<Listener>), CollectError> {
        let given = [self.otlp_grpc, self.otlp_http, self.cloud_trace];
        let none_given = given.iter().all(Option::is_none);
        let mut listeners = Vec::new();
        let mut open = |address: Option<SocketAddr>, protocols| {
            let free = ListenOptions::default().address;
            let Some(address) = address.or(none_given.then_some(free)) else { return Ok(None) };
            let listener = collector.listen_with(ListenOptions {
                persona: self.persona,
                address,
                protocols,
                behavior: self.behavior.clone(),
                ..ListenOptions::default()
            })?;
            let address = listener.address();
            listeners.push(listener);
            Ok::<_, CollectError>(Some(address))
        };
        let addresses = Addresses {
            otlp_grpc: open(self.otlp_grpc, Protocols { otlp_grpc: true, ..Protocols::NONE })?,
            otlp_http: open(self.otlp_http, Protocols { otlp_http: true, ..Protocols::NONE })?,
            cloud_trace: open(self.cloud_trace, Protocols { cloud_trace: true, ..Protocols::NONE })?,
        };
        Ok((addresses, listeners))
    }
}

/// Makes the file of a recording, or empties it. Telemetry is nobody's business but its owner's, who alone may read it.
///
/// # Errors
/// Those of the system.
pub fn create_private(file: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// How many requests are written down before anything else is looked at.
const AT_ONCE: usize = 64;

/// The recording, as far as it is written.
struct Recording {
    file: BufWriter<File>,
    /// How many requests are in it.
    requests: usize,
}

impl Recording {
    fn create(path: &Path) -> Result<Recording, CollectError> {
        let file = create_private(path).map_err(writing("the recording"))?;
        Ok(Recording { file: BufWriter::new(file), requests: 0 })
    }

    /// Writes requests down as they come, until `stop` resolves.
    async fn follow(&mut self, store: &Store, stop: impl Future<Output = ()>) -> Result<(), CollectError> {
        let mut stop = std::pin::pin!(stop);
        let mut changed = store.changed();
        loop {
            let is_behind = self.write(store, AT_ONCE)? == AT_ONCE;
            // There is always more to write while senders are faster, and whoever says stop must be heard.
            tokio::task::yield_now().await;
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = std::future::ready(()), if is_behind => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// Writes down what is not yet, but no more than so many requests; gives how many.
    fn write(&mut self, store: &Store, most: usize) -> Result<usize, CollectError> {
        let written = write_recording(store, self.requests, most, &mut self.file);
        let written = written.and_then(|requests| self.file.flush().map(|()| requests));
        let before = self.requests;
        self.requests = written.map_err(writing("the recording"))?;
        Ok(self.requests - before)
    }
}

fn line(
    output: &mut impl Write,
    what: &'static str,
    value: &impl serde::Serialize,
) -> Result<(), CollectError> {
    let line = serde_json::to_string(value).map_err(|error| writing(what)(error.into()))?;
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(writing(what))
}

fn writing(what: &'static str) -> impl Fn(std::io::Error) -> CollectError {
    move |source| CollectError::Write { what, source }
}
