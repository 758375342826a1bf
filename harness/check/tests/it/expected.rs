//! Spans that the suite expects: which trees are found, and what is said where one is not.

use spanwise_check::{Engine, Profile};
use spanwise_model::notation;

const TREE: &str = "driver CLIENT \"GET /\" 200 marker=\"ada\"\n  web SERVER \"GET /\" 200 user.id=\"ada\" n=5 r=0.5 id=S1\n    \
                    web INTERNAL \"check stock\" item=\"tea\"\n    web INTERNAL \"check price\" item=\"cup\"\n      \
                    web INTERNAL \"ask\"\n";

/// The findings of both rules: `missing` with what was found and where it stopped, `differs` with what was there.
fn found(tree: &str, expected: &str) -> Vec<String> {
    let text = format!("{tree}expected:\n{expected}");
    let observation = notation::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let checked = Engine::new(Profile::Otel).check(&observation);
    let shown = checked.findings.iter().filter_map(|one| {
        let path = one.span_path.last().map_or("request", String::as_str);
        let (expected, actual) = (one.expected.clone()?, one.actual.clone()?);
        match &*one.rule {
            "expected-span-missing" => Some(format!("{path}: no {expected}, but {actual}")),
            "expected-label-differs" => Some(format!("{path}: {expected} != {actual}")),
            _ => None,
        }
    });
    shown.collect()
}

#[track_caller]
fn check(expected: &str, findings: &[&str]) {
    assert_eq!(found(TREE, expected), findings, "{expected}");
}

#[test]
fn trees_that_are_there() {
    check("  web SERVER \"GET /\" status=UNSET user.id=\"ada\" n=5 r=0.5 !other\n", &[]);
    check("  * * \"*\"\n", &[]);
    check("  w*b * \"G* *\" user.id=\"a*\"\n", &[]);
    check("  * * \"*\" user.id=\"{{user}}\"\n", &[]);
    // Children in any order, with others beside them; a tree may begin anywhere.
    check(
        "  web SERVER \"GET /\"\n    * * \"check price\"\n      * * \"ask\"\n    * * \"check stock\"\n",
        &[],
    );
    check("  * INTERNAL \"check price\"\n    * * \"ask\"\n  * INTERNAL \"check stock\"\n", &[]);
    // The one that fits both must be left to the one that only it fits.
    check("  web SERVER \"GET /\"\n    * * \"check *\"\n    * * \"check stock\"\n", &[]);
    check("  web SERVER \"GET /\"\n    * * \"*\"\n    * * \"check *\"\n      * * \"*\"\n", &[]);
}

#[test]
fn spans_that_are_missing() {
    let there = "web SERVER \"GET /\", web INTERNAL \"check stock\", web INTERNAL \"check price\", web INTERNAL \"ask\"";
    check("  api SERVER \"GET /\"\n", &[&format!("request: no api SERVER \"GET /\", but {there}")]);
    check(
        "  web SERVER \"GET /\"\n    * INTERNAL \"ask\"\n",
        &["web GET /: no * INTERNAL \"ask\", but web INTERNAL \"check stock\", web INTERNAL \"check price\""],
    );
    // The best of several is followed.
    check(
        "  web * \"*\"\n    * * \"check *\"\n      * * \"ask\"\n        * * \"answer\"\n",
        &["web ask: no * * \"answer\", but no span"],
    );
    // Each needs a span of its own.
    let three = "  web SERVER \"GET /\"\n    * * \"check *\"\n    * * \"check *\"\n    * * \"check *\"\n";
    check(
        three,
        &["web GET /: no * * \"check *\", but web INTERNAL \"check stock\", web INTERNAL \"check price\""],
    );
    check("  * SERVER \"*\"\n  * SERVER \"*\"\n", &[&format!("request: no * SERVER \"*\", but {there}")]);
}

#[test]
fn labels_that_differ() {
    check("  web SERVER \"GET /\" n=\"5\"\n", &["web GET /: \"5\" != 5"]);
    check("  web SERVER \"GET /\" n=\"*\"\n", &["web GET /: \"*\" != 5"]);
    check("  web SERVER \"GET /\" !n\n", &["web GET /: none != 5"]);
    check("  web SERVER \"GET /\" x=\"*\"\n", &["web GET /: \"*\" != none"]);
    check("  web SERVER \"GET /\" user.id=\"{{user}}2\"\n", &["web GET /: \"ada2\" != \"ada\""]);
    check("  web SERVER \"GET /\" status=OK\n", &["web GET /: OK != UNSET"]);
    // Of two alike, the one that says less otherwise.
    check("  web SERVER \"GET /\"\n    * * \"check *\" item=\"cup\" a=1\n", &["web check price: 1 != none"]);
}

#[test]
fn each_request_has_its_own() {
    let two = |user: &str| {
        format!(
            "driver CLIENT \"GET /\" 200 marker=\"ada\"\n  web SERVER \"GET /\" 200 user.id=\"ada\"\n\
             driver CLIENT \"GET /\" 200 marker=\"bob\" trace=T2\n  web SERVER \"GET /\" 200 user.id=\"{user}\"\n"
        )
    };
    let expected = "  web SERVER \"GET /\" user.id=\"{{user}}\"\n";
    assert!(found(&two("bob"), expected).is_empty());
    assert_eq!(found(&two("ada"), expected), ["web GET /: \"bob\" != \"ada\""]);
}

#[test]
fn what_broke_the_trace_explains_what_is_missing() {
    let check = |orders: &str, header: &str, root: &str| {
        let text = format!(
            "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n    web CLIENT \"a.B/C\" OK id=S2\n{orders}\
             wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n  web -> orders h2c OK{header}\n\
             expected:\n  web CLIENT \"a.B/C\"\n    orders SERVER \"a.B/C\"\n"
        );
        let observation = notation::parse(&text).expect("the notation");
        let checked = Engine::new(Profile::Otel).check(&observation);
        let roots: Vec<&str> = checked.root_causes().map(|finding| &*finding.rule).collect();
        assert_eq!(roots, [root], "{text}");
        assert!(checked.findings.iter().any(|finding| finding.rule == "expected-span-missing"));
    };
    check("", " traceparent: T1-S2-01", "hop-without-server-span");
    // Where no call carried the id of the span, any call of its service may be the one.
    check("orders SERVER \"a.B/C\" OK trace=T2\n", "", "context-not-sent");
}

/// Every expected span is like every span but one: the search that tries all orders would never end.
#[test]
fn wide_trees_are_matched_in_near_linear_time() {
    let spans: String = (0..20_000).map(|n| format!("    web INTERNAL \"step {n}\"\n")).collect();
    let tree = format!("driver CLIENT \"GET /\" 200\n  web SERVER \"GET /\" 200\n{spans}");
    let alike = "    * * \"step *\"\n".repeat(40);
    let last = "    * * \"step 19999\"\n      * * \"none\"\n";
    let missing = found(&tree, &format!("  web SERVER \"GET /\"\n{alike}{last}"));
    assert_eq!(missing, ["web step 19999: no * * \"none\", but no span"]);
}
