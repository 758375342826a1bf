//! The images that services are started from: one by its name, or one that is built from a Dockerfile.
//!
//! Images are built by the program `docker`, as their owner builds them: it reads `.dockerignore`, knows the caches, the mounts
//! and the secrets that a Dockerfile may use, and sends no more of a folder than is asked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use spanwise_drive::{DriveError, Launcher};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::query_parameters::RemoveImageOptions;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerRequest, GenericImage};

use crate::error::reason;
use crate::{ContainerError, LABEL};

/// What a container is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Image {
    /// An image by its name, with or without a tag; it is pulled where it is not on the machine.
    Named(String),
    /// One that is built, once a run.
    Built(Build),
}

/// How an image is built.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The folder that its `COPY` reads.
    pub context: PathBuf,
    /// Values for its `ARG`s.
    pub args: Vec<(String, String)>,
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Image::Named(name) => write!(f, "the image {name}"),
            Image::Built(build) => write!(f, "the image of {}", build.dockerfile.display()),
        }
    }
}

impl Image {
    /// Sees to it that the image is there, and gives the name by which containers are made of it.
    pub(crate) async fn prepare(
        &self,
        docker: &Docker,
        launcher: &Launcher,
    ) -> Result<String, ContainerError> {
        match self {
            Image::Named(name) => named(docker, name).await,
            Image::Built(build) => build.run(docker, launcher).await,
        }
    }
}

/// The image as the library pulls it. The library wants the name in two parts; of an image that is named by its digest, the
/// colon stands within that.
fn request(image: &str) -> ContainerRequest<GenericImage> {
    let (name, tag) = split(image);
    GenericImage::new(name, tag).into()
}

fn split(image: &str) -> (&str, &str) {
    // A colon before the last slash belongs to the port of a registry.
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

async fn named(docker: &Docker, name: &str) -> Result<String, ContainerError> {
    let failed = |reason| ContainerError::Pull { image: name.to_owned(), reason };
    match docker.inspect_image(name).await {
        Ok(_) => {}
        Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {
            let pulled = request(name).pull_image().await;
            pulled.map(drop).map_err(|error| failed(reason(&error)))?;
        }
        Err(error) => return Err(failed(reason(&error))),
    }
    Ok(name.to_owned())
}

impl Build {
    /// Builds the image and gives its id. It is kept as the next build's cache, under a name of its Dockerfile's own; the one that
    /// had this name before is removed, unless somebody uses it.
    async fn run(&self, docker: &Docker, launcher: &Launcher) -> Result<String, ContainerError> {
        let tag = self.tag();
        let before = docker.inspect_image(&tag).await.ok().and_then(|image| image.id);
        let id_file = launcher.folder().join(format!("image-{}", tag.rsplit('-').next().unwrap_or_default()));
        let build = spanwise_drive::Build { words: self.words(&tag, &id_file), folder: None };
        let dockerfile = self.dockerfile.display().to_string();
        let failed = |output| ContainerError::Build { dockerfile: dockerfile.clone(), output };
        // How long it may take, whoever asked for the image knows; dropping it kills what was started.
        match launcher.build("the image", &build, Duration::MAX).await {
            Ok(()) => {}
            Err(DriveError::Build { output, .. }) => {
                let lines = output.lines().filter(|line| !line.trim().is_empty());
                return Err(failed(lines.map(|line| format!("\n{line}")).collect()));
            }
            Err(error) => return Err(ContainerError::NoBuilder(error.to_string())),
        }
        let id = tokio::fs::read_to_string(&id_file).await;
        let id = id.map_err(|error| failed(format!("\n  the id of the image: {error}")))?.trim().to_owned();
        if let Some(before) = before.filter(|before| *before != id) {
            let _ = docker.remove_image(&before, None::<RemoveImageOptions>, None).await;
        }
        Ok(id)
    }

    /// What is run.
    fn words(&self, tag: &str, id_file: &Path) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let words = ["docker", "build", "--file", &path(&self.dockerfile), "--tag", tag, "--label", LABEL];
        let mut words = words.map(str::to_owned).to_vec();
        words.extend(["--force-rm".to_owned(), "--iidfile".to_owned(), path(id_file)]);
        let args = self.args.iter().map(|(name, value)| format!("{name}={value}"));
        words.extend(args.flat_map(|arg| ["--build-arg".to_owned(), arg]));
        words.push(path(&self.context));
        words
    }

    /// The same for the same Dockerfile in every run, by whatever way it is named.
    fn tag(&self) -> String {
        let place =
            |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
        let digest =
            Sha256::digest(format!("{}\n{}\n{:?}", place(&self.dockerfile), place(&self.context), self.args));
        let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("spanwise/built-{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_are_split() {
        let check = |image: &str, expected: (&str, &str)| assert_eq!(split(image), expected, "{image}");
        check("shop", ("shop", "latest"));
        check("shop:1.2", ("shop", "1.2"));
        check("registry.example:5000/team/shop", ("registry.example:5000/team/shop", "latest"));
        check("registry.example:5000/team/shop:1.2", ("registry.example:5000/team/shop", "1.2"));
        check("shop@sha256:0a1b", ("shop@sha256", "0a1b"));
        check("sha256:0a1b", ("sha256", "0a1b"));
    }
}
