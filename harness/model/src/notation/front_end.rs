//! The line `front-end` of the block `settings:`. Parser and printer share its table of words.

use super::error::NotationError;
use super::line::{Item, Line};
use super::text::quote;
use crate::{FrontEnd, FrontEndContext, FrontEndSampling, FrontEndSpans};

const SAMPLING: [(&str, FrontEndSampling); 4] = [
    ("keep", FrontEndSampling::Keep),
    ("on", FrontEndSampling::On),
    ("off", FrontEndSampling::Off),
    ("rate", FrontEndSampling::Rate),
];

const SPANS: [(&str, FrontEndSpans); 2] = [("kept", FrontEndSpans::Kept), ("stored", FrontEndSpans::Stored)];

const CONTEXT: [(&str, FrontEndContext); 2] =
    [("both", FrontEndContext::Both), ("google", FrontEndContext::Google)];

const FIELDS: &str = "`sampling=` with `keep`, `on`, `off` or `rate`, `spans=` with `kept` or `stored`, `context=` with `both` \
                      or `google`, `region=\"…\"`, `not-allowed=403` or `not-valid=401`";

/// Writes what is not as by default; `None` where everything is.
pub(super) fn print_front_end(front_end: &FrontEnd) -> Option<String> {
    let default = FrontEnd::default();
    let FrontEnd { sampling, spans, context, region, not_allowed, not_valid } = front_end;
    let parts = [
        (*sampling != default.sampling).then(|| format!("sampling={}", word(&SAMPLING, *sampling))),
        (*spans != default.spans).then(|| format!("spans={}", word(&SPANS, *spans))),
        (*context != default.context).then(|| format!("context={}", word(&CONTEXT, *context))),
        region.as_ref().map(|region| format!("region={}", quote(region))),
        not_allowed.map(|status| format!("not-allowed={status}")),
        not_valid.map(|status| format!("not-valid={status}")),
    ];
    let written: Vec<String> = parts.into_iter().flatten().collect();
    (!written.is_empty()).then(|| format!("  front-end {}", written.join(" ")))
}

/// Reads what stands behind `front-end`, up to the end of the line.
pub(super) fn read_front_end(line: &mut Line<'_>) -> Result<FrontEnd, NotationError> {
    let mut front_end = FrontEnd::default();
    loop {
        let place = line.place();
        let key = match line.item()? {
            None => return Ok(front_end),
            Some(Item::Key(key, false)) => key,
            Some(_) => return Err(place.expected(FIELDS, "")),
        };
        if key == "region" {
            front_end.region = Some(line.quoted()?);
            continue;
        }
        let value = line.word();
        let is_known = match key.as_str() {
            "sampling" => set(&mut front_end.sampling, meant(&SAMPLING, &value)),
            "spans" => set(&mut front_end.spans, meant(&SPANS, &value)),
            "context" => set(&mut front_end.context, meant(&CONTEXT, &value)),
            "not-allowed" => set(&mut front_end.not_allowed, value.parse().ok().map(Some)),
            "not-valid" => set(&mut front_end.not_valid, value.parse().ok().map(Some)),
            _ => false,
        };
        if !is_known {
            return Err(place.expected(FIELDS, &format!("{key}={value}")));
        }
    }
}

fn word<T: PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn meant<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

fn set<T>(field: &mut T, value: Option<T>) -> bool {
    let is_known = value.is_some();
    if let Some(value) = value {
        *field = value;
    }
    is_known
}
