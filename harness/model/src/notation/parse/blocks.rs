//! The blocks `logs:`, `export:`, `process:`, `settings:` and `defects:`.

use crate::notation::error::NotationError;
use crate::notation::front_end::read_front_end;
use crate::notation::line::{Item, Line};
use crate::{
    ContextFormat, Defect, DefectKind, Evidence, Export, ExportAnswer, Header, LimitProfile, LogRecord,
    Observation, Platform, ProcessEvent, ProcessEventKind, Refusal, Sampling, ServiceFacts, ServiceProtocol,
    Source, Stream,
};

use super::names::Names;
use super::wire::read_header_value;
use super::words::{names_of, number, read_position, read_protocol, read_source};

/// Reads `api-service: line` or `api-service stderr: line`.
pub(super) fn read_log(line: &mut Line<'_>, names: &mut Names) -> Result<LogRecord, NotationError> {
    line.place();
    let source = known(line)?;
    line.place();
    let stream = if line.take("stderr") { Stream::Stderr } else { Stream::Stdout };
    if !line.take(":") {
        return Err(line.expected("`:` or `stderr:`, and the line"));
    }
    line.take(" ");
    let place = line.clone().place();
    let text = if line.rest().starts_with('"') {
        let raw = line.quoted_raw()?;
        if !line.is_done() {
            return Err(line.expected("the end of the line"));
        }
        names.fill(&raw, true, place)?
    } else {
        let rest = line.rest();
        line.take(rest);
        names.fill(rest, false, place)?
    };
    Ok(LogRecord { source, stream, time: 0, line: text })
}

/// Reads `api-service otlp-grpc …`.
pub(super) fn read_export(line: &mut Line<'_>, names: &mut Names) -> Result<(Export, bool), NotationError> {
    line.place();
    let source = read_source(line)?;
    let place = line.place();
    let protocol = read_protocol(&line.word(), place)?;
    let mut export = Export {
        source,
        protocol,
        time: 0,
        headers: Vec::new(),
        bytes: 1000,
        spans: 0,
        carries: Vec::new(),
        project: None,
        google: false,
        answer: ExportAnswer::Accepted,
        would_be_refused: None,
    };
    let mut counted = false;
    loop {
        let place = line.place();
        match line.item()? {
            None => return Ok((export, counted)),
            Some(Item::Word(word)) if word == "refused" => {
                export.answer = ExportAnswer::Refused(refusal(line)?);
            }
            Some(Item::Word(word)) if word == "google" => export.google = true,
            Some(Item::Word(word)) if word == "would-be-refused" => {
                export.would_be_refused = Some(refusal(line)?);
            }
            Some(Item::Key(key, _)) if key == "spans" => {
                export.spans = number(line)?;
                counted = true;
            }
            Some(Item::Key(key, _)) if key == "bytes" => export.bytes = number(line)?,
            Some(Item::Key(key, _)) if key == "carries" => {
                let place = line.place();
                for span in line.word().split(',') {
                    export.carries.push(names_of(span, place, names)?);
                }
            }
            Some(Item::Key(key, _)) if key == "project" => export.project = Some(line.quoted()?),
            Some(Item::Header(name)) => {
                export.headers.push(Header { name, value: read_header_value(line, names)? });
            }
            Some(_) => {
                let expected = "`refused CODE \"message\"`, `would-be-refused CODE \"message\"`, `spans=`, `bytes=`, \
                                `carries=`, `project=`, `google` or a header `name: value`";
                return Err(place.expected(expected, ""));
            }
        }
    }
}

fn refusal(line: &mut Line<'_>) -> Result<Refusal, NotationError> {
    line.place();
    let code = line.word();
    if code.is_empty() {
        return Err(line.expected("a code such as RESOURCE_EXHAUSTED"));
    }
    let mut ahead = line.clone();
    let message = match ahead.item() {
        Ok(Some(Item::Text(text))) => {
            *line = ahead;
            text
        }
        _ => String::new(),
    };
    Ok(Refusal { code, message })
}

