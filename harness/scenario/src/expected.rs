//! Spans that a case expects: reads `expect.spans`, `expect.http-spans` and `expect.grpc-spans`.

use crate::spanned::Spanned;
use spanwise_model::{ExpectedSpan, Value};

use crate::Entry;
use crate::error::SuiteError;
use crate::format::{CaseFile, ExpectedSpanFile};
use crate::template::Names;
use crate::yaml::LabelValue;

/// The trees that one form of a case expects, `each` filled in. `{{user}}` stays for the rules, who know the requests.
pub(crate) fn expected(
    case: &CaseFile,
    entry: Entry,
    names: &Names<'_>,
) -> Result<Vec<ExpectedSpan>, SuiteError> {
    let names = Names { user: names.user.map(|_| ExpectedSpan::USER), ..*names };
    let of_form = match entry {
        Entry::Http => &case.expect.http_spans,
        Entry::Grpc => &case.expect.grpc_spans,
    };
    let of_form = of_form.iter().flat_map(|trees| &trees.value);
    case.expect.spans.iter().chain(of_form).map(|tree| span(tree, &names)).collect()
}

fn span(written: &ExpectedSpanFile, names: &Names<'_>) -> Result<ExpectedSpan, SuiteError> {
    let text = |text: &Option<Spanned<String>>| match text {
        Some(text) => names.text(text),
        None => Ok("*".to_owned()),
    };
    if let Some(service) = &written.service {
        let filled = names.text(service)?;
        if !filled.contains('*') && !names.services.contains(&filled.as_str()) {
            let error = names.file.error(service.referenced, format!("unknown service `{filled}`"));
            return Err(error.with_names(&filled, names.services.iter().copied()));
        }
    }
    let labels = written.labels.iter();
    let labels = labels.map(|(key, value)| Ok((key.value.clone(), label(value, names)?)));
    let children = written.children.iter().map(|child| span(child, names));
    Ok(ExpectedSpan {
        service: text(&written.service)?,
        kind: written.kind,
        name: text(&written.name)?,
        status: written.status,
        labels: labels.collect::<Result<_, SuiteError>>()?,
        children: children.collect::<Result<_, SuiteError>>()?,
    })
}

fn label(written: &Spanned<LabelValue>, names: &Names<'_>) -> Result<Option<Value>, SuiteError> {
    let LabelValue(value) = &written.value;
    let Some(Value::Str(text)) = value else { return Ok(value.clone()) };
    if let Some(value) = names.whole(text) {
        return Ok(Some(value.into()));
    }
    let text = Spanned::new(text.clone(), written.referenced);
    names.text(&text).map(|text| Some(Value::Str(text)))
}
