//! The JSON report of one canned run: as a snapshot, and against its schema, in both directions.

mod canned;
#[path = "../../../fixtures/schema/validator.rs"]
mod validator;

use serde_json::Value;
use spanwise_model::{Part, RunEvent};
use spanwise_report::{Json, Merged, Reporter};
use validator::breaches;

const SCHEMA: &str = include_str!("../../../fixtures/schema/report.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn report() -> Value {
    serde_json::from_str(&written(&canned::events())).expect("the report is JSON")
}

fn written(events: &[RunEvent]) -> String {
    let mut out = Vec::new();
    let mut json = Json::new(&mut out);
    events.iter().try_for_each(|event| json.on_event(event)).expect("a vector takes all");
    json.finish().expect("a vector takes all");
    String::from_utf8(out).expect("the report is text")
}

/// The canned run as one machine tells it.
fn whole() -> Vec<RunEvent> {
    let mut events = canned::events();
    events.iter_mut().for_each(|event| {
        if let RunEvent::Started { part, .. } = event {
            *part = None;
        }
    });
    events
}

/// The canned run in parts, as shards tell it: every permutation in one of them, what belongs to none in the last.
fn shards(number: usize) -> Vec<String> {
    let events = whole();
    let shard = |shard: usize| {
        let mut at = 0;
        let is_mine = |event: &&RunEvent| match event {
            RunEvent::Finished(_) => {
                at += 1;
                at % number == shard
            }
            _ => true,
        };
        let mut events: Vec<RunEvent> = events.iter().filter(is_mine).cloned().collect();
        if let Some(RunEvent::Started { part, .. }) = events.first_mut() {
            let selection = "0123456789abcdef".to_owned();
            *part = Some(Part { number: shard + 1, of: number, permutations: 12, selection });
        }
        if let Some(RunEvent::Ended { strays, duration_ms, .. }) = events.last_mut() {
            *duration_ms = if shard == 0 { 1_000 } else { 234 / (number as u64 - 1) };
            if shard > 0 {
                strays.clear();
            }
        }
        written(&events)
    };
    (0..number).map(shard).collect()
}

fn merged(reports: &[String]) -> Result<Merged, String> {
    let mut merged = Merged::default();
    for (at, text) in reports.iter().enumerate() {
        merged.take(&format!("{at}.json"), text).map_err(|error| error.to_string())?;
    }
    Ok(merged)
}

#[test]
fn merged_shards_are_the_report_of_one_run() {
    for number in 2..=3 {
        let merged = merged(&shards(number)).expect("shards go together");
        assert_eq!(merged.summary().all(), 12);
        assert_eq!(merged.missing(), Vec::<String>::new());
        assert_eq!(written(&merged.into_events()), written(&whole()), "{number} shards");
    }
}

#[test]
fn a_shard_whose_report_did_not_come_is_missed() {
    #[track_caller]
    fn check(reports: &[String], expected: &[&str]) {
        let merged = merged(reports).expect("reports go together");
        assert_eq!(merged.missing(), expected);
        let is_whole = merged.into_events().iter().any(|event| matches!(event, RunEvent::Ended { .. }));
        assert_eq!(is_whole, expected.is_empty());
    }
    let all = shards(3);
    check(&all, &[]);
    check(
        &all[..2],
        &["the report of shard 3/3 is missing: 4 of 12 permutations are in none of these reports"],
    );
    let both =
        "the reports of the shards 1/3, 3/3 are missing: 8 of 12 permutations are in none of these reports";
    check(&all[1..2], &[both]);
    // A shard that has nothing to run tells nothing.
    let with_more = |text: &String| text.replace("\"of\": 3", "\"of\": 4");
    check(&all.iter().map(with_more).collect::<Vec<_>>(), &[]);
    // Parts of two selections make none of them whole.
    let mut other = all.clone();
    other[2] = other[2].replace("0123456789abcdef", "f123456789abcdef");
    assert_eq!(merged(&other).expect("reports go together").missing().len(), 2);
    // Reports of whole runs say nothing of parts.
    check(&[written(&whole())], &[]);
}

