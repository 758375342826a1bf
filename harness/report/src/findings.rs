//! Findings in the order in which a person needs them: root causes, the worst first, each with what it explains.
//! Used by the terminal and the snapshots.

use std::cmp::Reverse;

use spanwise_model::Finding;

/// A root cause and what it explains, directly or through others, in the order of the list.
pub(crate) struct RootCause<'f> {
    pub(crate) finding: &'f Finding,
    pub(crate) explains: Vec<&'f Finding>,
}

/// Orders findings by root cause, violations before warnings before information.
pub(crate) fn root_causes(findings: &[Finding]) -> Vec<RootCause<'_>> {
    let roots: Vec<usize> = (0..findings.len()).map(|at| root_of(findings, at)).collect();
    let mut causes: Vec<RootCause<'_>> = (0..findings.len())
        .filter(|at| roots[*at] == *at)
        .map(|root| RootCause {
            finding: &findings[root],
            explains: (0..findings.len())
                .filter(|at| *at != root && roots[*at] == root)
                .map(|at| &findings[at])
                .collect(),
        })
        .collect();
    causes.sort_by_key(|cause| Reverse(cause.finding.level));
    causes
}

/// Follows `consequence_of` to its end. An index that leads nowhere or around is not followed: nothing may vanish.
fn root_of(findings: &[Finding], from: usize) -> usize {
    let mut at = from;
    for _ in 0..findings.len() {
        match findings[at].consequence_of {
            Some(next) if next < findings.len() => at = next,
            _ => return at,
        }
    }
    from
}

/// How many names of a span path are written before and after the gap of a long one.
const KEPT: usize = 3;

/// The names of a span path joined by ` > `, long ones elided in the middle.
pub(crate) fn span_path(names: &[String]) -> String {
    if names.len() <= 2 * KEPT + 1 {
        return names.join(" > ");
    }
    let (head, tail) = (&names[..KEPT], &names[names.len() - KEPT..]);
    format!("{} > … > {}", head.join(" > "), tail.join(" > "))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use spanwise_model::{Facts, Level};

    use super::*;

    fn finding(rule: &'static str, level: Level, consequence_of: Option<usize>) -> Finding {
        Finding {
            rule: Cow::Borrowed(rule),
            level,
            service: None,
            trace_id: None,
            span_id: None,
            span_path: Vec::new(),
            message: String::new(),
            expected: None,
            actual: None,
            facts: Facts::new(),
            hop: None,
            consequence_of,
        }
    }

    #[track_caller]
    fn check(findings: &[(&'static str, Level, Option<usize>)], expected: &[&str]) {
        let findings: Vec<Finding> =
            findings.iter().map(|(rule, level, of)| finding(rule, *level, *of)).collect();
        let show = |cause: RootCause<'_>| {
            let explained: Vec<&str> = cause.explains.iter().map(|finding| &*finding.rule).collect();
            format!("{} {explained:?}", cause.finding.rule).replace('"', "")
        };
        assert_eq!(root_causes(&findings).into_iter().map(show).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn consequences_stand_under_their_root() {
        use Level::{Information, Violation, Warning};
        check(&[], &[]);
        check(&[("a", Warning, None), ("b", Violation, None)], &["b []", "a []"]);
        check(
            &[
                ("a", Violation, Some(1)),
                ("b", Violation, Some(2)),
                ("c", Warning, None),
                ("d", Information, None),
            ],
            &["c [a, b]", "d []"],
        );
    }

    #[test]
    fn an_index_that_leads_nowhere_loses_no_finding() {
        check(&[("a", Level::Violation, Some(7))], &["a []"]);
        check(&[("a", Level::Violation, Some(1)), ("b", Level::Violation, Some(0))], &["a []", "b []"]);
        check(&[("a", Level::Violation, Some(0))], &["a []"]);
    }

    #[test]
    fn long_paths_are_elided_in_the_middle() {
        let names = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(span_path(&names(0)), "");
        assert_eq!(span_path(&names(7)), "1 > 2 > 3 > 4 > 5 > 6 > 7");
        assert_eq!(span_path(&names(8)), "1 > 2 > 3 > … > 6 > 7 > 8");
    }
}
