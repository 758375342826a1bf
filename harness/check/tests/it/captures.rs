//! What can be said of linkage where spans are all there is.

use spanwise_model::Verdict;

use crate::support::{check, check_all, show};

#[track_caller]
fn roots(text: &str, expected: &[(&str, &str)]) {
    let text = format!("{text}settings:\n  capture\n");
    let [(_, checked)] = check(&text).try_into().expect("one observation");
    let found: Vec<_> = checked.root_causes().map(|f| (&*f.rule, f.level.as_str())).collect();
    assert_eq!(found, expected, "{}", show(&checked));
}

#[test]
fn a_parent_known_to_be_local_must_be_there() {
    roots("api-service INTERNAL \"work\" parent=?P1 remote=false\n", &[("parent-not-exported", "violation")]);
    roots("api-service INTERNAL \"work\" parent=?P1 remote=true\n", &[("kind-missing", "violation")]);
    roots("api-service SERVER \"POST /greet\" 200 parent=?P1 remote=unknown\n", &[]);
    roots(
        "api-service INTERNAL \"work\" parent=?P1 remote=unknown\n",
        &[("parent-not-exported", "violation")],
    );
}

#[test]
fn below_the_entry_a_remote_parent_must_be_there() {
    let text = r#"
api-service SERVER "POST /greet" 200 parent=?P1
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P2
"#;
    roots(text, &[("parent-not-exported", "violation")]);
}

#[test]
fn one_service_may_be_called_several_times_from_outside() {
    let text = r#"
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P1
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P2
"#;
    roots(text, &[]);
}

#[test]
fn a_root_inside_the_one_call_of_the_same_method_is_suspected() {
    let text = r#"
api-service SERVER "POST /greet" 200
  api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 during=S2
"#;
    roots(text, &[("trace-split", "warning")]);
}

#[test]
fn a_root_inside_a_request_that_made_no_call_is_worth_knowing() {
    let text = r#"
api-service SERVER "POST /greet" 200 id=S1
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 during=S1
"#;
    roots(text, &[("trace-split", "information")]);
}

#[test]
fn a_root_beside_a_call_of_another_method_is_not_suspected() {
    let text = r#"
api-service SERVER "POST /greet" 200
  api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
backend-service SERVER "backend_service.v1.BackendService/GreetMany" OK trace=T2 during=S2
"#;
    roots(text, &[]);
}

#[test]
fn clocks_that_differ_do_not_make_a_service_the_entry() {
    // The backend's clock is behind: its span seems to begin first, but the other one has no parent at all.
    let text = r#"
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P1
api-service SERVER "POST /greet" 200
"#;
    roots(text, &[("parent-not-exported", "violation")]);
}

#[test]
fn without_names_only_the_first_span_is_known_to_be_the_entry() {
    let text = r#"
? SERVER "GET /x" 200 parent=?P1 remote=unknown
? SERVER "b.B/Greet" OK parent=?P2 remote=unknown
settings:
  capture
"#;
    let [(_, checked)] = check(text).try_into().expect("one observation");
    let found: Vec<_> = checked.root_causes().map(|f| (&*f.rule, f.level.as_str())).collect();
    assert_eq!(found, [("service-label-missing", "violation")], "{}", show(&checked));
}

#[test]
fn a_root_is_not_suspected_of_a_call_to_another_path_or_of_one_that_ended_long_before() {
    let call = "api-service SERVER \"POST /greet\" 200\n  api-service CLIENT \"GET\" 200 id=S2 url.full=\"http://b/items/7\"\n";
    let root = |path: &str| format!("{call}b SERVER \"GET\" 200 url.path=\"{path}\" trace=T2 during=S2\n");
    roots(&root("/items/7"), &[("trace-split", "warning")]);
    roots(&root("/7"), &[("trace-split", "warning")]);
    roots(&root("/orders"), &[]);
}

#[test]
fn a_request_that_made_its_calls_deeper_below_is_not_suspected() {
    let text = r#"
api-service SERVER "POST /greet" 200 id=S1
  api-service INTERNAL "handler"
    api-service CLIENT "GET" 200
      other SERVER "GET /a" 200
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 during=S1
"#;
    roots(text, &[]);
}

#[test]
fn every_trace_has_findings_of_its_own() {
    let text = r#"
api-service SERVER "POST /greet" 200 !url.path
api-service SERVER "POST /greet" 200 !url.path trace=T2
"#;
    let missing = ("required-http-label-missing", "violation");
    roots(text, &[missing, missing]);
    let text = "api-service UNSPECIFIED \"a\"\napi-service UNSPECIFIED \"a\" trace=T2\n";
    roots(text, &[("kind-missing", "violation"), ("kind-missing", "violation")]);
}