#[test]
fn a_shard_that_was_broken_off_breaks_off_the_whole() {
    let [one, mut other] = <[String; 2]>::try_from(shards(2)).expect("two shards");
    other = other.replace("\"duration_ms\": 234", "\"duration_ms\": null");
    let merged = merged(&[one, other]).expect("shards go together");
    assert_eq!(merged.broken_off(), ["1.json"]);
    assert_eq!(merged.missing(), Vec::<String>::new(), "all of it came");
    assert!(!merged.into_events().iter().any(|event| matches!(event, RunEvent::Ended { .. })));
}

#[test]
fn reports_that_do_not_go_together_are_refused_in_words() {
    #[track_caller]
    fn check(reports: &[String], expected: &str) {
        let error = merged(reports).err().unwrap_or_default();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    }
    let one = written(&canned::events());
    let twice = "demo/backend-refuses/entry=http is in 0.json and in 1.json; merge shards of one run";
    check(&[one.clone(), one.clone()], twice);
    let other = one.replace("\"schema_version\": 1", "\"schema_version\": 2");
    check(&[other], "0.json has version 2 of the report's schema, and this spanwise reads version 1");
    check(
        &["{}".to_owned()],
        "0.json:1:2: this is no JSON report of spanwise: missing field `schema_version`",
    );
    check(&[one[..200].to_owned()], "this is no JSON report of spanwise: EOF while parsing");
    let unknown = one.replace("\"strays_fail\"", "\"strays_pass\"");
    check(&[unknown], "unknown field `strays_pass`");
    check(&[String::new()], "0.json:1:0: this is no JSON report");
}

#[test]
fn the_report_is_pinned() {
    insta::assert_snapshot!("json", format!("{:#}", report()));
}

#[test]
fn the_report_follows_its_schema() {
    let schema = schema();
    assert_eq!(breaches(&schema, &report()), Vec::<String>::new());
}

/// Every place of the report is spoiled, one at a time; the schema must notice each.
#[test]
fn the_schema_notices_every_change() {
    let (schema, report) = (schema(), report());
    let mut places = Vec::new();
    walk(&report, &mut String::new(), &mut places);
    assert!(places.len() > 100, "the walk saw {} places", places.len());
    // A fact may be anything, and so may the name of a rule.
    for place in places.iter().filter(|place| !place.contains("/facts/")) {
        let mut spoiled = report.clone();
        *spoiled.pointer_mut(place).expect("the place was seen") = Value::from(-1.5);
        assert!(!breaches(&schema, &spoiled).is_empty(), "{place} may be -1.5");
    }
}

#[test]
fn the_schema_misses_every_key_that_is_gone_and_refuses_new_ones() {
    let (schema, report) = (schema(), report());
    let mut places = Vec::new();
    walk(&report, &mut String::new(), &mut places);
    let free = |place: &str| place.ends_with("/facts") || place.ends_with("/rules");
    for place in std::iter::once(&String::new()).chain(&places).filter(|place| !free(place)) {
        let Some(Value::Object(object)) = report.pointer(place) else { continue };
        for key in object.keys() {
            let mut spoiled = report.clone();
            spoiled.pointer_mut(place).and_then(Value::as_object_mut).expect("an object").remove(key);
            assert!(!breaches(&schema, &spoiled).is_empty(), "{place}/{key} may be missing");
        }
        let mut spoiled = report.clone();
        let object = spoiled.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
        object.insert("something-new".to_owned(), Value::Null);
        assert!(!breaches(&schema, &spoiled).is_empty(), "{place} may have something new");
    }
}

fn walk(value: &Value, path: &mut String, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let length = path.len();
        path.push('/');
        path.push_str(&key);
        places.push(path.clone());
        walk(child, path, places);
        path.truncate(length);
    }
}
