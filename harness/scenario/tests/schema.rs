//! The JSON Schema of suite files, which editors complete by, knows the keys and words that the reader knows, and no
//! others. The reader is asked: it names what it knows when it meets something else. The suites of the repository follow the schema.

#[path = "../../../fixtures/schema/validator.rs"]
mod validator;

use std::collections::BTreeSet;

use serde_json::Value;
use spanwise_scenario::{Known, Suite};

const SCHEMA: &str = include_str!("../../../fixtures/schema/suite.schema.json");
const DEMO: &str = include_str!("../../../fixtures/suites/demo.yaml");
const KNOWN: Known<'static> = Known {
    rules: &["trace-split"],
    profiles: &["cloud-run", "otel", "strict"],
    demos: &["web"],
    schemas: &["1.42"],
    registry: None,
    protos: None,
    deployed: &[],
};

/// A suite in which `@` is put where a key or a word is asked for.
#[track_caller]
fn known_to_reader(text: &str) -> BTreeSet<String> {
    let text = text.replace('@', "no-such-word-anywhere");
    let error = Suite::parse("asked.yaml", &text, &KNOWN).expect_err("the word is unknown");
    let advice = error.advice().unwrap_or_else(|| panic!("no advice with: {error}"));
    let names = advice.strip_prefix("known here: ").unwrap_or_else(|| panic!("no names in: {advice}"));
    names.split(", ").map(str::to_owned).collect()
}

/// What the schema knows at a place, definitions that it refers to on the way included.
#[track_caller]
fn known_to_schema(place: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut found = &schema;
    for part in place.split('/').skip(1) {
        while let Some(definition) = found["$ref"].as_str() {
            found = schema.pointer(definition.trim_start_matches('#')).expect("a definition");
        }
        found = found
            .pointer(&format!("/{part}"))
            .unwrap_or_else(|| panic!("the schema has no {place}: {part} in {found}"));
    }
    match found {
        Value::Object(properties) => properties.keys().cloned().collect(),
        Value::Array(words) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        other => panic!("{place} is {other}"),
    }
}

#[track_caller]
fn check(place: &str, text: &str) {
    assert_eq!(known_to_schema(place), known_to_reader(text), "{place}");
}

#[test]
fn keys() {
    check("/properties", "@: x");
    check("/$defs/case/properties", "suite: a\nservices: {}\ncases: { a: { @: x } }");
    check("/$defs/case/properties/expect/properties", "cases: { a: { expect: { @: x } } }");
    check("/$defs/service/properties", "services: { web: { @: x } }");
    check("/$defs/service/properties/collector/properties", "services: { web: { collector: { @: x } } }");
    check("/$defs/service/properties/ready/anyOf/1/properties", "services: { web: { ready: { @: x } } }");
    check("/properties/collector/properties", "collector: { @: x }");
    check("/$defs/stub/properties", "stubs: { pay: [{ @: x }] }");
    check("/$defs/stub/properties/respond/properties", "stubs: { pay: [{ path: /, respond: { @: x } }] }");
    check("/$defs/span/properties", "cases: { a: { expect: { spans: [{ @: x }] } } }");
    check("/$defs/http/properties", "cases: { a: { http: { @: x } } }");
    check("/$defs/grpc/properties", "cases: { a: { grpc: { @: x } } }");
    check("/properties/cloud-run/properties", "cloud-run: { @: x }");
    check("/$defs/cloud-run/properties", "services: { web: { cloud-run: { @: x } } }");
    check("/$defs/shell/properties", "cases: { a: { shell: { @: x } } }");
    check("/$defs/step/properties", "cases: { a: { sequence: [{ @: x }] } }");
    check("/$defs/case/properties/repeat/properties", "cases: { a: { repeat: { @: x } } }");
    check("/$defs/known/properties", "known-failing: [{ @: x }]");
    check("/$defs/exclude/properties", "exclude: [{ @: x }]");
    check(
        "/properties/axes/properties",
        "suite: a\nservices: { web: { demo: web, protocol: http } }\naxes: { @: [x] }\ncases: {}",
    );
}

