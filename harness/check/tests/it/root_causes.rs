//! One defect is one root cause, and everything that follows from it is folded under it.

use spanwise_check::{Engine, Levels, Profile};
use spanwise_model::{Level, Stamps, Verdict, notation};

use crate::support::{check, check_all, show};
use crate::verdicts::causes;

const LINKED: &str = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT traceparent: T1-S3-01
"#;

const WITHOUT_PROPAGATOR: &str = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT
"#;

const WITHOUT_CLIENT_SPAN: &str = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT
"#;

const DEAD_CONTEXT: &str = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P1
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT traceparent: T1-P1-01
"#;

const UNSAMPLED_LINKED: &str = r#"
driver CLIENT "POST /greet" 200 unsampled id=S1 to=api-service
wire:
  driver -> api-service IN "POST /greet" 200 traceparent: T1-S1-00
  api-service -> backend-service OUT "POST /backend_service.v1.BackendService/Greet" OK traceparent: T1-P2-00
"#;

const UNSAMPLED_WITHOUT_PROPAGATOR: &str = r#"
driver CLIENT "POST /greet" 200 unsampled id=S1 to=api-service
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service IN "POST /greet" 200 traceparent: T1-S1-00
  api-service -> backend-service OUT
"#;

const GIVEN_UP_LINKED: &str = r#"
driver CLIENT "POST /greet" 504 id=S1
  api-service SERVER "POST /greet" 504 status=ERROR error.type="504"
    api-service CLIENT "backend_service.v1.BackendService/Greet" DEADLINE_EXCEEDED status=ERROR error.type="DEADLINE_EXCEEDED" id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" CANCELLED
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT no-answer canceled traceparent: T1-S3-01
"#;

const GIVEN_UP_WITHOUT_PROPAGATOR: &str = r#"
driver CLIENT "POST /greet" 504 id=S1
  api-service SERVER "POST /greet" 504 status=ERROR error.type="504"
    api-service CLIENT "backend_service.v1.BackendService/Greet" DEADLINE_EXCEEDED status=ERROR error.type="DEADLINE_EXCEEDED"
backend-service SERVER "backend_service.v1.BackendService/Greet" CANCELLED trace=T2
wire:
  driver -> api-service IN traceparent: T1-S1-01
  api-service -> backend-service OUT no-answer canceled
"#;

/// Eight permutations over the channels and two exporters; `broken` where the inner channel is secure.
fn group(linked: &str, broken: &str) -> String {
    let mut text = String::new();
    for export in ["otlp-grpc", "gcp_trace"] {
        for (channel_in, transport_in) in [("insecure", "http/1.1"), ("secure", "https/1.1")] {
            for (channel_out, transport_out, tree) in [("insecure", "h2c", linked), ("secure", "h2", broken)]
            {
                text += &format!(
                    "--- permutation demo/greet/channel-in={channel_in}/channel-out={channel_out}/export={export}\n"
                );
                text += &tree
                    .replace(" IN", &format!(" {transport_in}"))
                    .replace(" OUT", &format!(" {transport_out}"));
            }
        }
    }
    text
}

#[track_caller]
fn check_group(linked: &str, broken: &str) {
    for (observation, checked) in check(&group(linked, broken)) {
        let roots: Vec<_> = checked.root_causes().collect();
        if observation.name.contains("channel-out=insecure") {
            assert!(checked.findings.is_empty(), "{}\n{}", observation.name, show(&checked));
            continue;
        }
        let [root] = roots.as_slice() else { panic!("{}\n{}", observation.name, show(&checked)) };
        assert_eq!(root.rule, "secure-channel-unlinked");
        let hop = root.hop.as_ref().expect("the hop is named");
        assert_eq!((&*hop.from, &*hop.to, &*hop.transport), ("api-service", "backend-service", "h2"));
        assert!(checked.findings.len() > 1, "its consequences are kept\n{}", show(&checked));
        assert_eq!(checked.verdicts["permutations-differ"], Verdict::Fail, "explained rules stay failed");
    }
}

