//! The container engine, as one run uses it: its network, its images, and the mark on all that it starts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanwise_model::Source;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::core::client::docker_client_instance;
use tokio::sync::{Mutex, OnceCell};

use crate::container::Container;
use crate::error::reason;
use crate::forwarder;
use crate::{ContainerError, ContainerLaunch, Image, LABEL, RUN_LABEL};

/// Starts the containers of one run.
///
/// Who uses it must see to it that what has the [`mark`](crate::mark) of the run is cleared away when the harness dies: an engine knows nothing of who asked
/// it, and what is started stays.
pub struct Engine {
    pub(crate) docker: Docker,
    run: String,
    folder: PathBuf,
    network: String,
    started: AtomicU64,
    forwarder: OnceCell<Result<(String, String), String>>,
    images: Mutex<HashMap<Image, Arc<OnceCell<Result<String, ContainerError>>>>>,
}

impl Engine {
    /// Asks the engine whether it is there, and makes the run's network. `folder` is for files that go with the run.
    ///
    /// # Errors
    /// [`ContainerError::NoEngine`], [`ContainerError::Network`].
    pub async fn connect(run: &str, folder: &Path) -> Result<Engine, ContainerError> {
        let none = |error: &dyn std::error::Error| ContainerError::NoEngine(reason(error));
        let docker = docker_client_instance().await.map_err(|error| none(&error))?;
        docker.ping().await.map_err(|error| none(&error))?;
        let network = network(run);
        let request = NetworkCreateRequest {
            name: network.clone(),
            labels: Some(labels(run)),
            ..NetworkCreateRequest::default()
        };
        let made = docker.create_network(request).await;
        made.map_err(|error| ContainerError::Network(reason(&error)))?;
        let folder = folder.to_owned();
        Ok(Engine { docker, run: run.to_owned(), folder, network, started: AtomicU64::new(1), forwarder: OnceCell::new(), images: Mutex::default() })
    }

    /// Starts a container and waits until its service is ready. If it does not get ready it is removed, and the error holds the
    /// last lines it wrote.
    ///
    /// # Errors
    /// Every [`ContainerError`] but those of [`Engine::connect`].
    pub async fn start(&self, launch: ContainerLaunch) -> Result<Container, ContainerError> {
        let image = self.image(&launch.image).await?;
        Container::start(self, &image, launch).await
    }

    /// The name of an image that is there: every image is asked for once a run.
    async fn image(&self, image: &Image) -> Result<String, ContainerError> {
        let cell = Arc::clone(self.images.lock().await.entry(image.clone()).or_default());
        cell.get_or_init(|| image.prepare(&self.docker, &self.folder)).await.clone()
    }

    /// The image of the forwarder, name and tag.
    pub(crate) async fn forwarder(&self) -> Result<(String, String), String> {
        self.forwarder.get_or_init(|| forwarder::image(&self.folder)).await.clone()
    }

    /// The name of an instance's container. Instances of one name may run in several lanes at once, so it has a number, too.
    pub(crate) fn container_name(&self, source: &Source) -> String {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let service: String = source.service.chars().map(plain).collect();
        format!("{}-{service}-{}-{number}", self.network, source.instance)
    }

    pub(crate) fn network(&self) -> &str {
        &self.network
    }

    /// What every container of the run is marked with.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        labels(&self.run)
    }

    /// Removes the run's network; its containers must be gone.
    pub async fn close(&self) {
        // What is left is cleared away by whoever clears away after a harness that died.
        let _ = self.docker.remove_network(&self.network).await;
    }
}

fn network(run: &str) -> String {
    format!("spanwise-{run}")
}

fn labels(run: &str) -> HashMap<String, String> {
    HashMap::from([(LABEL.to_owned(), String::new()), (RUN_LABEL.to_owned(), run.to_owned())])
}