/// Reads `api-service spawned`, `api-service listening 0.0.0.0:8080`, `api-service exited 1`,
/// `api-service exited signal 9`.
pub(super) fn read_process(line: &mut Line<'_>) -> Result<ProcessEvent, NotationError> {
    line.place();
    let source = known(line)?;
    let place = line.place();
    let word = line.word();
    let kind = match word.as_str() {
        "spawned" => ProcessEventKind::Spawned,
        "ready" => ProcessEventKind::Ready,
        "listening" => read_listening(line)?,
        "frozen" => ProcessEventKind::Frozen,
        "thawed" => ProcessEventKind::Thawed,
        "terminated" => ProcessEventKind::Terminated,
        "killed" => ProcessEventKind::Killed,
        "exited" if line.is_done() => ProcessEventKind::Exited { code: None, signal: None },
        "exited" => {
            line.place();
            match line.take("signal") {
                true => ProcessEventKind::Exited { code: None, signal: Some(number(line)?) },
                false => ProcessEventKind::Exited { code: Some(number(line)?), signal: None },
            }
        }
        _ => return Err(place.expected(PROCESS, &word)),
    };
    Ok(ProcessEvent { source, time: 0, kind })
}

const PROCESS: &str =
    "`spawned`, `ready`, `listening ADDRESS`, `frozen`, `thawed`, `terminated`, `killed` or `exited`";

/// Reads `0.0.0.0:8080`, with `other-port` behind it where `PORT` told another.
fn read_listening(line: &mut Line<'_>) -> Result<ProcessEventKind, NotationError> {
    let place = line.place();
    let word = line.word();
    let address =
        word.parse().map_err(|_| place.expected("an address: `0.0.0.0:8080`, `[::]:8080`", &word))?;
    line.place();
    Ok(ProcessEventKind::Listening { address, on_port: !line.take("other-port") })
}

/// What the block `settings:` says beside [`crate::Settings`].
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) capture: bool,
    pub(super) timed: bool,
    pub(super) unrecorded: Vec<Evidence>,
}

/// Reads one line of the block `settings:`.
pub(super) fn read_settings(
    line: &mut Line<'_>,
    observation: &mut Observation,
    extra: &mut Extra,
) -> Result<(), NotationError> {
    let settings = &mut observation.settings;
    while !line.is_done() {
        let place = line.place();
        match line.item()? {
            Some(Item::Word(word)) => match word.as_str() {
                "capture" => extra.capture = true,
                "timed" => extra.timed = true,
                "deadline-passed" => settings.deadline_passed = true,
                "no-spans" => extra.unrecorded.push(Evidence::Spans),
                "no-resource" => extra.unrecorded.push(Evidence::Resource),
                "service" => settings.services.push(read_service(line)?),
                "front-end" => settings.front_end = read_front_end(line)?,
                "axis" => match (line.item()?, line.rest()) {
                    (Some(Item::Key(axis, _)), _) => settings.axes.push((axis, line.quoted()?)),
                    _ => return Err(line.expected("an axis: `axis entry=\"http\"`")),
                },
                _ => return Err(place.expected(SETTINGS, &word)),
            },
            Some(Item::Key(key, _)) => match key.as_str() {
                "project" => settings.project = Some(line.quoted()?),
                "sampling" if line.take("parent-based") => settings.sampling = Some(Sampling::ParentBased),
                "platform" if line.take("cloud-run") => settings.platform = Platform::CloudRun,
                "platform" if line.take("plain") => settings.platform = Platform::Plain,
                "limits" if line.take("v2-proto") => settings.limits = LimitProfile::V2Proto,
                "required-label" => settings.required_labels.push(line.quoted()?),
                "varying-label" => settings.varying_labels.push(line.quoted()?),
                "external-host" => settings.external_hosts.push(line.quoted()?),
                _ => return Err(place.expected(SETTINGS, &key)),
            },
            _ => return Err(place.expected(SETTINGS, "")),
        }
    }
    Ok(())
}

const SETTINGS: &str = "`project=\"…\"`, `sampling=parent-based`, `platform=cloud-run`, `limits=v2-proto`, \
                        `required-label=\"…\"`, `varying-label=\"…\"`, `external-host=\"…\"`, `axis NAME=\"…\"`, \
                        `service NAME …`, `front-end …`, `deadline-passed`, `capture`, `timed`, `no-spans` or `no-resource`";

