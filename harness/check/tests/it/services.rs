//! Services that were broken by hand: what they leave behind, and the one cause that a person must be told.

use crate::support::{check, show};

/// The root causes, in order, and a text that the first one's message must hold.
#[track_caller]
fn causes(text: &str, expected: &[&str], said: &str) {
    let [(_, checked)] = check(text).try_into().expect("one permutation");
    let roots: Vec<_> = checked.root_causes().collect();
    let names: Vec<_> = roots.iter().map(|finding| &*finding.rule).collect();
    assert_eq!(names, expected, "{}", show(&checked));
    assert!(roots.first().is_none_or(|first| first.message.contains(said)), "{}", show(&checked));
}

#[test]
fn an_unsampled_request_that_is_recorded_in_a_new_trace_is_found_in_every_format() {
    for (sent, on) in [
        ("traceparent: T1-S1-00", "traceparent: T2-S3-01"),
        ("x-cloud-trace-context: T1/S1;o=0", "x-cloud-trace-context: T2/S3;o=1"),
    ] {
        // The spans come in the order in which they ended.
        let text = format!(
            r#"
driver CLIENT "POST /greet" 200 unsampled id=S1 to=api-service
api-service SERVER "POST /greet" 200 trace=T2
  api-service CLIENT "b.B/Greet" OK id=S3
    b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 {sent}
  api-service -> b h2c {on}
settings:
  sampling=parent-based
"#
        );
        causes(
            &text,
            &["sampled-flag-flipped"],
            "api-service recorded it all the same, in a trace of its own",
        );
    }
}

#[test]
fn a_recorded_call_that_goes_out_as_not_sampled_is_found_without_an_incoming_context() {
    let text = r#"
driver CLIENT "POST /greet" 200 no-context to=api-service
api-service SERVER "POST /greet" 200 trace=T2
  api-service CLIENT "b.B/Greet" OK id=S3
wire:
  driver -> api-service http/1.1
  api-service -> b h2c traceparent: T2-S3-00
settings:
  sampling=parent-based
"#;
    causes(text, &["sampled-flag-flipped"], "api-service recorded this call and sent it on as not sampled");
}

#[test]
fn the_children_of_a_missing_entry_span_are_its_consequences() {
    let text = r#"
driver CLIENT "POST /greet" 200 id=S1
api-service CLIENT "b.B/Greet" OK id=S3 parent=?P1
  b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c traceparent: T1-S3-01
"#;
    causes(text, &["entry-without-server-span"], "api-service answered the request");
}

const REQUEST: &str = "\ndriver CLIENT \"POST /greet\" 200 trace=T{n} id=S{n}0 marker=\"user-{n}\"\n  api-service SERVER \"POST /greet\" 200 id=S{n}1\n";
const CALL: &str = "    api-service CLIENT \"b.B/Greet\" OK id=S{n}{m}\n      b SERVER \"b.B/Greet\" OK\n";

/// Requests that are alike, each with so many calls in its trace.
fn load(calls: &[usize]) -> String {
    let (mut text, mut wire) = (String::new(), String::new());
    for (number, calls) in (1..).zip(calls) {
        let number = number.to_string();
        text += &REQUEST.replace("{n}", &number);
        wire += &format!("  driver -> api-service http/1.1 traceparent: T{number}-S{number}0-01\n");
        for call in 2..2 + calls {
            text += &CALL.replace("{n}", &number).replace("{m}", &call.to_string());
            wire += &format!("  api-service -> b h2c traceparent: T{number}-S{number}{call}-01\n");
        }
    }
    format!("{text}wire:\n{wire}")
}

#[test]
fn a_call_in_the_context_of_another_request_is_found_by_counting() {
    let mixed = "api-service called b in the context of another request";
    causes(&load(&[1, 2, 0, 1]), &["context-mixed-between-requests"], mixed);
    // Attempts, caches and work that several requests share make calls differ in one direction only.
    causes(&load(&[1, 2, 1, 1]), &[], "");
    causes(&load(&[1, 0, 1, 1]), &[], "");
    causes(&load(&[3, 3, 3]), &[], "");
}

const LOST: [&str; 2] = [
    // Nothing of the caller came, and its context went out.
    r#"
driver CLIENT "POST /greet" 200 id=S1
b SERVER "b.B/Greet" OK parent=?P1
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b OUT traceparent: T1-P1-01
"#,
    // Nothing of the callee came, and it had a context.
    r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b OUT traceparent: T1-S3-01
"#,
];

#[test]
fn spans_that_were_lost_say_nothing_of_the_channel() {
    let whole = r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b OUT traceparent: T1-S3-01
"#;
    for (lost, expected) in LOST.into_iter().zip(["entry-without-server-span", "hop-without-server-span"]) {
        let text = format!(
            "--- permutation demo/greet/channel-out=insecure\n{}--- permutation demo/greet/channel-out=secure\n{}",
            whole.replace("OUT", "h2c"),
            lost.replace("OUT", "h2")
        );
        let [(_, good), (_, bad)] = check(&text).try_into().expect("two permutations");
        assert!(good.findings.is_empty(), "{}", show(&good));
        let roots: Vec<_> = bad.root_causes().map(|finding| &*finding.rule).collect();
        assert!(roots.contains(&expected) && !roots.contains(&"secure-channel-unlinked"), "{}", show(&bad));
    }
}
