//! The container engine, as one run uses it: its network, its images, and the mark on all that it starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spanwise_drive::Launcher;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::core::client::docker_client_instance;
use tokio::sync::{Mutex, OnceCell};

use crate::container::Container;
use crate::error::reason;
use crate::forwarder;
use crate::{ContainerError, ContainerLaunch, Image, LABEL, RUN_LABEL, mark};

/// An image that was asked for, and what came of it.
type Asked = Arc<OnceCell<Result<String, ContainerError>>>;

/// Starts the containers of one run.
pub struct Engine {
    pub(crate) docker: Docker,
    run: String,
    pub(crate) launcher: Launcher,
    network: String,
    started: AtomicU64,
    forwarder: OnceCell<Result<(String, String), String>>,
    images: Mutex<HashMap<Image, Asked>>,
}

impl Engine {
    /// Asks the engine whether it is there, and makes the run's network. The launcher's watcher clears away what this leaves.
    ///
    /// # Errors
    /// [`ContainerError::NoEngine`], [`ContainerError::Network`].
    pub async fn connect(launcher: &Launcher) -> Result<Engine, ContainerError> {
        let none = |error: &dyn std::error::Error| ContainerError::NoEngine(reason(error));
        let docker = docker_client_instance().await.map_err(|error| none(&error))?;
        docker.ping().await.map_err(|error| none(&error))?;
        let (_, run) = launcher.marker();
        launcher.watch_containers(&mark(run));
        let network = format!("spanwise-{run}");
        let request = NetworkCreateRequest {
            name: network.clone(),
            labels: Some(labels(run)),
            ..NetworkCreateRequest::default()
        };
        let made = launcher.make(&network, docker.create_network(request)).await;
        made.map_err(|error| ContainerError::Network(reason(&error)))?;
        Ok(Engine {
            docker,
            run: run.to_owned(),
            launcher: launcher.clone(),
            network,
            started: AtomicU64::new(1),
            forwarder: OnceCell::new(),
            images: Mutex::default(),
        })
    }

    /// Starts a container and waits until its service is ready. If it does not get ready it is removed, and the error holds the
    /// last lines it wrote.
    ///
    /// # Errors
    /// Every [`ContainerError`] but those of [`Engine::connect`].
    pub async fn start(&self, launch: ContainerLaunch) -> Result<Container, ContainerError> {
        let image = self.image(&launch.image, launch.image_within).await?;
        Container::start(self, &image, launch).await
    }

    /// Sees to it that an image is there, and gives its name: every image is asked for once a run, and the time of who came first
    /// counts.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn image(&self, image: &Image, within: Duration) -> Result<String, ContainerError> {
        let cell = Arc::clone(self.images.lock().await.entry(image.clone()).or_default());
        let prepare = async || {
            let prepared = tokio::time::timeout(within, image.prepare(&self.docker, &self.launcher)).await;
            prepared
                .unwrap_or_else(|_| Err(ContainerError::ImageNotThere { image: image.to_string(), within }))
        };
        cell.get_or_init(prepare).await.clone()
    }

    /// The image of the forwarder, name and tag.
    pub(crate) async fn forwarder(&self) -> Result<(String, String), String> {
        self.forwarder.get_or_init(|| forwarder::image(self.launcher.folder())).await.clone()
    }

    /// A name for a container, which no other has.
    pub(crate) fn container_name(&self, words: &str) -> String {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        format!("{}-{number}-{}", self.network, words.chars().map(plain).collect::<String>())
    }

    pub(crate) fn network(&self) -> &str {
        &self.network
    }

    /// What every container of the run is marked with.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        labels(&self.run)
    }
}

fn labels(run: &str) -> HashMap<String, String> {
    HashMap::from([(LABEL.to_owned(), String::new()), (RUN_LABEL.to_owned(), run.to_owned())])
}
