//! The JSON report of one canned run: as a snapshot, and against its schema, in both directions.

mod canned;
#[path = "../../../fixtures/schema/validator.rs"]
mod validator;

use serde_json::Value;
use spanwise_report::{Json, Reporter};
use validator::breaches;

const SCHEMA: &str = include_str!("../../../fixtures/schema/report.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn report() -> Value {
    let mut out = Vec::new();
    let mut json = Json::new(&mut out);
    canned::events().iter().try_for_each(|event| json.on_event(event)).expect("a vector takes all");
    json.finish().expect("a vector takes all");
    serde_json::from_slice(&out).expect("the report is JSON")
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
