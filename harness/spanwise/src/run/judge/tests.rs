//! How permutations end: known failures, and what a second observation may change.

use spanwise_check::{Check, Rule};
use spanwise_model::Level;

use super::*;
use crate::plan::{More, SuiteText, plan_with};
use crate::run::fixture;

const PASSES: &str = "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n\
                      wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";
const FAILS: &str = "driver CLIENT \"GET /\" 500 id=S1\n  web SERVER \"GET /\" 500 error.type=\"500\"\n\
                     wire:\n  driver -> web http/1.1 500 traceparent: T1-S1-01\n";
const UNLINKED: &str = "driver CLIENT \"GET /\" 200 id=S1 to=web\n\
                        wire:\n  driver -> web http/1.1 \"GET /\" 200 traceparent: T1-S1-01\n";
const IN_OWN_TRACE: &str = "driver CLIENT \"GET /\" 200 id=S1 to=web\nweb SERVER \"GET /\" 200 trace=T2\n\
                            wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";
/// The rule that speaks of [`FAILS`].
const RULE: &str = "http-server-error-unset";

fn seen(text: &str) -> Seen {
    Seen::Observed(Box::new(notation::parse(text).expect("the notation")), Duration::ZERO)
}

/// Judges one of two permutations of a group, whose suite says more, by itself.
fn judged(more: &str, first: &str, again: Option<&str>) -> PermutationResult {
    judged_with(more, first, again, Options { profile: Profile::Otel, ..Options::default() })
}

fn judged_with(more: &str, first: &str, again: Option<&str>, options: Options) -> PermutationResult {
    let mut judge = Judge::new(Arc::new(fixture::plan(more)), options).expect("no rules of its own");
    let settled = Settled { permutation: 0, first: seen(first), again: again.map(seen) };
    assert!(judge.take(vec![settled]).is_empty(), "its group is not complete");
    judge.incomplete().remove(0)
}

#[track_caller]
fn check(more: &str, first: &str, again: Option<&str>, expected: Outcome, reason: Option<&str>) {
    let result = judged(more, first, again);
    let found = (result.outcome, result.reason.as_deref());
    assert_eq!(found, (expected, reason), "{:#?}", result.findings);
}

fn entry(list: &str, rule: &str) -> String {
    format!(
        "{list}:\n  - {{ pattern: \"small/**\", rules: [{rule}], reason: \"being mended\", \
         link: \"https://example.com/1\" }}\n"
    )
}

#[test]
fn trees_leave_out_what_differs_by_nature() {
    let text = "web SERVER \"POST /orders\" 201 order.id=\"a7f\"\nsettings:\n  varying-label=\"order.id\"\n";
    let tree = traces(&notation::parse(text).expect("the notation")).remove(0).tree;
    assert_eq!(tree.trim_end(), "web SERVER \"POST /orders\" 201 order.id=<varies>");
}

#[test]
fn known_failures_are_met_or_stale() {
    let known = entry("known-failing", RULE);
    let reason = "being mended <https://example.com/1>";
    let stale = format!("listed as known to fail ({reason}), and it does not: remove `small/**`");
    check("", PASSES, None, Outcome::Passed, None);
    check("", FAILS, None, Outcome::Failed, None);
    check(&known, FAILS, None, Outcome::FailedAsKnown, Some(reason));
    check(&known, PASSES, None, Outcome::UnexpectedlyPassed, Some(&stale));
    check(&entry("known-failing", "parent-cycle"), FAILS, None, Outcome::Failed, None);
}

#[test]
fn what_fails_is_told_before_its_group_is_complete() {
    let found = |more: &str, texts: [&str; 2]| {
        let options = Options { profile: Profile::Otel, ..Options::default() };
        let mut judge = Judge::new(Arc::new(fixture::plan(more)), options).expect("no rules of its own");
        let mut told = Vec::new();
        for (permutation, text) in texts.into_iter().enumerate() {
            judge.take(vec![Settled { permutation, first: seen(text), again: None }]);
            told.extend(judge.found().into_iter().map(|event| match event {
                RunEvent::Found { permutation, finding } => (permutation, finding.rule),
                other => panic!("{other:?}"),
            }));
        }
        told
    };
    let first = fixture::plan("").permutations[0].name.to_string();
    assert_eq!(found("", [FAILS, FAILS]), [(first, RULE.into())]);
    assert_eq!(found("", [PASSES, FAILS]), [], "all results are told at once");
    assert_eq!(found(&entry("known-failing", RULE), [FAILS, FAILS]), []);
    let rest_is_known = entry("known-failing", "permutations-differ");
    assert_eq!(found(&rest_is_known, [FAILS, FAILS]), [], "what is known may explain it");
}

