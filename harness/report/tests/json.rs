//! The JSON report of one canned run: as a snapshot, and against its schema, in both directions.
//!
//! The validator below knows the keywords that our schema uses and refuses any other, so the schema cannot ask for
//! something that nobody checks.

mod canned;

use serde_json::Value;
use spanwise_report::{Json, Reporter};

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
    let mut breaches = Vec::new();
    validate(&schema, &schema, &report(), "", &mut breaches);
    assert_eq!(breaches, Vec::<String>::new());
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
        let mut breaches = Vec::new();
        validate(&schema, &schema, &spoiled, "", &mut breaches);
        assert!(!breaches.is_empty(), "{place} may be -1.5");
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
            let mut breaches = Vec::new();
            validate(&schema, &schema, &spoiled, "", &mut breaches);
            assert!(!breaches.is_empty(), "{place}/{key} may be missing");
        }
        let mut spoiled = report.clone();
        let object = spoiled.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
        object.insert("something-new".to_owned(), Value::Null);
        let mut breaches = Vec::new();
        validate(&schema, &schema, &spoiled, "", &mut breaches);
        assert!(!breaches.is_empty(), "{place} may have something new");
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

fn validate(root: &Value, schema: &Value, value: &Value, path: &str, breaches: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let place = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                validate(root, root.pointer(place).expect("a definition"), value, path, breaches);
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| has_type(value, one)),
                one => has_type(value, one),
            },
            "minimum" => value.as_i64().is_some_and(|number| Some(number) >= rule.as_i64()),
            "pattern" => value.as_str().is_some_and(|text| is_hex(text, rule.as_str().expect("a pattern"))),
            "anyOf" => rule.as_array().expect("a list").iter().any(|one| {
                let mut inside = Vec::new();
                validate(root, one, value, path, &mut inside);
                inside.is_empty()
            }),
            "required" => {
                let keys = rule.as_array().expect("a list");
                keys.iter().all(|key| value.get(key.as_str().expect("a key")).is_some())
            }
            "properties" => {
                for (key, inside) in rule.as_object().expect("schemas") {
                    if let Some(child) = value.get(key) {
                        validate(root, inside, child, &format!("{path}/{key}"), breaches);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                let mut others =
                    others.filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)));
                match rule {
                    Value::Bool(false) => others.next().is_none(),
                    inside => {
                        for (key, child) in others {
                            validate(root, inside, child, &format!("{path}/{key}"), breaches);
                        }
                        true
                    }
                }
            }
            "items" => {
                for (at, child) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, rule, child, &format!("{path}/{at}"), breaches);
                }
                true
            }
            other => panic!("the validator does not know the keyword {other:?}"),
        };
        if !holds {
            breaches.push(format!("{path}: {keyword} {rule} does not hold for {value}"));
        }
    }
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type {other:?}"),
    }
}

/// The only patterns of the schema are so many hexadecimal digits.
fn is_hex(text: &str, pattern: &str) -> bool {
    let digits = pattern.strip_prefix("^[0-9a-f]{").and_then(|rest| rest.strip_suffix("}$"));
    let digits: usize =
        digits.and_then(|digits| digits.parse().ok()).expect("a pattern of hexadecimal digits");
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
