//! Files as they are read and written, and what a run means for one.

use std::sync::Arc;

use spanwise_check::{Engine, Profile};
use spanwise_model::notation;

use super::*;
use crate::plan::{SuiteText, plan};

const FILE: &str = "# What this is.\n\n# Waits for the new framework.\nshop/buy\thttp-route-missing\tweb GET / > db get\n\
                    shop/buy\tnothing-received\tweb\nshop/sell\tnothing-received\t-\n";

fn ratchet(text: &str) -> Ratchet {
    Ratchet::parse("ratchet.txt", text).expect("a file without mistakes")
}

#[test]
fn what_is_written_is_read_again() {
    for text in ["", FILE, "a/b\tc\td\n", &Ratchet::empty("ratchet.txt").to_string()] {
        assert_eq!(ratchet(text).to_string(), text);
    }
    // Order and doubled lines do not matter; a comment stays with the line below it.
    let unsorted = "\n# 2\nb/b\tx\ty\r\n# 1\na/a\tx\ty\n# again\na/a\tx\ty\n# last";
    assert_eq!(ratchet(unsorted).to_string(), "# last\n\n# 1\n# again\na/a\tx\ty\n# 2\nb/b\tx\ty\n");
}

#[test]
fn lines_that_are_no_findings_are_pointed_at() {
    for line in [
        "shop/buy trace-split web",
        "shop/buy\ttrace-split",
        "shop/buy\ttrace-split\t",
        "shop/buy\t\tweb",
        "shop\ttrace-split\tweb",
        "shop/buy/entry=http\ttrace-split\tweb",
        "shop/\ttrace-split\tweb",
        "shop/buy\ttrace-split\tweb\tmore",
    ] {
        let error = Ratchet::parse("ratchet.txt", &format!("# x\n\n{line}\n")).expect_err(line);
        assert_eq!((error.line, error.found.as_str()), (3, line));
        assert!(error.to_string().starts_with("ratchet.txt:3: expected `suite/case`, a rule"), "{error}");
    }
}

/// Two cases, the second under two exporters.
const SUITE: &str = "suite: shop\nservices:\n  web: { command: [web], protocol: http }\n\
                     axes:\n  entry: [http]\n  export: [gcp_trace, otlp-grpc]\n\
                     cases:\n  buy:\n    http: { to: web, get: / }\n    axes: { export: [otlp-grpc] }\n  \
                     sell:\n    http: { to: web, get: /sell }\n";

/// A result whose span fails by `http-server-error-unset`, or one without findings.
fn result(name: &str, outcome: Outcome, fails: bool) -> PermutationResult {
    let text = "web SERVER \"GET /\" 500 error.type=\"500\"";
    let observation = notation::parse(text).expect("the notation");
    let mut findings = Engine::new(Profile::Otel).check(&observation).findings;
    findings.retain(|finding| fails && finding.rule == "http-server-error-unset");
    PermutationResult { findings, ..PermutationResult::new(name, name, outcome) }
}

/// Runs with a file; its entries that can go, and the file afterwards.
fn reviewed(more: &str, filter: &[&str], file: &str, results: &[PermutationResult]) -> (Vec<String>, String) {
    let suite = SuiteText { file: "shop.yaml".to_owned(), text: format!("{SUITE}{more}") };
    let filter: Vec<_> = filter.iter().map(|text| text.parse().expect("a pattern")).collect();
    let planned = plan(&[suite], &filter).expect("a suite without mistakes");
    let mut review =
        Review::new(ratchet(file), &planned.plan, planned.cut_cases.clone(), &Options::default());
    results.iter().for_each(|result| review.take(result));
    (review.gone().iter().map(ToString::to_string).collect(), review.updated().to_string())
}