/// Reads `api-service http propagation=gcp_trace,tracecontext baggage …` up to the end of the line.
fn read_service(line: &mut Line<'_>) -> Result<ServiceFacts, NotationError> {
    line.place();
    let name = known(line)?.service.to_string();
    let mut facts = ServiceFacts {
        name,
        protocol: ServiceProtocol::Http,
        propagation: Vec::new(),
        baggage: false,
        flushes_on_sigterm: false,
        untraced: Vec::new(),
        declares_route: false,
        auth_required: false,
        audiences: Vec::new(),
        external: false,
    };
    loop {
        let place = line.place();
        match line.item()? {
            None => return Ok(facts),
            Some(Item::Word(word)) => match word.as_str() {
                "http" => facts.protocol = ServiceProtocol::Http,
                "grpc" => facts.protocol = ServiceProtocol::Grpc,
                "baggage" => facts.baggage = true,
                "flushes-on-sigterm" => facts.flushes_on_sigterm = true,
                "declares-route" => facts.declares_route = true,
                "private" => facts.auth_required = true,
                "external" => facts.external = true,
                _ => return Err(place.expected(SERVICE, &word)),
            },
            Some(Item::Key(key, _)) if key == "propagation" => {
                for format in line.word().split(',') {
                    let all = ContextFormat::ALL;
                    let known = all.into_iter().find(|known| known.as_str() == format);
                    facts.propagation.push(known.ok_or_else(|| {
                        place.expected("`propagation=` with `gcp_trace` and `tracecontext`", format)
                    })?);
                }
            }
            Some(Item::Key(key, _)) if key == "untraced" => facts.untraced.push(line.quoted()?),
            Some(Item::Key(key, _)) if key == "audience" => facts.audiences.push(line.quoted()?),
            Some(_) => return Err(place.expected(SERVICE, "")),
        }
    }
}

const SERVICE: &str = "`http`, `grpc`, `propagation=…`, `baggage`, `flushes-on-sigterm`, `declares-route`, \
                       `private`, `audience=\"…\"`, `external` or `untraced=\"…\"`";

/// Reads `span api-service export=1 at=T1/S1 place="…" "detail"`.
pub(super) fn read_defect(line: &mut Line<'_>, names: &mut Names) -> Result<Defect, NotationError> {
    let place = line.place();
    let word = line.word();
    let kind = match word.as_str() {
        "payload" => DefectKind::Payload,
        "span" => DefectKind::Span,
        "field" => DefectKind::Field,
        "cut" => DefectKind::Cut,
        _ => return Err(place.expected("`payload`, `span`, `field` or `cut`", &word)),
    };
    line.place();
    let mut defect = Defect {
        kind,
        source: read_source(line)?,
        export: None,
        place: String::new(),
        detail: String::new(),
        trace_id: None,
        span_id: None,
    };
    loop {
        let place = line.place();
        match line.item()? {
            None => return Ok(defect),
            Some(Item::Text(detail)) => defect.detail = detail,
            Some(Item::Key(key, _)) => {
                let at = line.place();
                match key.as_str() {
                    "export" => defect.export = Some(read_position(&line.word(), at)?),
                    "place" => defect.place = line.quoted()?,
                    "trace" => defect.trace_id = Some(names.trace(&line.word(), at)?),
                    "span" => defect.span_id = Some(names.span(&line.word(), at)?),
                    "at" => {
                        let (trace, span) = names_of(&line.word(), at, names)?;
                        (defect.trace_id, defect.span_id) = (Some(trace), Some(span));
                    }
                    _ => return Err(place.expected("`export=`, `place=`, `at=`, `trace=` or `span=`", &key)),
                }
            }
            Some(_) => return Err(place.expected("`export=`, `place=`, `at=` or the detail in quotes", "")),
        }
    }
}

fn known(line: &mut Line<'_>) -> Result<Source, NotationError> {
    let place = line.place();
    read_source(line)?.ok_or_else(|| place.expected("a service", "?"))
}
