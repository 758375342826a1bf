//! Mistakes in what a case sends and expects of answers, as those of `mistakes`.

use crate::{RIGHT, check, marked, parse};

#[test]
fn messages_and_answers() {
    let message = "message: { item: \"{{each.item}}\" }";
    check(
        message,
        "message: ^{}, messages: [{}]",
        "a call has either `message` or `messages`, not both",
        "`messages` is the list that a method with a stream of requests takes",
    );
    check(
        message,
        "messages: [{ item: \"{{^each.itm}}\" }]",
        "unknown reference `{{each.itm}}`",
        "did you mean `each.item`?",
    );
    let expect = |text: &str| format!("grpc: OK, {text} }}");
    check("grpc: OK }", &expect("headers: { ^\"a b\": x }"), "\"a b\" cannot be the name of a header", "");
    check(
        "grpc: OK }",
        &expect("json: { a: \"{{^each.itm}}\" }"),
        "unknown reference `{{each.itm}}`",
        "did you mean `each.item`?",
    );
    check(
        "grpc: OK }",
        &expect("exit: ^1"),
        "the case has no `shell` form to expect this of",
        "add the form `shell`, or remove `expect.exit`",
    );
}

#[test]
fn commands() {
    let check = |shell: &str, message: &str, advice: &str| {
        let text = RIGHT.replace("entry: [http, grpc]", "entry: [http, grpc, shell]");
        let text = text.replace("    expect: {", &format!("    shell: {{ {shell} }}\n    expect: {{"));
        marked::check(&text, parse, message, advice);
    };
    check(
        "run: ^true",
        "the command names no service that it calls",
        "write `{{NAME.url}}` in `run` or `env` for the address of a service",
    );
    check(
        "run: \"curl {{web.url}} {{^port}}\"",
        "a command has no `{{port}}`, which is a service's",
        "a program whose own spans matter is a service",
    );
    check("run: \"curl {{^wep.url}}\"", "unknown reference `{{wep.url}}`", "did you mean `web.url`?");
    check("run: \"curl {{web.url}}\", deadline-ms: ^0", "`deadline-ms` is at least 1", "");
    check(
        "run: \"curl {{web.url}}\", env: { ^\"A=B\": x }",
        "\"A=B\" cannot be the name of an environment variable",
        "",
    );
}

#[test]
fn sequences() {
    const FORMS: &str = "    http: { to: web, post: /buy, json: { item: \"{{each.item}}\" }, headers: { X-Shop: main } }\n    grpc: { to: orders, call: shop.Orders/Buy, message: { item: \"{{each.item}}\" } }\n    expect: { http: 200, grpc: OK }\n";
    let check = |steps: &str, message: &str, advice: &str| {
        let head = if steps.starts_with('^') { "    sequence: " } else { "    sequence:\n" };
        check(FORMS, &format!("{head}{steps}\n"), message, advice);
    };
    let get = "http: { to: web, get: / }";
    check("^[]", "a sequence has at least one step", "");
    check(
        "      - ^expect: { http: 200 }",
        "a step has at least one of the forms `http`, `grpc` and `shell`",
        "",
    );
    check(
        &format!("      - {{ {get}, expect: {{ grpc: ^OK }} }}"),
        "the step has no `grpc` form to expect this of",
        "add the form `grpc`, or remove `expect.grpc`",
    );
    check(
        &format!("      - {{ name: a, {get} }}\n      - {{ name: ^a, {get} }}"),
        "two steps are called `a`",
        "",
    );
    check(
        &format!("      - {{ name: ^a.b, {get} }}"),
        "`a.b` cannot be the name of a step: it has a dot",
        "",
    );
    check(
        &format!(
            "      - {{ name: order, {get} }}\n      - {{ http: {{ to: web, get: \"/{{{{^steps.oder.json.id}}}}\" }} }}"
        ),
        "unknown reference `{{steps.oder.json.id}}`",
        "did you mean `steps.order.json`?",
    );
    // A step does not know its own answer.
    check(
        "      - { name: order, http: { to: web, get: \"/{{^steps.order.json.id}}\" } }",
        "unknown reference `{{steps.order.json.id}}`",
        "known here: each.item",
    );
    let call = "grpc: { to: orders, call: shop.Orders/Buy }";
    check(
        &format!(
            "      - {{ {get} }}\n      - {{ name: ^b, {call}, shell: {{ run: \"curl {{{{web.url}}}}\" }} }}"
        ),
        "the step has several forms, and none for entry `http`, which the first step has",
        "",
    );
}

#[test]
fn a_sequence_stands_alone() {
    check(
        "    expect: { http: 200",
        "    sequence:\n      ^- { http: { to: web, get: / } }\n    expect: { http: 200",
        "a case has either forms of its own, or a `sequence` of steps that have them",
        "",
    );
    check(
        "    http: { to: web, post: /buy, json: { item: \"{{each.item}}\" }, headers: { X-Shop: main } }\n    grpc: { to: orders, call: shop.Orders/Buy, message: { item: \"{{each.item}}\" } }\n    expect: { http",
        "    sequence: [{ http: { to: web, get: / } }]\n    expect: ^{ http",
        "what is expected of a sequence stands in its steps",
        "",
    );
}

#[test]
fn expected_spans() {
    let check = |spans: &str, message: &str, advice: &str| {
        check("grpc: OK }", &format!("grpc: OK, spans: [{spans}] }}"), message, advice);
    };
    check("{ ^nmae: x }", "unknown key `nmae`", "did you mean `name`?");
    check("{ service: ^wep }", "unknown service `wep`", "did you mean `web`?");
    check("{ children: [{ service: ^wep }] }", "unknown service `wep`", "did you mean `web`?");
    check("{ kind: ^SERVR }", "unknown word `SERVR`", "did you mean `SERVER`?");
    check("{ name: \"{{^each.itm}}\" }", "unknown reference `{{each.itm}}`", "did you mean `each.item`?");
    check(
        "{ labels: { user.id: \"{{^user}}\" } }",
        "unknown reference `{{user}}`",
        "`{{user}}` needs `concurrent: N` in the case",
    );
    check(
        "{ labels: { ^a: [b] } }",
        "invalid type: sequence, expected text, a number, true, false or null",
        "",
    );
}