#[test]
fn words() {
    let axis = |name: &str| {
        format!(
            "suite: a\nservices: {{ web: {{ demo: web, protocol: http }} }}\naxes: {{ {name}: [@] }}\ncases: {{}}"
        )
    };
    for name in ["entry", "channel-in", "channel-out", "export", "propagation", "platform"] {
        check(&format!("/properties/axes/properties/{name}/items/enum"), &axis(name));
    }
    for word in ["sampling", "spans", "context"] {
        check(
            &format!("/properties/cloud-run/properties/{word}/enum"),
            &format!("cloud-run: {{ {word}: @ }}"),
        );
    }
    for word in ["ingress", "auth", "cpu", "end"] {
        let text = format!("services: {{ web: {{ cloud-run: {{ {word}: @ }} }} }}");
        check(&format!("/$defs/cloud-run/properties/{word}/enum"), &text);
    }
    check("/$defs/case/properties/caller/enum", "cases: { a: { caller: @ } }");
    check("/properties/profile/enum", "suite: a\nservices: {}\ncases: {}\nprofile: @");
    check("/properties/sampling/enum", "sampling: @");
    check("/properties/limits/enum", "limits: @");
    check(
        "/properties/levels/additionalProperties/anyOf/0/enum",
        "suite: a\nservices: {}\ncases: {}\nlevels: { trace-split: @ }",
    );
    check("/properties/schema/enum", "suite: a\nservices: {}\ncases: {}\nschema: @");
    check("/$defs/span/properties/kind/enum", "cases: { a: { expect: { spans: [{ kind: @ }] } } }");
    check("/$defs/span/properties/status/enum", "cases: { a: { expect: { spans: [{ status: @ }] } } }");
    check("/$defs/service/properties/protocol/enum", "services: { web: { protocol: @ } }");
    check(
        "/$defs/service/properties/ready/anyOf/0/enum",
        "suite: a\nservices: { web: { demo: web, protocol: http, ready: @ } }\ncases: {}",
    );
    check(
        "/$defs/service/properties/collector/properties/persona/enum",
        "services: { web: { collector: { persona: @ } } }",
    );
    check("/properties/collector/properties/persona/enum", "collector: { persona: @ }");
    let refused = "suite: a\nservices: { web: { demo: web, protocol: http, collector: { refuse-first: @ } } }\ncases: {}";
    check("/$defs/service/properties/collector/properties/refuse-first/enum", refused);
    check("/$defs/case/properties/context/enum", "cases: { a: { context: @ } }");
}

#[test]
fn the_demo_suite_follows_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    #[track_caller]
    fn check(schema: &Value, from: &str, to: &str, expected: &[&str]) {
        assert!(DEMO.contains(from), "{from:?} is not in the demo suite");
        let suite: Value = serde_saphyr::from_str(&DEMO.replacen(from, to, 1)).expect("the suite is YAML");
        let breaches = validator::breaches(schema, &suite);
        assert_eq!(breaches.len(), expected.len(), "{breaches:#?}");
        for (breach, part) in breaches.iter().zip(expected) {
            assert!(breach.starts_with(part), "{breach}");
        }
    }
    check(&schema, "suite: demo", "suite: demo", &[]);
    check(&schema, "suite: demo", "suit: demo", &[": additionalProperties", ": required"]);
    check(&schema, "suite: demo", "suite: .demo", &["/suite: pattern"]);
    check(&schema, "protocol: grpc", "protocol: smtp", &["/services/backend-service/protocol: enum"]);
    check(&schema, "concurrent: 50", "concurrent: 1", &["/cases/concurrent-users/concurrent: minimum"]);
    check(&schema, "concurrent: 50", "concurrent: 1001", &["/cases/concurrent-users/concurrent: maximum"]);
    check(&schema, "project: demo-project", "project: ~", &["/project: type"]);
    check(&schema, "entry: [http, ", "entry: [http, http, ", &["/axes/entry: uniqueItems"]);
    check(&schema, "post: /greet", "post: /greet, get: /greet", &["/cases/greet/http: oneOf"]);
    check(&schema, "entry: [http", "entry: [htp", &["/axes/entry/0: enum"]);
}

/// Their first line tells editors of the schema.
#[test]
fn the_suites_of_the_repository_follow_the_schema_and_name_it() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let folder =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/suites")).expect("the suites");
    let mut checked = 0;
    for entry in folder {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a suite");
        let named = "# yaml-language-server: $schema=../schema/suite.schema.json\n";
        assert!(text.starts_with(named), "{}", path.display());
        let suite: Value = serde_saphyr::from_str(&text).expect("the suite is YAML");
        assert_eq!(validator::breaches(&schema, &suite), [""; 0], "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 2, "{checked}");
}
