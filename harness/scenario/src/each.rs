//! What multiplies a case besides the axes: the lists of its `each`, and the users of its `concurrent`.

use crate::axes::Axis;
use crate::error::{File, SuiteError};
use crate::format::CaseFile;
use crate::name::component;
use crate::yaml::{AsText, Scalar};

/// More requests at once than this say nothing more.
const MOST_CONCURRENT: u32 = 1_000;

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
