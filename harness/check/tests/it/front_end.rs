//! Right services behind a front end: whatever it announces, keeps, decides or refuses, no rule speaks.

use crate::verdicts::causes;

/// A request to `api` and its call to `b`: what the driver's line says, the spans below it, the exchanges, the settings.
fn text(driver: &str, spans: &str, wire: &str, settings: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" {driver} id=S1
{spans}wire:
{wire}settings:
  project="demo" sampling=parent-based platform=cloud-run no-resource
{settings}"#
    )
}

const SERVICES: &str = "  service api http propagation=gcp_trace,tracecontext\n  \
                        service b grpc propagation=gcp_trace,tracecontext\n";

const KEPT: &str = r#"  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK announced=P2
        b INTERNAL "work"
"#;

const STORED: &str = r#"  front-end SERVER "POST /greet" 200 id=S11
    api SERVER "POST /greet" 200
      api CLIENT "b.B/Greet" OK id=S3
        front-end SERVER "POST /b.B/Greet" 200 id=S12
          b SERVER "b.B/Greet" OK
            b INTERNAL "work"
"#;

/// The exchanges of the two, with what the front end announces for each.
fn wire(sent: &str, announced: [&str; 2], flags: &str) -> String {
    let [entry, inner] = announced;
    format!(
        "  driver -> api https/1.1 announced={entry};o={flags} traceparent: T1-S1-{sent}\n  \
         api -> b h2 announced={inner};o={flags} traceparent: T1-S3-0{flags} x-cloud-trace-context: T1/S3;o={flags}\n"
    )
}

#[test]
fn its_spans_are_nobodys_fault() {
    causes(&text("200", KEPT, &wire("01", ["T1/P1", "T1/P2"], "1"), SERVICES), &[]);
    causes(&text("200", STORED, &wire("01", ["T1/S11", "T1/S12"], "1"), SERVICES), &[]);
    // What a suite expects directly below a caller is there.
    let expected = format!(
        "{SERVICES}expected:\n  api SERVER \"POST /greet\"\n    api CLIENT \"b.B/Greet\"\n      b SERVER \"b.B/Greet\"\n"
    );
    causes(&text("200", KEPT, &wire("01", ["T1/P1", "T1/P2"], "1"), &expected), &[]);
    causes(&text("200", STORED, &wire("01", ["T1/S11", "T1/S12"], "1"), &expected), &[]);
    // Without the exchanges, or what the services are configured for.
    let unseen = text("200", STORED, "", SERVICES).replace("wire:\n", "");
    causes(&unseen, &[]);
    causes(&text("200", KEPT, &wire("01", ["T1/P1", "T1/P2"], "1"), ""), &[]);
    causes(&text("200", STORED, &wire("01", ["T1/S11", "T1/S12"], "1"), ""), &[]);
}

#[test]
fn requests_under_way_at_once_are_told_apart() {
    let request = |trace: &str, one: [&str; 6]| {
        let [driver, caller, entry, inner, marker, during] = one;
        let spans = format!(
            "driver CLIENT \"POST /greet\" 200 trace={trace} id={driver} marker=\"{marker}\" {during}\n  \
             api SERVER \"POST /greet\" 200 announced={entry}\n    api CLIENT \"b.B/Greet\" OK id={caller}\n      \
             b SERVER \"b.B/Greet\" OK announced={inner}\n"
        );
        let wire = format!(
            "  driver -> api https/1.1 announced={trace}/{entry};o=1 traceparent: {trace}-{driver}-01\n  \
             api -> b h2 announced={trace}/{inner};o=1 traceparent: {trace}-{caller}-01\n"
        );
        (spans, wire)
    };
    let (first, at_first) = request("T1", ["S1", "S2", "P1", "P2", "ada", ""]);
    let (second, at_second) = request("T2", ["S3", "S4", "P3", "P4", "bob", "during=S1"]);
    let settings = format!("settings:\n  platform=cloud-run no-resource sampling=parent-based\n{SERVICES}");
    causes(&format!("{first}{second}wire:\n{at_first}{at_second}{settings}"), &[]);
}