#[test]
fn a_propagator_dropped_on_the_secure_channel_is_one_root_cause() {
    check_group(LINKED, WITHOUT_PROPAGATOR);
}

#[test]
fn so_is_an_instrumentation_that_sees_insecure_channels_only() {
    check_group(LINKED, WITHOUT_CLIENT_SPAN);
}

#[test]
fn so_is_a_span_that_is_lost_on_the_secure_channel() {
    check_group(LINKED, DEAD_CONTEXT);
}

#[test]
fn so_is_an_unsampled_request_whose_decision_is_dropped() {
    check_group(UNSAMPLED_LINKED, UNSAMPLED_WITHOUT_PROPAGATOR);
}

#[test]
fn so_is_a_call_that_was_given_up_unanswered() {
    check_group(GIVEN_UP_LINKED, GIVEN_UP_WITHOUT_PROPAGATOR);
}

/// A call without a context, as the front end hands it on.
const DEPLOYED_WITHOUT_PROPAGATOR: &str = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 announced=P1
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 parent=?P2
wire:
  driver -> api-service https/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01
  api-service -> backend-service h2 announced=T2/P2;o=1
settings:
  platform=cloud-run no-resource
"#;

/// What is said of the permutation on Cloud Run, where channels are secure, beside those of plain processes.
#[track_caller]
fn check_deployed(plain: &[(&str, &str)], expected: &[&str]) {
    let mut text = String::new();
    for (channel, tree) in plain {
        let (transport_in, transport_out) =
            if *channel == "secure" { ("https/1.1", "h2") } else { ("http/1.1", "h2c") };
        let tree =
            tree.replace(" IN", &format!(" {transport_in}")).replace(" OUT", &format!(" {transport_out}"));
        text += &format!(
            "--- permutation demo/greet/channel-in={channel}/channel-out={channel}/platform=plain{tree}"
        );
    }
    text += "--- permutation demo/greet/channel-in=secure/channel-out=secure/platform=cloud-run";
    text += DEPLOYED_WITHOUT_PROPAGATOR;
    let (observation, checked) = check(&text).pop().expect("the last one");
    let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
    assert_eq!(roots, expected, "{}\n{}", observation.name, show(&checked));
}

#[test]
fn on_cloud_run_the_secure_channel_is_measured_against_the_insecure_one_without_it() {
    let measured = [("insecure", LINKED), ("secure", WITHOUT_PROPAGATOR)];
    check_deployed(&measured, &["secure-channel-unlinked"]);
    // Without the platform the secure channel holds, so it is not the channel.
    check_deployed(&[("insecure", LINKED), ("secure", LINKED)], &["context-not-sent"]);
    // Whether it is the channel or the platform is not known.
    check_deployed(&[("insecure", LINKED)], &["context-not-sent"]);
}

