//! Levels that a suite gives to rules in place of the catalogue's: of all services, or of one.

use crate::spanned::Spanned;
use spanwise_model::Level;

use crate::Known;
use crate::error::{File, SuiteError};
use crate::format::SuiteFile;
use crate::yaml::Described;

/// An entry of `levels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelEntry {
    /// The rule.
    pub rule: String,
    /// The service whose findings get the level; `None` for those of all.
    pub service: Option<String>,
    /// The level.
    pub level: Level,
}

/// Reads `levels`, in the order of the file.
pub(crate) fn levels(
    file: File<'_>,
    suite: &SuiteFile,
    known: &Known<'_>,
) -> Result<Vec<LevelEntry>, SuiteError> {
    let mut entries = Vec::new();
    for (rule, written) in suite.levels.iter() {
        known.rule(file, rule)?;
        let mut add = |service: Option<&Spanned<String>>, word: &Spanned<String>| {
            let service = service.map(|service| service.value.clone());
            entries.push(LevelEntry { rule: rule.value.clone(), service, level: level(file, word)? });
            Ok(())
        };
        match &written.value {
            Described::Text(word) => {
                add(None, &Spanned::new(word.clone(), written.referenced))?;
            }
            Described::Mapping(services) => {
                for (service, word) in services.iter() {
                    if suite.services.get(&service.value).is_none() {
                        let error =
                            file.error(service.referenced, format!("unknown service `{}`", service.value));
                        return Err(error.with_names(&service.value, suite.services.keys()));
                    }
                    add(Some(service), word)?;
                }
            }
        }
    }
    Ok(entries)
}

fn level(file: File<'_>, word: &Spanned<String>) -> Result<Level, SuiteError> {
    let all = [Level::Violation, Level::Warning, Level::Information];
    all.into_iter().find(|level| level.as_str() == word.value).ok_or_else(|| {
        let error = file.error(word.referenced, format!("unknown level `{}`", word.value));
        match word.value.as_str() {
            "off" | "none" | "ignore" => error.with_help(
                "no rule is switched off: use `information` for what does not matter, and `known-failing` \
                 for what is known",
            ),
            other => error.with_names(other, all.map(Level::as_str)),
        }
    })
}
