//! What can be said of linkage where spans are all there is.

use crate::support::{check, show};

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
