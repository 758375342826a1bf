//! Runs the command that a case has in place of a request: what it finds in its environment, and what is made of its end.

use std::path::PathBuf;
use std::time::Duration;

use spanwise_drive::{Ended, Launch};
use spanwise_model::{Source, TraceContext, TraceId};
use spanwise_scenario::{Channel, Permutation, Reference, Template};

use super::context::SentContext;
use super::fleet::chain;
use super::instances::{Instances, from_driver};
use super::world::World;

/// A command as the plan has it, values of answers filled in.
pub(super) struct Command<'c> {
    pub(super) run: &'c Template,
    pub(super) env: &'c [(String, Template)],
    pub(super) folder: &'c PathBuf,
    pub(super) deadline: Option<Duration>,
}

/// Runs a command to its end or its deadline. An error means that it could not be started.
pub(super) async fn run(
    world: &World,
    instances: &Instances,
    permutation: &Permutation,
    command: Command<'_>,
    context: &SentContext,
) -> Result<Ended, String> {
    let value = |reference: &Reference| match reference {
        Reference::ServiceUrl(name) => {
            let hop = from_driver(name, permutation.channel_in, permutation.caller);
            instances.entry_url(&hop).ok_or_else(|| format!("no front before {name}"))
        }
        Reference::CaFile => Ok(world.ca_file().display().to_string()),
        Reference::CaPkcs12 => Ok(world.ca_pkcs12().display().to_string()),
        Reference::UntrustedUrl => Ok(world.untrusted_url()),
        Reference::RefusedUrl => Ok(world.refused_url(permutation.channel_in == Channel::Secure)),
        Reference::Port | Reference::Collector(_) | Reference::MetadataHost => {
            Err(format!("a command has no {reference}"))
        }
    };
    let mut launch = Launch::new(Source::driver(), "sh");
    launch.args = vec!["-c".to_owned(), command.run.fill(value)?];
    launch.env = environment(world, permutation, context);
    launch.env.extend(tokens(instances, permutation));
    for (name, template) in command.env {
        launch.env.push((name.clone(), template.fill(value)?));
    }
    launch.folder = Some(command.folder.clone()).filter(|folder| !folder.as_os_str().is_empty());
    let within = command.deadline.unwrap_or(world.options.answer_within);
    world.launcher.run(&launch, within).await.map_err(|error| chain(&error))
}

/// The trace context as the specification of environment variables has it (OpenTelemetry, "Environment Variables as Context
/// Propagation Carriers": the header in upper case), the authority of the run, and no exporter: what a command exports nobody
/// looks at.
fn environment(world: &World, permutation: &Permutation, context: &SentContext) -> Vec<(String, String)> {
    let words = permutation.context.formats.iter().map(|format| format.as_str()).chain(["baggage"]);
    let mut environment = vec![
        ("SSL_CERT_FILE".to_owned(), world.ca_file().display().to_string()),
        ("OTEL_PROPAGATORS".to_owned(), words.collect::<Vec<_>>().join(",")),
        ("OTEL_TRACES_EXPORTER".to_owned(), "none".to_owned()),
    ];
    environment.extend(context.headers.iter().map(|(name, value)| (variable(name), value.clone())));
    environment
}

/// The driver's ID token for each private service that the command may call: as ID_TOKEN_API_SERVICE for `api-service`.
fn tokens(instances: &Instances, permutation: &Permutation) -> Vec<(String, String)> {
    let private = permutation.settings.services.iter().filter(|facts| facts.auth_required);
    let token = |name: &str| {
        let hop = from_driver(name, permutation.channel_in, permutation.caller);
        let token = instances.driver_token(&instances.entry_url(&hop)?)?;
        Some((variable(&format!("id-token-{name}")), token))
    };
    private.filter_map(|facts| token(&facts.name)).collect()
}

/// `traceparent` as TRACEPARENT, `x-cloud-trace-context` as X_CLOUD_TRACE_CONTEXT.
fn variable(header: &str) -> String {
    header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The context that the command's first call carried, where it was of the driver's trace: the program may have made a span of its
/// own, and may as well have dropped what it was given.
pub(super) fn carried(instances: &Instances, trace: TraceId) -> Option<TraceContext> {
    let taps = instances.taps().taps_of_trace(trace);
    let first = taps.iter().filter(|tap| tap.from.as_ref().is_some_and(|from| from.is_driver()));
    first.filter_map(|tap| tap.contexts().find(|context| context.trace_id == trace)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_their_names_as_variables() {
        let check = |header: &str, expected: &str| assert_eq!(variable(header), expected);
        check("traceparent", "TRACEPARENT");
        check("x-cloud-trace-context", "X_CLOUD_TRACE_CONTEXT");
        check("id-token-api-service", "ID_TOKEN_API_SERVICE");
    }
}
