//! One container of the engine, whatever runs in it: made, started, read, and removed when nobody holds it any more.
//!
//! It is made over the engine's API and not by the library's runner. What that gives back removes its container when it is dropped by
//! waiting for the engine there and then, which never ends where a runtime is being shut down, as it is after Ctrl-C.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use spanwise_model::Stream;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use testcontainers::bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, UploadToContainerOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_full};
use tokio::io::AsyncRead;
use tokio::runtime::Handle;
use tokio_util::io::StreamReader;

use crate::Engine;
use crate::error::reason;

/// A container that was made, and is removed when this is dropped: soon, where there is a runtime to do it, and else by the
/// watcher of the run.
pub(crate) struct Held {
    docker: Docker,
    id: String,
    is_removed: AtomicBool,
}

impl Held {
    /// Makes a container with these files in it and starts it. It has the mark of the run, and output that can be read.
    pub(crate) async fn start(
        engine: &Engine,
        name: &str,
        mut config: ContainerCreateBody,
        files: &[(String, Vec<u8>)],
    ) -> Result<Held, String> {
        config.labels = Some(engine.labels());
        // Whatever logging the engine is set up with, this one can be read back. A flood of output must not fill the engine's disk;
        // what is written over before it was read would hardly have been kept.
        let bounds =
            [("max-size", "64m"), ("max-file", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let log = HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(bounds.into()) };
        config.host_config.get_or_insert_with(HostConfig::default).log_config = Some(log);
        let named = CreateContainerOptionsBuilder::new().name(name).build();
        let docker = engine.docker.clone();
        let made = engine.launcher.make(name, docker.create_container(Some(named), config)).await;
        let made = made.map_err(|error| reason(&error))?;
        let held = Held { docker, id: made.id, is_removed: AtomicBool::new(false) };
        if !files.is_empty() {
            let archive = archive(files).map_err(|error| error.to_string())?;
            let at = UploadToContainerOptionsBuilder::new().path("/").build();
            let put = held.docker.upload_to_container(&held.id, Some(at), body_full(archive.into())).await;
            put.map_err(|error| reason(&error))?;
        }
        let started = held.docker.start_container(&held.id, None::<StartContainerOptions>).await;
        started.map_err(|error| reason(&error))?;
        Ok(held)
    }

    /// The engine's name of it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The port of this machine at which a port of the container is published.
    pub(crate) async fn published(&self, port: u16) -> Result<u16, String> {
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let mut ports = found.map_err(|error| reason(&error))?.network_settings.and_then(|found| found.ports);
        let bindings = ports.as_mut().and_then(|ports| ports.remove(&format!("{port}/tcp"))).flatten();
        let port = bindings.into_iter().flatten().find_map(|binding| binding.host_port?.parse().ok());
        port.ok_or_else(|| "the engine does not publish its port".to_owned())
    }

    /// The ports that its image says something listens at.
    pub(crate) async fn exposed(&self) -> Vec<u16> {
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let ports = found.ok().and_then(|found| found.config?.exposed_ports).unwrap_or_default();
        ports.iter().filter_map(|port| port.strip_suffix("/tcp")?.parse().ok()).collect()
    }

    /// What it writes to a stream, from its first word to its last.
    pub(crate) fn output(&self, stream: Stream) -> impl AsyncRead + Unpin + Send + use<> {
        let is_stdout = stream == Stream::Stdout;
        let options = LogsOptionsBuilder::new().follow(true).stdout(is_stdout).stderr(!is_stdout).tail("all");
        let written = self.docker.logs(&self.id, Some(options.build()));
        StreamReader::new(Box::pin(written.map_ok(|part| part.into_bytes()).map_err(io::Error::other)))
    }

    /// Removes it now, and returns when it is gone. What cannot be removed is left to the watcher.
    pub(crate) async fn remove(&self) {
        remove(&self.docker, &self.id).await;
        self.is_removed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_removed.load(Ordering::Relaxed) {
            return;
        }
        // A runtime that is being shut down takes no task any more, and drops it.
        if let Ok(runtime) = Handle::try_current() {
            let (docker, id) = (self.docker.clone(), self.id.clone());
            runtime.spawn(async move { remove(&docker, &id).await });
        }
    }
}

async fn remove(docker: &Docker, id: &str) {
    let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let _ = docker.remove_container(id, Some(force)).await;
}

/// Files as the engine takes them. Whoever the service runs as may read them.
fn archive(files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (place, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, place.trim_start_matches('/'), content.as_slice())?;
    }
    archive.into_inner()
}
