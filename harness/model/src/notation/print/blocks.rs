//! The blocks `logs:`, `export:`, `process:`, `settings:` and `defects:`.

use crate::notation::front_end::print_front_end;
use crate::notation::text::quote;
use crate::{
    Defect, DefectKind, Evidence, Export, ExportAnswer, LimitProfile, LogRecord, Observation, Platform,
    ProcessEvent, ProcessEventKind, Refusal, Sampling, ServiceFacts, ServiceProtocol, SpanId, Stream,
    TraceId,
};

use super::names::Names;
use super::span::print_source;
use super::wire::header_name;

pub(super) fn print_log(record: &LogRecord, names: &Names) -> String {
    let stream = match record.stream {
        Stream::Stdout => "",
        Stream::Stderr => " stderr",
    };
    format!("  {}{stream}: {}", print_source(&record.source), names.line(&record.line))
}

/// `spans` is how many spans say that the request carried them.
pub(super) fn print_export(export: &Export, spans: u32, names: &Names) -> String {
    let mut parts = vec![
        export.source.as_ref().map_or("?".to_owned(), print_source),
        export.protocol.as_str().to_owned(),
    ];
    if let ExportAnswer::Refused(refusal) = &export.answer {
        parts.push(format!("refused {}", print_refusal(refusal)));
    }
    parts.extend(
        export.would_be_refused.as_ref().map(|why| format!("would-be-refused {}", print_refusal(why))),
    );
    if export.spans != spans {
        parts.push(format!("spans={}", export.spans));
    }
    if !export.carries.is_empty() {
        let span =
            |(trace, span): &(TraceId, SpanId)| format!("{}/{}", names.trace(*trace), names.span(*span));
        parts.push(format!("carries={}", export.carries.iter().map(span).collect::<Vec<_>>().join(",")));
    }
    if export.bytes != 1000 {
        parts.push(format!("bytes={}", export.bytes));
    }
    parts.extend(export.project.as_ref().map(|project| format!("project={}", quote(project))));
    parts.extend(export.google.then(|| "google".to_owned()));
    let headers = export.headers.iter();
    parts.extend(
        headers.map(|header| format!("{}: {}", header_name(&header.name), names.header_value(&header.value))),
    );
    format!("  {}", parts.join(" "))
}

fn print_refusal(refusal: &Refusal) -> String {
    match refusal.message.as_str() {
        "" => refusal.code.clone(),
        message => format!("{} {}", refusal.code, quote(message)),
    }
}

pub(super) fn print_process(event: &ProcessEvent) -> String {
    let what = match event.kind {
        ProcessEventKind::Spawned => "spawned".to_owned(),
        ProcessEventKind::Ready => "ready".to_owned(),
        ProcessEventKind::Listening { address, on_port: true } => format!("listening {address}"),
        ProcessEventKind::Listening { address, on_port: false } => {
            format!("listening {address} other-port")
        }
        ProcessEventKind::Frozen => "frozen".to_owned(),
        ProcessEventKind::Thawed => "thawed".to_owned(),
        ProcessEventKind::Terminated => "terminated".to_owned(),
        ProcessEventKind::Killed => "killed".to_owned(),
        ProcessEventKind::Exited { code: Some(code), .. } => format!("exited {code}"),
        ProcessEventKind::Exited { code: None, signal: Some(signal) } => format!("exited signal {signal}"),
        ProcessEventKind::Exited { code: None, signal: None } => "exited".to_owned(),
    };
    format!("  {} {what}", print_source(&event.source))
}

pub(super) fn print_settings(observation: &Observation, capture: bool) -> Vec<String> {
    let settings = &observation.settings;
    let mut lines = Vec::new();
    lines.extend(settings.project.as_ref().map(|project| format!("  project={}", quote(project))));
    lines.extend(settings.sampling.map(|Sampling::ParentBased| "  sampling=parent-based".to_owned()));
    if settings.platform == Platform::CloudRun {
        lines.push("  platform=cloud-run".to_owned());
    }
    lines.extend(print_front_end(&settings.front_end));
    if settings.limits == LimitProfile::V2Proto {
        lines.push("  limits=v2-proto".to_owned());
    }
    for (word, values) in [
        ("required-label", &settings.required_labels),
        ("varying-label", &settings.varying_labels),
        ("external-host", &settings.external_hosts),
    ] {
        lines.extend(values.iter().map(|value| format!("  {word}={}", quote(value))));
    }
    for (axis, value) in &settings.axes {
        lines.push(format!("  axis {}={}", header_name(axis), quote(value)));
    }
    lines.extend(settings.services.iter().map(print_service));
    let unrecorded = |evidence| !observation.recorded.contains(&evidence);
    let words = [
        (settings.deadline_passed, "deadline-passed"),
        (capture, "capture"),
        ((settings.begun, settings.ended) != (0, 0), "timed"),
        (unrecorded(Evidence::Spans), "no-spans"),
        (unrecorded(Evidence::Resource), "no-resource"),
    ];
    lines.extend(words.into_iter().filter(|(is, _)| *is).map(|(_, word)| format!("  {word}")));
    lines
}

fn print_service(facts: &ServiceFacts) -> String {
    let mut line = format!("  service {}", print_source(&crate::Source::new(&facts.name, 1)));
    line.push_str(match facts.protocol {
        ServiceProtocol::Http => " http",
        ServiceProtocol::Grpc => " grpc",
    });
    if !facts.propagation.is_empty() {
        let formats: Vec<&str> = facts.propagation.iter().map(|format| format.as_str()).collect();
        line.push_str(&format!(" propagation={}", formats.join(",")));
    }
    for (is, word) in [
        (facts.baggage, " baggage"),
        (facts.flushes_on_sigterm, " flushes-on-sigterm"),
        (facts.declares_route, " declares-route"),
        (facts.auth_required, " private"),
        (facts.external, " external"),
    ] {
        line.push_str(if is { word } else { "" });
    }
    for path in &facts.untraced {
        line.push_str(&format!(" untraced={}", quote(path)));
    }
    for audience in &facts.audiences {
        line.push_str(&format!(" audience={}", quote(audience)));
    }
    line
}

pub(super) fn print_defect(defect: &Defect, names: &Names) -> String {
    let kind = match defect.kind {
        DefectKind::Payload => "payload",
        DefectKind::Span => "span",
        DefectKind::Field => "field",
        DefectKind::Cut => "cut",
    };
    let mut parts = vec![kind.to_owned(), defect.source.as_ref().map_or("?".to_owned(), print_source)];
    parts.extend(defect.export.map(|export| format!("export={}", export + 1)));
    match (defect.trace_id, defect.span_id) {
        (Some(trace), Some(span)) => parts.push(format!("at={}/{}", names.trace(trace), names.span(span))),
        (Some(trace), None) => parts.push(format!("trace={}", names.trace(trace))),
        (None, Some(span)) => parts.push(format!("span={}", names.span(span))),
        (None, None) => {}
    }
    if !defect.place.is_empty() {
        parts.push(format!("place={}", quote(&defect.place)));
    }
    if !defect.detail.is_empty() {
        parts.push(quote(&defect.detail));
    }
    format!("  {}", parts.join(" "))
}