#[test]
fn so_it_is_where_nothing_tells_whose_calls_they_are() {
    let concurrent = |name: &str, inner: &str, wire: &str, settings: &str| {
        let text = format!(
            "driver CLIENT \"POST /greet\" 200 id=S1\n  api-service SERVER \"POST /greet\" 200 id=S2{inner}driver CLIENT \"POST /greet\" 200 \
             trace=T2 id=S3 during=S2\n  api-service SERVER \"POST /greet\" 200 id=S4{wire}{settings}"
        );
        let mut observation = notation::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        observation.name = name.to_owned();
        let inner = observation.wire[1].stamps;
        for tap in &mut observation.wire[2..] {
            tap.stamps = Stamps { begun: inner.begun + 1, ended: inner.ended - 1, ..tap.stamps };
        }
        observation
    };
    let linked = concurrent(
        "demo/greet/channel-out=insecure/platform=plain",
        "\n    api-service CLIENT \"b.B/Greet\" OK id=S5\n      b SERVER \"b.B/Greet\" OK\n",
        "\n    api-service CLIENT \"b.B/Greet\" OK id=S6\n      b SERVER \"b.B/Greet\" OK\nwire:\n  \
         driver -> api-service http/1.1 traceparent: T1-S1-01\n  driver -> api-service http/1.1 traceparent: T2-S3-01\n  \
         api-service -> b h2c traceparent: T1-S5-01\n  api-service -> b h2c traceparent: T2-S6-01\n",
        "",
    );
    let broken = |name: &str, announced: [&str; 4], parents: [&str; 2], settings: &str| {
        let [first, second, third, fourth] = announced;
        let wire = format!(
            "\n    api-service CLIENT \"b.B/Greet\" OK\nb SERVER \"b.B/Greet\" OK trace=T3 during=S4{}\n\
             b SERVER \"b.B/Greet\" OK trace=T4 during=S4{}\nwire:\n  \
             driver -> api-service https/1.1{first} traceparent: T1-S1-01\n  \
             driver -> api-service https/1.1{second} traceparent: T2-S3-01\n  \
             api-service -> b h2{third}\n  api-service -> b h2{fourth}\n",
            parents[0], parents[1]
        );
        concurrent(name, "\n    api-service CLIENT \"b.B/Greet\" OK\n", &wire, settings)
    };
    let plain = broken("demo/greet/channel-out=secure/platform=plain", [""; 4], [""; 2], "");
    let deployed = broken(
        "demo/greet/channel-out=secure/platform=cloud-run",
        ["", "", " announced=T3/P3;o=1", " announced=T4/P4;o=1"],
        [" parent=?P3", " parent=?P4"],
        "settings:\n  platform=cloud-run no-resource\n",
    );
    let checked = check_all(vec![linked, plain, deployed]);
    for (observation, checked) in &checked[1..] {
        let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
        assert_eq!(roots, ["secure-channel-unlinked"], "{}\n{}", observation.name, show(checked));
    }
}

#[test]
fn a_defect_on_both_channels_is_not_put_down_to_the_secure_one() {
    let text = group(LINKED, WITHOUT_PROPAGATOR).replace(LINKED.replace(" IN", " http/1.1").as_str(), "");
    let both = text.split("--- permutation").skip(1).map(|one| {
        let (name, _) = one.split_once('\n').expect("a name");
        let transport = if name.contains("channel-out=secure") { " h2" } else { " h2c" };
        format!(
            "--- permutation{name}\n{}",
            WITHOUT_PROPAGATOR.replace(" IN", " http/1.1").replace(" OUT", transport)
        )
    });
    for (observation, checked) in check(&both.collect::<String>()) {
        let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
        assert_eq!(roots, ["context-not-sent"], "{}\n{}", observation.name, show(&checked));
    }
}

#[test]
fn what_happens_behind_a_broken_call_follows_from_it() {
    let text = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK
b SERVER "b.B/Greet" OK trace=T2
  b CLIENT "c.C/Greet" OK id=S5
    c SERVER "c.C/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c
  b -> c h2c traceparent: T2-S5-01
"#;
    let [(_, checked)] = check(text).try_into().expect("one permutation");
    let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
    assert_eq!(roots, ["context-not-sent"], "{}", show(&checked));
}

#[test]
fn labels_and_status_explain_nothing_of_another_span_or_another_label() {
    // A code of its own below a wrong one.
    let status = r#"
driver CLIENT "b.B/Greet" UNKNOWN id=S1
  b SERVER "b.B/Greet" OK
    b CLIENT "c.C/Read" NOT_FOUND error.type="NOT_FOUND"
wire:
  driver -> b h2c UNKNOWN traceparent: T1-S1-01
"#;
    causes(status, &["grpc-client-error-unset ()", "status-code-label-wrong (grpc-server-error-unset)"]);
    let names = r#"
api SERVER "GET /users/123456" 200
  api CLIENT "HTTP GET" 200 http.request.method="GET" server.address="h" server.port=80 url.full="http://h/x"
"#;
    causes(names, &["span-name-high-cardinality ()", "span-name-not-conventional ()"]);
    let labels = r#"
api SERVER "POST /greet" 200 http.method="GET" http.scheme="http" http.target="/greet" http.status_code=200
"#;
    let old = "deprecated-label ()";
    causes(labels, &["deprecated-label ()", old, old, "conventions-mixed (deprecated-label)"]);
    // The same concept under a name of another generation.
    let code = r#"
driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200
    api CLIENT "b.B/Greet" UNKNOWN id=S3 status=ERROR error.type="UNKNOWN"
      b SERVER "b.B/Greet" rpc.grpc.status_code=0 rpc.system="grpc"
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
  api -> b h2c UNKNOWN traceparent: T1-S3-01
"#;
    let checked = check(code).remove(0).1;
    let explained = checked.findings.iter().find(|finding| finding.rule == "label-values-disagree");
    let cause =
        explained.and_then(|finding| finding.consequence_of).map(|cause| &*checked.findings[cause].rule);
    assert_eq!(cause, Some("status-code-label-wrong"), "{}", show(&checked));
}

