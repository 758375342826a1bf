//! What stands between a result and its comparison with a snapshot.

use spanwise::model::{Outcome, PermutationResult};

/// Why a result is not compared at all: it failed by itself, or there is none.
pub(crate) fn comparable(result: &PermutationResult) -> Result<(), String> {
    match result.outcome {
        Outcome::Passed | Outcome::FailedAsKnown => Ok(()),
        Outcome::CouldNotRun => {
            Err(format!("could not run: {}", result.reason.as_deref().unwrap_or("no reason given")))
        }
        Outcome::UnexpectedlyPassed => Err(result.reason.clone().unwrap_or_default()),
        Outcome::Failed => {
            let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
            let lines = causes.map(|finding| format!("{}: {}", finding.rule, finding.message));
            Err(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// A result with nothing in it, for tests.
#[cfg(test)]
pub(crate) fn result(name: &str, group: &str, outcome: Outcome, tree: &str) -> PermutationResult {
    use spanwise::model::{TraceId, TraceSummary};
    PermutationResult {
        traces: vec![TraceSummary { trace_id: TraceId([1; 16]), spans: 1, tree: tree.to_owned() }],
        reason: Some("port taken".to_owned()),
        ..PermutationResult::new(name, group, outcome)
    }
}
