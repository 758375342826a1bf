//! Combinations of axes that a suite leaves out, each for a reason, as a matrix of GitHub Actions does. Read from the key
//! `exclude`.

use spanwise_model::{NameError, Pattern};

use crate::error::{File, SuiteError};
use crate::format::SuiteFile;
use crate::suite::Permutation;

/// Takes the permutations away that an entry matches. One that matches none is a mistake, as is a case of which none is left.
pub(crate) fn exclude(
    file: File<'_>,
    suite: &SuiteFile,
    permutations: &mut Vec<Permutation>,
) -> Result<(), SuiteError> {
    for written in &suite.exclude {
        let at = written.pattern.referenced;
        if written.reason.as_ref().is_none_or(|reason| reason.value.trim().is_empty()) {
            return Err(file.error(at, "what is excluded needs a `reason`"));
        }
        let pattern: Pattern =
            written.pattern.value.parse().map_err(|error: NameError| file.error(at, error.to_string()))?;
        let before = permutations.len();
        permutations.retain(|permutation| !pattern.matches(permutation.name.as_str()));
        if permutations.len() == before {
            let message =
                format!("the pattern `{}` excludes no permutation of the suite", written.pattern.value);
            let help = "`*` stands for one component, `**` for any number; \
                        `spanwise list` prints the full names";
            return Err(file.error(at, message).with_help(help));
        }
    }
    let is_gone = |case: &str| !permutations.iter().any(|permutation| permutation.case == case);
    match suite.cases.iter().find(|(name, _)| is_gone(&name.value)) {
        Some((name, _)) => {
            let message = format!("`exclude` leaves nothing of case `{}`", name.value);
            Err(file.error(name.referenced, message))
        }
        None => Ok(()),
    }
}
