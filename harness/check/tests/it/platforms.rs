//! What works locally and breaks on Cloud Run: each fault has one root cause, and a difference between the platforms says why.

use spanwise_model::Value;

use crate::support::{check, show};
use crate::verdicts::causes;

/// A request to `api` that the suite expects to be answered 200 through `b`, as it is without a platform.
const LOCAL: &str = r#"--- permutation demo/greet/platform=plain
driver CLIENT "POST /greet" 200 id=S1 expected=200
  api SERVER "POST /greet" 200
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api https/1.1 traceparent: T1-S1-01
  api -> b h2 traceparent: T1-S3-01
"#;

/// The same on Cloud Run.
fn deployed(driver: &str, spans: &str, wire: &str, settings: &str) -> String {
    format!(
        "--- permutation demo/greet/platform=cloud-run\ndriver CLIENT \"POST /greet\" {driver} id=S1 expected=200\n{spans}\
         wire:\n{wire}settings:\n  platform=cloud-run no-resource sampling=parent-based\n{settings}"
    )
}

const KEPT: &str = r#"  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK announced=P2
"#;

const STORED: &str = r#"  front-end SERVER "POST /greet" 200 id=S5
    api SERVER "POST /greet" 200
      api CLIENT "b.B/Greet" OK id=S3
        front-end SERVER "POST /b.B/Greet" 200 id=S6
          b SERVER "b.B/Greet" OK
"#;

fn called(entry: &str, inner: &str) -> String {
    format!(
        "  driver -> api https/1.1 announced={entry};o=1 traceparent: T1-S1-01\n  \
         api -> b h2 announced={inner};o=1 traceparent: T1-S3-01\n"
    )
}

