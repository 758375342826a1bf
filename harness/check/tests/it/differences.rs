//! What a permutation that deviates from its group explains of what the suite expects, and what it gives way to.

use spanwise_check::Checked;

use crate::support::{check, show};

/// Three permutations over exporters, of which the last has other spans.
fn group(alike: &str, last: &str, expected: &str) -> String {
    let member = |export: &str, spans: &str| {
        format!("--- permutation demo/greet/export={export}\n{spans}expected:\n{expected}")
    };
    member("otlp-grpc", alike) + &member("otlp-http", alike) + &member("gcp_trace", last)
}

/// The rules of the root causes, and behind each what it explains: `a (b, c)`.
fn roots(checked: &Checked) -> Vec<String> {
    let explained = |cause: usize| {
        let findings = checked.findings.iter().filter(move |finding| finding.consequence_of == Some(cause));
        findings.map(|finding| &*finding.rule).collect::<Vec<_>>().join(", ")
    };
    let causes = checked.findings.iter().enumerate().filter(|(_, finding)| finding.consequence_of.is_none());
    causes.map(|(at, finding)| format!("{} ({})", finding.rule, explained(at))).collect()
}

/// The root causes of the two that are alike, and of the one that deviates.
#[track_caller]
fn of_group(text: &str, alike: &[&str], last: &[&str]) {
    for (observation, checked) in check(text) {
        let expected = if observation.name.ends_with("gcp_trace") { last } else { alike };
        assert_eq!(roots(&checked), expected, "{text}\n{}", show(&checked));
    }
}

const WHOLE: &str = "driver CLIENT \"POST /greet\" 200 id=S1\n  api SERVER \"POST /greet\" 200 net=\"a\"\n    \
                     api INTERNAL \"render\" size=5\n";
const SHORT: &str = "driver CLIENT \"POST /greet\" 200 id=S1\n  api SERVER \"POST /greet\" 200 net=\"a\"\n";
const TREE: &str = "  api SERVER \"POST /greet\"\n    api INTERNAL \"render\" size=5\n";

#[test]
fn where_a_span_is_not_missing_says_more_than_that_it_is() {
    of_group(&group(WHOLE, SHORT, TREE), &[], &["permutations-differ (expected-span-missing)"]);
    let other = WHOLE.replace("size=5", "size=6");
    of_group(&group(WHOLE, &other, TREE), &[], &["permutations-differ (expected-label-differs)"]);
    let failed = WHOLE.replace("size=5", "size=5 status=ERROR");
    let unset = TREE.replace("size=5", "status=UNSET");
    of_group(&group(WHOLE, &failed, &unset), &[], &["permutations-differ (expected-label-differs)"]);
}

#[test]
fn what_is_missing_everywhere_is_not_put_down_to_the_difference() {
    let more = format!("{SHORT}    api INTERNAL \"log\"\n");
    let missing = "expected-span-missing ()";
    of_group(&group(SHORT, &more, TREE), &[missing], &["expected-span-missing (permutations-differ)"]);
}

#[test]
fn a_label_that_may_differ_is_not_put_down_to_the_difference() {
    let [one, other] = ["a", "b"].map(|net| WHOLE.replace("net=\"a\"", &format!("network.type=\"{net}\"")));
    let tree = "  api SERVER \"POST /greet\" network.type=\"a\"\n";
    of_group(&group(&one, &other, tree), &[], &["expected-label-differs ()"]);
    let other = other.replace("size=5", "size=6");
    of_group(&group(&one, &other, tree), &[], &["expected-label-differs (permutations-differ)"]);
}

#[test]
fn a_difference_that_another_finding_explains_explains_nothing() {
    let damaged = SHORT.replace("net=\"a\"", "net=\"a\" server.port=\"8080\"");
    of_group(
        &group(WHOLE, &damaged, TREE),
        &[],
        &["label-wrong-type (permutations-differ)", "expected-span-missing ()"],
    );
}
