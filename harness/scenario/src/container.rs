//! A service that runs in a container: the keys `image`, and `dockerfile` with `context` and `build-args`; `command` and
//! `container-port` beside them.

use std::path::PathBuf;

use crate::error::{File, SuiteError};
use crate::format::ServiceFile;
use crate::launch::beside;
use crate::names::Names;
use crate::spanned::Spanned;
use crate::template::Template;
use crate::yaml::AsText as _;

/// The port that services in containers are told to listen at where the suite says no other: that of Cloud Run.
const DEFAULT_PORT: u16 = 8080;

/// The port at which Google's names are called.
const HTTPS: u16 = 443;

/// A service in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// What it is made of.
    pub image: Image,
    /// What takes the place of the image's `CMD`; empty where that stays.
    pub args: Vec<Template>,
    /// The port at which the service listens in it, and which `PORT` says.
    pub port: u16,
}

/// What a container is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// An image by its name, such as `registry.example/shop:1.2`.
    Named(String),
    /// One that is built.
    Built {
        /// The Dockerfile, from where the suite file's name begins.
        dockerfile: PathBuf,
        /// The folder that it copies from; that of the Dockerfile, where the suite names none.
        context: PathBuf,
        /// Values for its `ARG`s.
        args: Vec<(String, String)>,
    },
}

/// Reads how a service runs in a container, if it is to.
pub(crate) fn container(service: &ServiceFile, names: &Names<'_>) -> Result<Option<Container>, SuiteError> {
    let file = names.file;
    let image = match (&service.image, &service.dockerfile) {
        (None, None) => return no_container(file, service),
        (Some(_), Some(dockerfile)) => {
            let message =
                "an image that is built needs no other: a service has one of `image` and `dockerfile`";
            return Err(file.error(dockerfile.referenced, message));
        }
        (Some(image), None) => {
            only_built(file, service)?;
            if image.value.is_empty() || image.value.contains(char::is_whitespace) {
                return Err(file.error(image.referenced, format!("{:?} is no name of an image", image.value)));
            }
            Image::Named(image.value.clone())
        }
        (None, Some(dockerfile)) => built(service, dockerfile, names)?,
    };
    let words = service.command.as_ref().map_or(&[][..], |command| &command.value);
    let args = words.iter().map(|word| names.template(word)).collect::<Result<_, _>>()?;
    let port = match &service.container_port {
        None => DEFAULT_PORT,
        Some(port) if port.value == 0 => {
            return Err(
                file.error(port.referenced, "a service in a container cannot choose its port: say a number")
            );
        }
        Some(port) if port.value == HTTPS => {
            let message = "443 is where Google's names listen in a container's network";
            let help = "let it listen at another port, in plaintext: TLS ends at the front before it, as on Cloud Run";
            return Err(file.error(port.referenced, message).with_help(help));
        }
        Some(port) => port.value,
    };
    Ok(Some(Container { image, args, port }))
}

/// Paths are relative to the folder of the suite file, as everything is that it names.
fn built(
    service: &ServiceFile,
    dockerfile: &Spanned<String>,
    names: &Names<'_>,
) -> Result<Image, SuiteError> {
    let file = names.file;
    let beside = beside(file);
    let path = |written: &Spanned<String>, what: &str| match written.value.is_empty() {
        true => Err(file.error(written.referenced, format!("{what} has no name"))),
        false => Ok(beside.join(&written.value)),
    };
    let dockerfile = path(dockerfile, "the Dockerfile")?;
    let folder = dockerfile.parent().unwrap_or(beside).to_owned();
    let context = service.context.as_ref().map_or(Ok(folder), |written| path(written, "the folder"))?;
    let arg = |(name, value): (&Spanned<String>, &Spanned<crate::yaml::Scalar>)| {
        crate::service::variable_name(file, name)?;
        Ok((name.value.clone(), names.text(&value.written(file))?))
    };
    let args = service.build_args.iter().map(arg).collect::<Result<_, SuiteError>>()?;
    Ok(Image::Built { dockerfile, context, args })
}

fn no_container(file: File<'_>, service: &ServiceFile) -> Result<Option<Container>, SuiteError> {
    only_built(file, service)?;
    match &service.container_port {
        None => Ok(None),
        Some(port) => {
            let message =
                "`container-port` is for services with `image` or `dockerfile`; others find theirs in PORT";
            Err(file.error(port.referenced, message))
        }
    }
}

/// Refuses what says how an image is built, where none is.
fn only_built(file: File<'_>, service: &ServiceFile) -> Result<(), SuiteError> {
    let context = service.context.as_ref().map(|written| ("context", written.referenced));
    let args = service.build_args.iter().next().map(|(name, _)| ("build-args", name.referenced));
    match context.or(args) {
        None => Ok(()),
        Some((key, place)) => Err(file.error(place, format!("`{key}` is for services with `dockerfile`"))),
    }
}