/// The root causes in the permutation on Cloud Run beside the local one, with what each explains; no cause twice.
#[track_caller]
fn roots(deployed: &str, expected: &[&str]) {
    let [local, (_, checked)] = check(&format!("{LOCAL}{deployed}")).try_into().expect("two permutations");
    assert_eq!(show(&local.1), "", "{deployed}");
    let explained = |cause: usize| {
        let findings = checked.findings.iter().filter(move |finding| finding.consequence_of == Some(cause));
        let mut rules: Vec<&str> = findings.map(|finding| &*finding.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules.join(", ")
    };
    let causes = checked.findings.iter().enumerate().filter(|(_, finding)| finding.consequence_of.is_none());
    let said: Vec<String> = causes
        .map(|(at, finding)| format!("{} {} ({})", finding.level.as_str(), finding.rule, explained(at)))
        .collect();
    assert_eq!(said, expected, "{deployed}\n{}", show(&checked));
}

/// Why the permutation on Cloud Run differs: the fact, and the message up to what differs.
#[track_caller]
fn why(deployed: &str, reason: &str, message: &str) {
    let [_, (_, checked)] = check(&format!("{LOCAL}{deployed}")).try_into().expect("two permutations");
    let found = checked.findings.iter().find(|finding| finding.rule == "permutations-differ");
    let found = found.unwrap_or_else(|| panic!("they agree\n{deployed}\n{}", show(&checked)));
    assert!(found.message.starts_with(message), "{}\n{message}", found.message);
    assert_eq!(found.facts.get("reason"), Some(&Value::from(reason)), "{}", show(&checked));
}

#[test]
fn a_clean_service_agrees_on_both() {
    roots(&deployed("200", KEPT, &called("T1/P1", "T1/P2"), ""), &[]);
    roots(&deployed("200", STORED, &called("T1/S5", "T1/S6"), "  front-end spans=stored\n"), &[]);
}

/// A call that `b` or its front end did not take: what `api` made of it.
fn refused(status: u16, code: &str, headers: &str) -> String {
    let spans = format!(
        "  api SERVER \"POST /greet\" 500 status=ERROR error.type=\"500\" announced=P1\n    \
         api CLIENT \"b.B/Greet\" {code} status=ERROR error.type=\"{code}\" id=S3\n"
    );
    let wire = format!(
        "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n  \
         api -> b h2 \"POST /b.B/Greet\" {status} by-front traceparent: T1-S3-01 {headers}\n"
    );
    let settings = "  service b grpc private audience=\"https://b.example\"\nexpected:\n  api SERVER \"POST /greet\" status=UNSET\n    \
                    api CLIENT \"b.B/Greet\"\n      b SERVER \"b.B/Greet\"\n";
    deployed("500", &spans, &wire, settings)
}

fn token(audience: &str, expires: u64) -> String {
    format!(
        "authorization: \"<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud={audience} exp={expires}>\""
    )
}

const LATER: u64 = 1_600_003_600;
const LONG_AGO: u64 = 1_599_999_000;
const FAILED: &str =
    "expected-label-differs, expected-span-missing, permutations-differ, unexpected-response";

#[test]
fn a_call_that_is_refused_has_its_token_as_the_one_cause() {
    let access = "authorization: \"<bearer access token sha256:5f0c1a2b>\"";
    for (headers, status, code, rule) in [
        (String::new(), 403, "PERMISSION_DENIED", "private-call-unauthenticated"),
        (access.to_owned(), 403, "PERMISSION_DENIED", "token-audience-wrong"),
        (access.to_owned(), 401, "UNAUTHENTICATED", "token-audience-wrong"),
        (token("https://other.example", LATER), 401, "UNAUTHENTICATED", "token-audience-wrong"),
        (token("https://b.example", LONG_AGO), 401, "UNAUTHENTICATED", "token-not-refreshed"),
    ] {
        roots(&refused(status, code, &headers), &[&format!("violation {rule} ({FAILED})")]);
    }
}

#[test]
fn a_difference_names_the_header_that_arrived_and_the_policy_that_decided() {
    let text = refused(403, "PERMISSION_DENIED", "");
    why(
        &text,
        "refused-by-identity",
        "Links locally, breaks on Cloud Run, because the front end refused the call from api to b with 403 before the container, \
         and no token came with it: ",
    );
    why(
        &refused(401, "UNAUTHENTICATED", &token("https://b.example", LONG_AGO)),
        "refused-by-identity",
        "Links locally, breaks on Cloud Run, because the front end refused the call from api to b with 401 before the container, \
         and an ID token for https://b.example that had expired came with it: ",
    );
    // An account that may not call has a right token.
    let denied = refused(403, "PERMISSION_DENIED", &token("https://b.example", LATER));
    why(
        &denied,
        "refused-by-identity",
        "Links locally, breaks on Cloud Run, because the front end refused the call from api to b with 403 before the container, \
         and an ID token for https://b.example came with it: ",
    );
    why(
        &refused(404, "UNIMPLEMENTED", ""),
        "refused-by-ingress",
        "Links locally, breaks on Cloud Run, because the front end answered the call from api to b with 404, as one from outside",
    );
    for (status, why_not) in
        [(429, "no instance was free"), (503, "no instance could"), (504, "its time was over")]
    {
        let message = format!(
            "Links locally, breaks on Cloud Run, because the front end answered the call from api to b itself with {status}: {why_not}"
        );
        why(&refused(status, "UNAVAILABLE", ""), "answered-by-front-end", &message);
    }
}

#[test]
fn a_difference_that_sampling_alone_makes_is_information() {
    let off = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T1/P1;o=0 traceparent: T1-S1-01\n  \
               api -> b h2 \"POST /b.B/Greet\" OK announced=T1/P3;o=0 traceparent: T1-P2-00\n";
    let text = deployed("200 to=api", "", off, "  front-end sampling=off\n");
    roots(&text, &["information permutations-differ ()"]);
    why(
        &text,
        "sampling-turned-off",
        "Links locally, breaks on Cloud Run, because the front end and not the caller decided that the request to api is not \
         recorded: traceparent: 00-",
    );
    // It is not all that differs.
    let failed = deployed("500 to=api", "", &off.replace("\" 200", "\" 500"), "  front-end sampling=off\n");
    roots(&failed, &["violation unexpected-response (permutations-differ)"]);
    let on = deployed(
        "200 unsampled",
        KEPT,
        &called("T1/P1", "T1/P2").replacen("S1-01", "S1-00", 1),
        "  front-end sampling=on\n",
    );
    let local = "--- permutation demo/greet/platform=plain\ndriver CLIENT \"POST /greet\" 200 unsampled to=api expected=200\n";
    let [_, (_, checked)] = check(&format!("{local}{on}")).try_into().expect("two permutations");
    let said: Vec<_> =
        checked.findings.iter().map(|finding| (&*finding.rule, finding.level.as_str())).collect();
    assert_eq!(said, [("permutations-differ", "information")], "{}", show(&checked));
}

#[test]
fn a_decision_that_is_left_out_over_http2_breaks_who_reads_that_header_alone() {
    let spans = r#"  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S3
"#;
    let wire = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n  \
                api -> b h2 \"POST /b.B/Greet\" OK announced=T1/P2;o=1 x-cloud-trace-context: T1/S3;o=1\n";
    let text = deployed("200", spans, wire, "  service b grpc propagation=gcp_trace\n");
    roots(&text, &["violation permutations-differ ()"]);
    // That it is not missing locally says more than that a span is missing.
    let expected = "expected:\n  api SERVER \"POST /greet\"\n    api CLIENT \"b.B/Greet\"\n      b SERVER \"b.B/Greet\"\n";
    roots(&format!("{text}{expected}"), &["violation permutations-differ (expected-span-missing)"]);
    why(
        &text,
        "decision-left-out",
        "Links locally, breaks on Cloud Run, because over HTTP/2 the front end leaves \";o=\" out of x-cloud-trace-context, the only",
    );
}

#[test]
fn what_holds_locally_is_the_measure_however_many_break() {
    let spans = "  api SERVER \"POST /greet\" 200 announced=P1\n";
    let wire = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n";
    let one = deployed("200", spans, wire, "");
    let other = one.replace("demo/greet/", "demo/greet/export=otlp-http/");
    let checked = check(&format!("{LOCAL}{one}{other}"));
    let differ: Vec<&str> = checked
        .iter()
        .filter(|(_, checked)| checked.findings.iter().any(|finding| finding.rule == "permutations-differ"))
        .map(|(observation, _)| observation.name.as_str())
        .collect();
    assert_eq!(differ, ["demo/greet/platform=cloud-run", "demo/greet/export=otlp-http/platform=cloud-run"]);
}

const BOTH: &str = "  service api http propagation=gcp_trace,tracecontext\n";

#[test]
fn the_wrong_header_is_followed_where_a_front_end_knows_one_alone() {
    let legacy = format!("{BOTH}  front-end context=google\n");
    // It rewrites x-cloud-trace-context, and traceparent passes.
    let wire = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01 x-cloud-trace-context: T1/S1;o=1\n";
    let below = "  api SERVER \"POST /greet\" 200 announced=P1\n";
    causes(&deployed("200", below, wire, &legacy), &["context-from-wrong-header ()"]);
    // It begins a trace, as it does not read traceparent.
    let wire = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T2/P1;o=1 traceparent: T1-S1-01\n  api -> b h2 traceparent: T2-S3-01\n";
    let split = r#"api SERVER "POST /greet" 200 trace=T2 parent=?P1
  api CLIENT "b.B/Greet" OK id=S3
    b SERVER "b.B/Greet" OK
"#;
    let text = deployed("200 to=api", split, wire, &legacy);
    roots(&text, &["violation context-from-wrong-header (permutations-differ, remote-context-ignored)"]);
    why(&text, "legacy-context", "Links locally, breaks on Cloud Run, because traceparent: 00-");
}

#[test]
fn a_context_that_is_restored_past_the_front_end_leaves_its_span_alone() {
    let restored = KEPT.replace(" announced=P2", "");
    roots(
        &deployed("200", &restored, &called("T1/P1", "T1/P2"), ""),
        &["warning front-end-span-orphaned ()"],
    );
    let aside = "front-end SERVER \"POST /b.B/Greet\" 200 id=S6\n";
    let stored = STORED.replace(&format!("{aside}          b"), "b") + "        " + aside;
    let wire = called("T1/S5", "T1/S6");
    roots(&deployed("200", &stored, &wire, ""), &["warning front-end-span-orphaned ()"]);
    // One that is not its caller's is worse than one that passes over the front end.
    let elsewhere = stored.replace("        b SERVER", "      b SERVER");
    let wrong = "violation wrong-remote-parent (front-end-span-orphaned, permutations-differ)";
    roots(&deployed("200", &elsewhere, &wire, ""), &[wrong]);
}

/// A run of two requests whose last spans of `api` never came, and what happened to its process.
fn ended(events: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK announced=P2
driver CLIENT "POST /greet" 200 trace=T2 id=S5
b SERVER "b.B/Greet" OK trace=T2 parent=?P5
wire:
  driver -> api https/1.1 "POST /greet" 200 announced=T1/P1;o=1 traceparent: T1-S1-01
  api -> b h2 announced=T1/P2;o=1 traceparent: T1-S3-01
  driver -> api https/1.1 "POST /greet" 200 announced=T2/P3;o=1 traceparent: T2-S5-01
  api -> b h2 announced=T2/P5;o=1 traceparent: T2-P4-01
export:
  api otlp-grpc authorization: "<bearer access token sha256:5f0c1a2b>"
  b otlp-grpc authorization: "<bearer access token sha256:5f0c1a2b>"
process:
  api spawned
  api listening 0.0.0.0:8080
{events}settings:
  platform=cloud-run no-resource
expected:
  api SERVER "POST /greet"
    api CLIENT "b.B/Greet"
"#
    )
}

