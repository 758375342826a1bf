//! What multiplies a case besides the axes: the lists of its `each`, the users of its `concurrent`, the rounds of its `repeat`.

use std::time::Duration;

use crate::axes::Axis;
use crate::error::{File, SuiteError};
use crate::format::CaseFile;
use crate::name::component;
use crate::suite::Repeat;
use crate::yaml::{AsText, Scalar};

/// More requests at once than this say nothing more.
pub(crate) const MOST_CONCURRENT: u32 = 1_000;

/// Nor do more rounds.
pub(crate) const MOST_ROUNDS: u32 = 10_000;
/// What a service does when it is left alone, it does within a minute, or nobody waits for it.
pub(crate) const LONGEST_PAUSE_MS: u64 = 60_000;

/// One value of every `each` list.
pub(crate) type Each = Vec<(String, Scalar)>;

/// The values as components of a name.
pub(crate) fn shown(each: &Each) -> impl Iterator<Item = (String, String)> {
    each.iter().map(|(name, value)| (name.clone(), value.to_string()))
}

/// Every combination of the case's `each` lists; one empty combination without any.
pub(crate) fn each(file: File<'_>, case: &CaseFile, axes: &[Axis]) -> Result<Vec<Each>, SuiteError> {
    let mut combinations = vec![Each::new()];
    for (name, values) in case.each.iter() {
        component(file, name, "list of `each`")?;
        if axes.iter().any(|axis| axis.name == name.value) {
            let message = format!("`{}` is an axis of the suite already", name.value);
            return Err(file.error(name.referenced, message));
        }
        if values.is_empty() {
            return Err(file.error(name.referenced, format!("`each` has no values for `{}`", name.value)));
        }
        for (at, value) in values.iter().enumerate() {
            component(file, &value.text(), "value of `each`")?;
            if values[..at].iter().any(|earlier| earlier.value.to_string() == value.value.to_string()) {
                let message = format!("`each` has the value `{}` twice", value.value);
                return Err(file.error(value.referenced, message));
            }
        }
        let longer = combinations.iter().flat_map(|before| {
            values.iter().map(|value| {
                let mut each = before.clone();
                each.push((name.value.clone(), value.value.clone()));
                each
            })
        });
        combinations = longer.collect();
    }
    Ok(combinations)
}

/// The users of a case's concurrent requests; one nameless user without `concurrent`.
pub(crate) fn users(file: File<'_>, case: &CaseFile) -> Result<Vec<Option<String>>, SuiteError> {
    match &case.concurrent {
        None => Ok(vec![None]),
        Some(count) if (2..=MOST_CONCURRENT).contains(&count.value) => {
            Ok((1..=count.value).map(|number| Some(format!("user-{number}"))).collect())
        }
        Some(count) => {
            let message = format!("`concurrent` is a number from 2 to {MOST_CONCURRENT}");
            Err(file.error(count.referenced, message))
        }
    }
}

/// How often a case's requests are sent; `None` where it is once.
pub(crate) fn repeat(file: File<'_>, case: &CaseFile) -> Result<Option<Repeat>, SuiteError> {
    let Some(written) = &case.repeat else { return Ok(None) };
    if !(2..=MOST_ROUNDS).contains(&written.times.value) {
        let message = format!("`times` is a number from 2 to {MOST_ROUNDS}");
        return Err(file.error(written.times.referenced, message));
    }
    let pause = match &written.pause_ms {
        Some(pause) if pause.value > LONGEST_PAUSE_MS => {
            let message = format!("`pause-ms` is at most {LONGEST_PAUSE_MS}");
            return Err(file.error(pause.referenced, message));
        }
        pause => pause.as_ref().map_or(0, |pause| pause.value),
    };
    Ok(Some(Repeat { times: written.times.value, pause: Duration::from_millis(pause) }))
}