const BUY: &str = "shop/buy/entry=http/export=otlp-grpc";
const SELL: [&str; 2] = ["shop/sell/entry=http/export=gcp_trace", "shop/sell/entry=http/export=otlp-grpc"];
const OLD_BUY: &str = "shop/buy\thttp-server-error-unset\tweb GET /";
const OLD_SELL: &str = "shop/sell\thttp-server-error-unset\tweb GET /";

#[track_caller]
fn check(results: &[PermutationResult], filter: &[&str], expected: &[&str]) {
    let file = format!("{OLD_BUY}\n{OLD_SELL}\nother/case\tx\ty\n");
    assert_eq!(reviewed("", filter, &file, results).0, expected);
}

#[test]
fn entries_go_when_their_case_ran_completely_without_them() {
    use Outcome::{CouldNotRun, FailedAsKnown, Passed};
    let all = |buy, sell: [(Outcome, bool); 2]| {
        let sell = SELL.iter().zip(sell).map(|(name, (outcome, fails))| result(name, outcome, fails));
        sell.chain([result(BUY, Passed, buy)]).collect::<Vec<_>>()
    };
    check(&all(true, [(FailedAsKnown, true), (Passed, false)]), &[], &[]);
    check(&all(false, [(FailedAsKnown, true), (Passed, false)]), &[], &[OLD_BUY]);
    check(&all(false, [(Passed, false), (Passed, false)]), &[], &[OLD_BUY, OLD_SELL]);
    // A part of the case was not seen: it could not run, the filter cut it, or the run was broken off.
    check(&all(true, [(CouldNotRun, false), (Passed, false)]), &[], &[]);
    check(&[result(SELL[0], Passed, false)], &["shop/sell/entry=http/export=gcp_trace"], &[]);
    check(&[result(BUY, Passed, false)], &[], &[OLD_BUY]);
    check(&[result(BUY, Passed, false)], &["shop/buy"], &[OLD_BUY]);
}

#[test]
fn entries_stay_whose_rule_was_not_observed() {
    let rules = |verdict| Arc::new(BTreeMap::from([("http-server-error-unset".to_owned(), verdict)]));
    let bought = |verdict| PermutationResult { rules: rules(verdict), ..result(BUY, Outcome::Passed, false) };
    check(&[bought(Verdict::NotObserved)], &[], &[]);
    check(&[bought(Verdict::Pass)], &[], &[OLD_BUY]);
}

#[test]
fn an_update_adds_what_failed_and_drops_what_is_gone() {
    let file = format!("# why\n{OLD_BUY}\nshop/no-longer\tx\ty\nother/case\tx\ty\n");
    let sold = [result(SELL[0], Outcome::Failed, true), result(BUY, Outcome::FailedAsKnown, true)];
    let expected = format!("other/case\tx\ty\n# why\n{OLD_BUY}\n{OLD_SELL}\n");
    assert_eq!(reviewed("", &[], &file, &sold).1, expected);
    // What the suite lists as known needs no line.
    let known = "known-failing:\n  - { pattern: \"**\", rules: [http-server-error-unset], reason: later }\n";
    let (gone, updated) = reviewed(known, &[], &file, &sold);
    assert_eq!(gone, [OLD_BUY, "shop/no-longer\tx\ty"]);
    assert_eq!(updated, "other/case\tx\ty\n");
}

#[test]
fn a_finding_is_known_by_its_path_its_service_or_nothing() {
    let mut finding = result(BUY, Outcome::Failed, true).findings.remove(0);
    let line = |finding: &Finding| RatchetEntry::of(BUY, finding).to_string();
    assert_eq!(line(&finding), OLD_BUY);
    finding.span_path = vec!["web GET\t/\n".to_owned(), "db get".to_owned()];
    assert_eq!(line(&finding), "shop/buy\thttp-server-error-unset\tweb GET /  > db get");
    finding.span_path.clear();
    assert_eq!(line(&finding), "shop/buy\thttp-server-error-unset\tweb");
    finding.service = None;
    assert_eq!(line(&finding), "shop/buy\thttp-server-error-unset\t-");
}