#[test]
fn what_happens_to_the_process_is_the_one_cause() {
    let lost = "entry-without-server-span, expected-span-missing, parent-not-exported";
    causes(
        &ended("  api frozen\n  api thawed\n  api frozen\n  api killed\n  api exited signal 9\n"),
        &[&format!("span-lost-when-throttled ({lost})")],
    );
    causes(
        &ended("  api frozen\n  api thawed\n  api terminated\n  api exited 0\n"),
        &[&format!("span-lost-when-throttled ({lost}, span-lost-on-shutdown)")],
    );
    causes(
        &ended("  api terminated\n  api killed\n  api exited signal 9\n"),
        &[&format!("sigterm-ignored ({lost}, span-lost-on-shutdown)")],
    );
    let clean = deployed("200", KEPT, &called("T1/P1", "T1/P2"), "");
    let loopback = clean.replace(
        "settings:",
        "process:\n  api spawned\n  api listening 127.0.0.1:8080\n  b spawned\n  b listening 0.0.0.0:8080\nsettings:",
    );
    roots(&loopback, &["violation port-ignored ()"]);
}

#[test]
fn an_unexpected_answer_is_said_to_be_of_whoever_gave_it() {
    for (by, who) in [(" by-front", "The front end before api"), ("", "api")] {
        let wire = format!("  driver -> api https/1.1 \"POST /greet\" 503{by} traceparent: T1-S1-01\n");
        let checked = check(&deployed("503 to=api", "", &wire, ""));
        let messages: Vec<&str> = checked
            .iter()
            .flat_map(|(_, checked)| &checked.findings)
            .filter(|finding| &*finding.rule == "unexpected-response")
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(messages, [format!("{who} answered 503 where the suite expects 200.")]);
    }
}