#[test]
fn it_decides_what_is_recorded() {
    // On: the caller did not ask for it.
    causes(&text("200 unsampled", KEPT, &wire("00", ["T1/P1", "T1/P2"], "1"), SERVICES), &[]);
    causes(&text("200 unsampled", STORED, &wire("00", ["T1/S11", "T1/S12"], "1"), SERVICES), &[]);
    // Off: the services say so in turn, and expected spans are due from nobody.
    let off = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T1/P1;o=0 traceparent: T1-S1-01\n  \
               api -> b h2 \"POST /b.B/Greet\" OK announced=T1/P3;o=0 traceparent: T1-P2-00\n";
    let expected = format!("{SERVICES}expected:\n  api SERVER \"POST /greet\"\n");
    causes(&text("200 to=api", "", off, &expected), &[]);
    let rate = off.replace("traceparent: T1-S1-01", "").replace("T1", "T2");
    causes(&text("200 no-context to=api", "", &rate, &expected), &[]);
    let logs = format!(
        "{SERVICES}logs:\n  api: {{\"severity\":\"INFO\",\"message\":\"m\",\"logging.googleapis.com/trace\":\"projects/demo/traces/{{T1}}\",\"logging.googleapis.com/spanId\":\"{{P2}}\",\"logging.googleapis.com/trace_sampled\":false}}\n"
    );
    causes(&text("200 to=api", "", off, &logs), &[]);
    causes(&text("200 to=api", "", off, &logs.replace("false", "true")), &["log-sampled-wrong ()"]);
    // At the inner call alone, as by a rate.
    let rate = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T1/P1;o=0 traceparent: T1-S1-00\n  \
                api -> b h2 announced=T1/P3;o=1 traceparent: T1-P2-00\n";
    causes(&text("200 unsampled to=api", "b SERVER \"b.B/Greet\" OK parent=?P3\n", rate, SERVICES), &[]);
    // Nobody else does.
    let recorded = "  api SERVER \"POST /greet\" 200 announced=P1\n";
    let unasked = "  driver -> api https/1.1 announced=T1/P1;o=0 traceparent: T1-S1-01\n";
    causes(&text("200", recorded, unasked, SERVICES), &["sampled-flag-flipped ()"]);
    let missing = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T1/P1;o=1 traceparent: T1-S1-00\n";
    causes(&text("200 unsampled to=api", "", missing, SERVICES), &["nothing-received ()"]);
}

#[test]
fn it_leaves_the_decision_open_over_http2() {
    let services = "  service api grpc propagation=gcp_trace\n  service b grpc propagation=gcp_trace\n";
    let wire = |entry: &str, inner: &str| {
        format!(
            "  driver -> api h2 \"POST /a.A/Greet\" OK announced=T1/P1{entry} x-cloud-trace-context: T1/S1;o=1\n{inner}"
        )
    };
    let whole = r#"  api SERVER "a.A/Greet" OK announced=P1
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK announced=P2
"#;
    let called = "  api -> b h2 announced=T1/P2;o=1 x-cloud-trace-context: T1/S3;o=1\n";
    for open in ["", ";o=1"] {
        let entry = text("OK", whole, &wire(open, called), services).replace("POST /greet", "a.A/Greet");
        causes(&entry, &[]);
        let silent = text("OK to=api", "", &wire(open, ""), services).replace("POST /greet", "a.A/Greet");
        causes(&silent, &[]);
    }
}

#[test]
fn it_begins_traces_and_lets_traceparent_through() {
    let kept = "api SERVER \"POST /greet\" 200 trace=T2 parent=?P1\n";
    let stored = "front-end SERVER \"POST /greet\" 200 trace=T2 id=S2\n  api SERVER \"POST /greet\" 200\n";
    let entry = |announced: &str| {
        format!("  driver -> api https/1.1 \"POST /greet\" 200 announced={announced};o=1\n")
    };
    causes(&text("200 no-context to=api", kept, &entry("T2/P1"), SERVICES), &[]);
    causes(&text("200 no-context to=api", stored, &entry("T2/S2"), SERVICES), &[]);
    // One that knows X-Cloud-Trace-Context alone.
    let legacy = format!("{SERVICES}  front-end context=google\n");
    let passed = "  api SERVER \"POST /greet\" 200\n";
    let both = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01 x-cloud-trace-context: T1/S1;o=1\n";
    causes(&text("200", passed, both, &legacy), &[]);
    let w3c = "  driver -> api https/1.1 announced=T2/P1;o=1 traceparent: T1-S1-01\n";
    causes(&text("200", passed, w3c, &legacy), &[]);
    let google = "  service api http propagation=gcp_trace\n  front-end context=google\n";
    let rewritten = "  api SERVER \"POST /greet\" 200 announced=P1\n";
    let sent = "  driver -> api https/1.1 announced=T1/P1;o=1 x-cloud-trace-context: T1/S1;o=1\n";
    causes(&text("200", rewritten, sent, google), &[]);
}

#[test]
fn it_translates_between_formats() {
    let w3c = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n  \
               api -> b h2 announced=T1/P2;o=1 traceparent: T1-S3-01\n";
    let google = "  service api http\n  service b grpc propagation=gcp_trace\n";
    causes(&text("200", KEPT, w3c, google), &[]);
    // One that knows the other format alone begins another trace.
    let spans = "  api SERVER \"POST /greet\" 200\n    api CLIENT \"b.B/Greet\" OK id=S3\n\
                 b SERVER \"b.B/Greet\" OK trace=T2 parent=?P2\n";
    let legacy = w3c.replace("announced=T1/P1", "announced=T3/P1").replace("T1/P2;o=1", "T2/P2");
    let google = format!("{google}  front-end context=google\n");
    causes(&text("200", spans, &legacy, &google), &["unsupported-context-format (trace-split)"]);
}