#[test]
fn a_caller_outside_may_call_several_services() {
    let text = |second: &str| {
        format!(
            "api-service SERVER \"GET /a\" 200 parent=?P1\nbackend-service SERVER \"GET /b\" 200 parent=?{second}\n"
        )
    };
    roots(&text("P1"), &[]);
    roots(&text("P2"), &[("parent-not-exported", "violation")]);
}

#[test]
fn a_parent_that_is_said_to_be_local_is_so_although_its_resource_is_another() {
    let text = |remote: bool| {
        format!("api-service SERVER \"POST /greet\" 200\n  api-cache INTERNAL \"lookup\" remote={remote}\n")
    };
    roots(&text(false), &[]);
    roots(&text(true), &[("kind-missing", "violation")]);
}

#[test]
fn an_unreadable_id_leaves_children_without_a_parent() {
    let text = |id: &str| {
        format!(
            "api-service SERVER \"POST /greet\" 200{id}\napi-service INTERNAL \"work\" parent=?P1 remote=false\n"
        )
    };
    let unreadable = " id=zero\n  | malformed span unreadable \"f067aa0ba902b7\"";
    roots(&text(unreadable), &[("invalid-id", "violation")]);
    roots(&text(""), &[("parent-not-exported", "violation")]);
}

#[test]
fn the_habit_of_an_exporter_is_one_finding_a_trace() {
    let base64 = "\n    | malformed span base64 \"AAAAAAAAAAE=\"\n";
    let text = format!("a INTERNAL \"x\"{base64}  a INTERNAL \"y\"{base64}a INTERNAL \"z\" trace=T2{base64}");
    roots(&text, &[("invalid-id", "information"), ("invalid-id", "information")]);
    let steps = "  api UNSPECIFIED \"step\"\n".repeat(3);
    let server = "api SERVER \"GET /a\" 200\n";
    roots(&format!("{server}{steps}"), &[("kind-missing", "violation")]);
    // An exporter that knows INTERNAL left these three out.
    let internal = format!("{server}{steps}  api INTERNAL \"step\"\n");
    roots(&internal, &[("kind-missing", "violation"); 3]);
}

#[test]
fn a_link_into_another_capture_is_not_observed() {
    let link = "worker CONSUMER \"orders process\"\n  | link T2/P1\n";
    let there = "shop PRODUCER \"orders send\" trace=T2\n";
    let run = "driver CLIENT \"GET /a\" 200 trace=T3\n  api SERVER \"GET /a\" 200\n";
    for (text, expected) in [
        (link.to_owned(), Verdict::NotObserved),
        (format!("{link}{there}"), Verdict::Fail),
        (format!("{link}{run}"), Verdict::Fail),
    ] {
        let [(_, checked)] = check(&text).try_into().expect("one observation");
        assert_eq!(checked.verdicts["link-unresolved"], expected, "{text}");
    }
}

#[test]
fn a_refused_metadata_key_shows_on_the_span_of_the_call() {
    let key = [("uppercase-metadata-key", "violation")];
    for (client, said, expected) in [
        ("\"b.B/Greet\" INTERNAL", "Invalid metadata", &key[..]),
        (
            "\"b.B/Greet\" INTERNAL",
            "header key \\\"X-A\\\" contains illegal characters not in [0-9a-z-_.]",
            &key,
        ),
        ("\"b.B/Greet\" INTERNAL", "Metadata key \\\"X A\\\" contains illegal characters", &key),
        ("\"call\"", "Metadata key \\\"X A\\\" contains illegal characters", &key),
        // Others have metadata and illegal characters of their own, and a server may say so.
        ("\"b.B/Greet\" INTERNAL", "name contains illegal characters", &[]),
        ("\"b.B/Greet\" INVALID_ARGUMENT", "Invalid metadata", &[]),
        ("\"PUT\" 400", "Invalid metadata for object", &[]),
        ("\"indices.create\" db.system.name=\"elasticsearch\"", "Invalid metadata", &[]),
    ] {
        let text = format!("api-service CLIENT {client} status=ERROR \"{said}\" error.type=\"x\"\n");
        roots(&text, expected);
    }
}

#[test]
fn a_span_that_was_exported_twice_is_one_span() {
    let text = "api-service SERVER \"POST /greet\" 200 id=S1\napi-service SERVER \"POST /greet\" 200 id=S1\n";
    let [(mut observation, _)] = check(text).try_into().expect("one observation");
    let [first, second] = observation.spans.as_mut_slice() else { panic!("two spans") };
    (second.start, second.end) = (first.start, first.end);
    let [(_, checked)] = check_all(vec![observation]).try_into().expect("one observation");
    assert!(checked.findings.is_empty(), "{}", show(&checked));
}

#[test]
fn clients_of_databases_are_not_judged_as_clients_of_http() {
    let text = r#"
api-service CLIENT "search" 404 db.system.name="elasticsearch" !http.request.method
"#;
    roots(text, &[]);
}