#[test]
fn calls_without_context_are_found_under_concurrent_load_too() {
    let text = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
    api-service CLIENT "b.B/Greet" OK
driver CLIENT "POST /greet" 200 trace=T2 id=S3 during=S2
  api-service SERVER "POST /greet" 200 id=S4
    api-service CLIENT "b.B/Greet" OK
b SERVER "b.B/Greet" OK trace=T3 during=S4
b SERVER "b.B/Greet" OK trace=T4 during=S4
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  driver -> api-service http/1.1 traceparent: T2-S3-01
  api-service -> b h2c
  api-service -> b h2c
"#;
    let mut observation = notation::parse(text).expect("the notation");
    // The notation has no times for calls without context: both are made while both requests are in flight.
    let inner = observation.wire[1].stamps;
    for tap in &mut observation.wire[2..] {
        tap.stamps = Stamps { begun: inner.begun + 1, ended: inner.ended - 1, ..tap.stamps };
    }
    let [(_, checked)] = check_all(vec![observation]).try_into().expect("one permutation");
    let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
    assert_eq!(roots, ["context-not-sent", "context-not-sent"], "{}", show(&checked));
    assert_eq!(checked.verdicts["trace-split"], Verdict::NotObserved, "whose calls they are is not known");
}

#[test]
fn a_finding_does_not_explain_a_worse_one() {
    let mut levels = Levels::default();
    levels.set("context-not-sent", None, Level::Information);
    let text = WITHOUT_PROPAGATOR.replace(" IN", " http/1.1").replace(" OUT", " h2c");
    let observation = notation::parse(&text).expect("the notation");
    let checked = Engine::new(Profile::Otel).with_levels(levels).check(&observation);
    let roots: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
    assert_eq!(roots, ["trace-split", "context-not-sent"]);
    assert!(checked.fails(Profile::Otel));
}

#[test]
fn without_its_partner_a_differential_rule_is_not_observed() {
    let text = LINKED.replace(" IN", " http/1.1").replace(" OUT", " h2c");
    let [(_, checked)] = check(&text).try_into().expect("one permutation");
    assert_eq!(checked.verdicts["secure-channel-unlinked"], Verdict::NotObserved);
}

#[test]
fn without_its_evidence_a_rule_is_not_observed_and_without_its_subject_not_applicable() {
    let [(_, checked)] = check("api-service SERVER \"POST /greet\" 200").try_into().expect("one permutation");
    assert_eq!(checked.verdicts["context-not-sent"], Verdict::NotObserved);
    assert_eq!(checked.verdicts["link-unresolved"], Verdict::NotApplicable);
    assert_eq!(checked.verdicts["zero-parent-id"], Verdict::Pass);
}

#[test]
fn a_span_of_the_wrong_kind_explains_that_the_entry_service_has_no_server_span() {
    let text = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service INTERNAL "POST /greet"
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c traceparent: T1-S3-01
"#;
    causes(text, &["kind-missing (entry-without-server-span)"]);
}

#[test]
fn a_damaged_span_id_explains_that_log_lines_name_it_as_it_was_made() {
    let text = r#"
driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200 id=zero
    | malformed span unreadable "f067aa0ba902b7"
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
logs:
  api: {"severity":"INFO","logging.googleapis.com/trace":"{T1}","logging.googleapis.com/spanId":"{P5}","logging.googleapis.com/trace_sampled":true}
"#;
    causes(text, &["invalid-id (log-span-unknown)"]);
}