#[test]
fn what_was_not_observed_makes_no_known_failure_stale() {
    let known = entry("known-failing", "permutations-differ");
    // Its group is not complete, so it is compared with nobody.
    check(&known, PASSES, None, Outcome::Passed, None);
    let both = entry("known-failing", &format!("permutations-differ, {RULE}"));
    check(&both, PASSES, None, Outcome::Passed, None);
    // Once it is compared, it is known what the entry is worth.
    let mut judge =
        Judge::new(Arc::new(fixture::plan(&known)), Options::default()).expect("no rules of its own");
    let settled = |permutation| Settled { permutation, first: seen(PASSES), again: None };
    let results = judge.take(vec![settled(0), settled(1)]);
    assert!(results.iter().all(|result| result.outcome == Outcome::UnexpectedlyPassed), "{results:#?}");
    assert_eq!(results.len(), 2);
}

#[test]
fn known_flaky_permutations_may_end_either_way() {
    let flaky = entry("known-flaky", RULE);
    check(&flaky, FAILS, None, Outcome::FailedAsKnown, Some("being mended <https://example.com/1>"));
    check(&flaky, PASSES, None, Outcome::Passed, None);
}

#[test]
fn what_is_in_the_ratchet_is_known() {
    let judged = |more: &str, lines: &str| {
        let ratchet = Some(Arc::new(Ratchet::parse("ratchet.txt", lines).expect("a ratchet")));
        let options = Options { profile: Profile::Otel, ratchet, ..Options::default() };
        let result = judged_with(more, FAILS, None, options);
        (result.outcome, result.reason)
    };
    let line = format!("small/page\t{RULE}\tweb GET /\n");
    let reason = |text: &str| Some(text.to_owned());
    assert_eq!(judged("", &line), (Outcome::FailedAsKnown, reason("in the ratchet ratchet.txt")));
    for other in
        [line.replace("page", "other"), line.replace(RULE, "parent-cycle"), line.replace("GET /", "GET")]
    {
        assert_eq!(judged("", &other), (Outcome::Failed, None));
    }
    // What the suite says of it says more, and its entries stay bound to be true.
    let known = judged(&entry("known-failing", RULE), &line);
    assert_eq!(known, (Outcome::FailedAsKnown, reason("being mended <https://example.com/1>")));
    assert_eq!(judged(&entry("known-failing", "parent-cycle"), &line).0, Outcome::UnexpectedlyPassed);
}

/// Fires on every span that is called `GET /`.
static OWN: Rule = Rule {
    name: "no-root-page",
    family: Family::Custom,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "1",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: "",
    check: Check::One(|index, findings| {
        for node in index.nodes().filter(|node| node.name == "GET /") {
            findings.on_span(node, "The root page is served.");
        }
    }),
};

#[test]
fn rules_of_the_users_own_run_after_the_catalogue() {
    let options = |rules| Options { profile: Profile::Otel, rules, ..Options::default() };
    let result = judged_with("", FAILS, None, options(vec![&OWN]));
    assert_eq!(rules(&result), [RULE, "no-root-page"]);
    assert_eq!(result.rules["no-root-page"], Verdict::Fail);
    let taken = registry::find(RULE).expect("a rule");
    for rules in [vec![taken], vec![&OWN, &OWN]] {
        let name = rules[0].name;
        let error = Judge::new(Arc::new(fixture::plan("")), options(rules)).err();
        assert_eq!(error, Some(NameTaken(name)));
    }
    // A suite may speak of them, if the plan knows them.
    let text = "suite: a\nservices: { web: { command: [web], protocol: http } }\nlevels: { no-root-page: warning }\n\
                cases: { a: { http: { to: web, get: / } } }";
    let suites = [SuiteText { file: "a.yaml".to_owned(), text: text.to_owned() }];
    let known = More { rules: &[&OWN], ..More::default() };
    assert!(plan_with(&suites, &[], &known).is_ok());
    assert!(plan_with(&suites, &[], &More::default()).is_err());
}