#[test]
fn its_spans_stand_for_no_span_of_a_service() {
    let stored = "  front-end SERVER \"POST /greet\" 200 id=S2\n";
    let entry = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T1/S2;o=1 traceparent: T1-S1-01\n";
    causes(&text("200 to=api", stored, entry, SERVICES), &["nothing-received ()"]);
    // What stands in its trace belongs to the request.
    let work = "api INTERNAL \"work\" trace=T2 parent=?P1\n";
    let began = "  driver -> api https/1.1 \"POST /greet\" 200 announced=T2/P1;o=1\n";
    causes(
        &text("200 no-context to=api", work, began, SERVICES),
        &["kind-missing (hop-without-server-span)"],
    );
}

#[test]
fn it_answers_by_itself() {
    for (status, code) in [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "UNIMPLEMENTED")]
        .into_iter()
        .chain([429, 503, 504].map(|status| (status, "UNAVAILABLE")))
    {
        let entry =
            format!("  driver -> api https/1.1 \"POST /greet\" {status} by-front traceparent: T1-S1-01\n");
        causes(&text(&format!("{status} to=api expected={status}"), "", &entry, SERVICES), &[]);
        let stored = format!("  front-end SERVER \"POST /greet\" {status} id=S2\n");
        let announced = entry.replace("traceparent", "announced=T1/S2;o=1 traceparent");
        causes(&text(&format!("{status} to=api expected={status}"), &stored, &announced, SERVICES), &[]);
        // The caller of a refused call has its span, and the service that is called has none.
        let spans = format!(
            "  api SERVER \"POST /greet\" 500 status=ERROR error.type=\"500\" announced=P1\n    \
             api CLIENT \"b.B/Greet\" {code} status=ERROR error.type=\"{code}\" id=S3\n"
        );
        let inner = format!(
            "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n  \
             api -> b h2 \"POST /b.B/Greet\" {status} by-front traceparent: T1-S3-01\n"
        );
        causes(&text("500 expected=500", &spans, &inner, SERVICES), &[]);
    }
    // Its patience ended while the service was at work.
    let late = "  front-end SERVER \"POST /greet\" 504 id=S2\n    api SERVER \"POST /greet\" 200\n";
    let entry = "  driver -> api https/1.1 504 by-front announced=T1/S2;o=1 traceparent: T1-S1-01\n";
    causes(&text("504", late, entry, SERVICES), &[]);
    // An attempt that no instance took, and one that an instance did.
    let retried = r#"  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S3
      front-end SERVER "POST /b.B/Greet" 503 id=S4
      front-end SERVER "POST /b.B/Greet" 200 id=S5
        b SERVER "b.B/Greet" OK
"#;
    let attempts = "  driver -> api https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01\n  \
                    api -> b h2 \"POST /b.B/Greet\" 503 by-front announced=T1/S4;o=1 traceparent: T1-S3-01\n  \
                    api -> b h2 announced=T1/S5;o=1 traceparent: T1-S3-01\n";
    causes(&text("200", retried, attempts, SERVICES), &[]);
}

#[test]
fn a_private_service_is_called_with_a_token_through_its_whole_life() {
    let token =
        "<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud=https://b.example exp=1600003600>";
    let wire = wire("01", ["T1/P1", "T1/P2"], "1")
        .replace("x-cloud", &format!("authorization: \"{token}\" x-cloud"));
    let rest = format!(
        r#"{SERVICES}  front-end region="us-central1"
process:
  api spawned
  api listening 0.0.0.0:8080
  b spawned
  b listening [::]:8080
  api frozen
  b frozen
  api thawed
  api terminated
  api exited 0
  b thawed
  b terminated
  b exited signal 15
"#
    );
    let private = rest.replace("service b grpc", "service b grpc private audience=\"https://b.example\"");
    causes(&text("200", KEPT, &wire, &private), &[]);
}

#[test]
fn a_caller_that_never_arrived_is_missed_behind_it_too() {
    let spans = "  api SERVER \"POST /greet\" 200 announced=P1\nb SERVER \"b.B/Greet\" OK parent=?P2\n";
    let wire = |flag: &str, announced: &str| {
        format!(
            "  driver -> api https/1.1 announced=T1/P1;o={flag} traceparent: T1-S1-0{flag}\n  \
             api -> b h2 announced={announced};o=1 traceparent: T1-P3-0{flag}\n"
        )
    };
    causes(&text("200", spans, &wire("1", "T1/P2"), SERVICES), &["parent-not-exported ()"]);
    let stored = "  api SERVER \"POST /greet\" 200 announced=P1\nfront-end SERVER \"POST /b.B/Greet\" 200 id=S4 parent=?P3\n  b SERVER \"b.B/Greet\" OK\n";
    causes(&text("200", stored, &wire("1", "T1/S4"), SERVICES), &["parent-not-exported ()"]);
}
