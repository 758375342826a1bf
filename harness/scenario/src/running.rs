//! Services that run already, key `url`: the run can neither say what is in their environment nor end them, and every setting meets
//! the same one.

use std::collections::HashMap;

use crate::axes::{Axis, on_cloud_run};
use crate::collector::FixedSender;
use crate::error::{File, SuiteError};
use crate::format::{ReadyFile, ServiceFile, SuiteFile};
use crate::launch::Launch;
use crate::spanned::Spanned;
use crate::yaml::{AxisNode, Described};

/// Reads where such a service is.
pub(crate) fn launch(
    file: File<'_>,
    url: &Spanned<String>,
    service_name: Option<&Spanned<String>>,
) -> Result<Launch, SuiteError> {
    let error = |message: &str| file.error(url.referenced, format!("`{}` {message}", url.value));
    if url.value.starts_with("https://") {
        let help =
            "TLS ends at the front before the service, as on Cloud Run: write where it serves plaintext";
        return Err(error("is behind TLS").with_help(help));
    }
    let address = url.value.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let is_address = |address: &&str| {
        let parts = address.rsplit_once(':');
        let fits = |host: &str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        parts.is_some_and(|(host, port)| fits(host) && port.parse::<u16>().is_ok_and(|port| port != 0))
    };
    let Some(address) = address.filter(is_address) else {
        return Err(error("is no URL of the form `http://HOST:PORT`"));
    };
    if let Some(empty) = service_name.filter(|name| name.value.is_empty()) {
        return Err(file.error(empty.referenced, "the `service.name` is empty"));
    }
    Ok(Launch::Running { address: address.to_owned() })
}

/// Refuses what is about the start, the end or the output of a service that runs already.
pub(crate) fn refuse_what_starts(file: File<'_>, service: &ServiceFile) -> Result<(), SuiteError> {
    let asks_for_a_line = |ready: &&Spanned<Described<ReadyFile>>| match &ready.value {
        Described::Text(word) => word == "line",
        Described::Mapping(asked) => asked.line.is_some(),
    };
    let keys = [
        ("env", service.env.iter().next().map(|(name, _)| name.referenced), "it has its environment already"),
        (
            "java-trust-store",
            service.java_trust_store.as_ref().map(|written| written.referenced),
            "it has its environment already",
        ),
        ("build", service.build.as_ref().map(|written| written.referenced), "it is not started"),
        ("folder", service.folder.as_ref().map(|written| written.referenced), "it is not started"),
        (
            "flushes-on-sigterm",
            service.flushes_on_sigterm.as_ref().map(|written| written.referenced),
            "it is not ended",
        ),
        (
            "ready",
            service.ready.as_ref().filter(asks_for_a_line).map(|written| written.referenced),
            "nobody reads its output",
        ),
        (
            "collector",
            service.collector.as_ref().map(|written| written.referenced),
            "it exports to the suite's `collector`, which all services share that run already",
        ),
    ];
    match keys.into_iter().find_map(|(key, place, why)| Some((key, place?, why))) {
        None => Ok(()),
        Some((key, place, why)) => {
            Err(file.error(place, format!("`{key}` cannot be had of a service that runs already: {why}")))
        }
    }
}

/// The services that run already and export. One that is alone sends all that comes, whatever it calls itself, unless the suite
/// says what that is; several are told apart by their names.
pub(crate) fn senders(suite: &SuiteFile) -> Vec<FixedSender> {
    let sends = |one: &ServiceFile| one.url.is_some() && !one.external;
    let sending: Vec<_> = suite.services.iter().filter(|(_, one)| sends(one)).collect();
    let sender = |(name, one): &(&Spanned<String>, &ServiceFile)| {
        let own_name = (sending.len() > 1).then_some(*name);
        let said = one.service_name.as_ref().or(own_name);
        FixedSender { service: name.value.clone(), service_name: said.map(|said| said.value.clone()) }
    };
    sending.iter().map(sender).collect()
}

/// Checks a suite that has such services: their collector, their names in telemetry, and that no axis asks for another
/// environment.
pub(crate) fn check(file: File<'_>, suite: &SuiteFile, axes: &[Axis]) -> Result<(), SuiteError> {
    let running = || suite.services.iter().filter_map(|(name, one)| Some((name, one, one.url.as_ref()?)));
    let Some((first, ..)) = running().next() else {
        return match &suite.collector {
            None => Ok(()),
            Some(collector) => {
                let message = "no service has a `url`, so nothing exports here: one that is started gets a collector of its own";
                Err(file.error(collector.referenced, message))
            }
        };
    };
    if let Some((name, _, url)) = running().find(|(_, one, _)| !one.external)
        && suite.collector.is_none()
    {
        let message = format!("where `{}` exports to is not said", name.value);
        let help = "add `collector: { otlp-grpc: 127.0.0.1:4317 }` to the suite, with the addresses that the services by `url` \
                    export to, or `external: true` to one of which no spans are expected";
        return Err(file.error(url.referenced, message).with_help(help));
    }
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (name, one, _) in running() {
        let said = one.service_name.as_ref().unwrap_or(name);
        if let Some(other) = names.insert(&said.value, &name.value) {
            let message = format!("the spans of `{other}` have the `service.name` {:?}, too", said.value);
            return Err(file.error(said.referenced, message));
        }
    }
    let needs_another = |name: &str, node: &AxisNode| match (name, node) {
        ("env", _) => true,
        ("export" | "propagation" | "platform", AxisNode::Values(values)) => values.len() > 1,
        _ => false,
    };
    let axis = suite.axes.iter().find(|(name, node)| needs_another(&name.value, node)).map(|(name, _)| name);
    let platform = || suite.axes.iter().map(|(name, _)| name).find(|name| name.value == "platform");
    match axis.or_else(|| platform().filter(|_| on_cloud_run(axes))) {
        None => Ok(()),
        Some(axis) => {
            let message = format!(
                "axis `{}` needs services that the run starts, and `{}` runs already, with one environment",
                axis.value, first.value
            );
            let help = match axis.value.as_str() {
                "export" | "propagation" => "list the one value for which the service is configured",
                _ => "take the axis out, or start the service by `command`",
            };
            Err(file.error(axis.referenced, message).with_help(help))
        }
    }
}