#[test]
fn a_suite_lowers_and_raises_levels() {
    let levels = |level: &str| format!("levels: {{ {RULE}: {level} }}\n");
    for level in ["information", "warning", "{ web: warning }"] {
        check(&levels(level), FAILS, None, Outcome::Passed, None);
        assert_eq!(rules(&judged(&levels(level), FAILS, None)), [RULE], "it passes with the finding");
    }
    check(&levels("violation"), FAILS, None, Outcome::Failed, None);
    // A finding that does not fail leaves nothing to be known.
    let both = format!("{}{}", levels("warning"), entry("known-failing", RULE));
    check(&both, FAILS, None, Outcome::Passed, None);
}

fn rules(result: &PermutationResult) -> Vec<&str> {
    let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
    causes.map(|finding| &*finding.rule).collect()
}

#[test]
fn a_second_observation_says_why_the_first_failed() {
    let first = judged("", UNLINKED, None);
    let again = judged("", UNLINKED, Some(IN_OWN_TRACE));
    assert_eq!((first.outcome, again.outcome), (Outcome::Failed, Outcome::Failed));
    assert_ne!(rules(&first), rules(&again));
    assert_eq!(again.traces.len(), 2);
}

#[test]
fn a_verdict_never_improves_by_a_second_observation() {
    check("", FAILS, Some(PASSES), Outcome::Failed, None);
    check("", PASSES, Some(FAILS), Outcome::Failed, None);
    check("", UNLINKED, Some(PASSES), Outcome::Failed, None);
    // What fails in the second for another reason does not make up for the first.
    let kept = judged("", FAILS, Some(IN_OWN_TRACE));
    assert!(rules(&kept).contains(&RULE), "{:?}", rules(&kept));
    let known = entry("known-failing", RULE);
    check(&known, FAILS, Some(PASSES), Outcome::FailedAsKnown, Some("being mended <https://example.com/1>"));
}

#[test]
fn what_could_not_run_again_keeps_what_was_seen_first() {
    let mut judge = Judge::new(Arc::new(fixture::plan("")), Options::default()).expect("no rules of its own");
    let again = Some(Seen::CouldNotRun("no port".to_owned()));
    judge.take(vec![Settled { permutation: 0, first: seen(FAILS), again }]);
    assert_eq!(judge.incomplete()[0].outcome, Outcome::Failed);
}

#[test]
fn who_never_came_could_not_run() {
    let mut judge = Judge::new(Arc::new(fixture::plan("")), Options::default()).expect("no rules of its own");
    judge.take(vec![Settled { permutation: 1, first: seen(PASSES), again: None }]);
    let missing = judge.missing("lost");
    let results = judge.take(missing);
    assert_eq!(results.len(), 2);
    assert_eq!((results[0].outcome, results[0].reason.as_deref()), (Outcome::CouldNotRun, Some("lost")));
    assert!(judge.missing("lost").is_empty());
}

#[test]
fn strays_are_judged_by_the_profile_of_their_suite() {
    let plan = Arc::new(fixture::plan(""));
    let strays = || {
        let spans = notation::parse("web INTERNAL \"clean up\"\n").expect("the notation").spans;
        BTreeMap::from([("small".to_owned(), Unattributed { spans, defects: Vec::new() })])
    };
    for (profile, expected) in [(Profile::Otel, false), (Profile::Strict, true)] {
        let suite_profiles = BTreeMap::from([("small".to_owned(), profile)]);
        let judge = Judge::new(plan.clone(), Options { suite_profiles, ..Options::default() })
            .expect("no rules of its own");
        let (findings, fail) = judge.strays(strays());
        assert_eq!((findings.len(), fail), (1, expected), "{profile:?}: {findings:?}");
    }
}
