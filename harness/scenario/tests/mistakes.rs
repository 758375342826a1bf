//! Mistakes in suite files: each is pointed at by line and column, and says what to do where that is known.
//!
//! Every row changes one place of a right suite.

mod case_mistakes;
mod marked;

use spanwise_scenario::{Known, ProtoError, Suite, SuiteError};

const RIGHT: &str = r#"suite: shop
project: shop-project
profile: otel
services:
  orders:
    command: [./orders, "--port={{port}}"]
    protocol: grpc
  web:
    demo: api-service
    protocol: http
    env: { ORDERS: "{{orders.url}}", LEVEL: 3 }
axes:
  entry: [http, grpc]
  export: [gcp_trace, otlp-grpc]
  env: { MODE: [fast, slow] }
agree: [export]
cases:
  buy:
    each: { item: [tea, 7] }
    http: { to: web, post: /buy, json: { item: "{{each.item}}" }, headers: { X-Shop: main } }
    grpc: { to: orders, call: shop.Orders/Buy, message: { item: "{{each.item}}" } }
    expect: { http: 200, grpc: OK }
    axes: { MODE: [fast] }
    services: { web: { env: { LEVEL: 4 } } }
known-failing:
  - { pattern: "shop/buy/**", rules: [trace-split], reason: later }
"#;

const KNOWN: Known<'static> = Known {
    rules: &["trace-split", "parent-not-exported"],
    profiles: &["cloud-run", "otel", "strict"],
    demos: &["api-service", "backend-service"],
    schemas: &["1.42"],
    registry: Some(registry),
    protos: Some(protos),
    deployed: &[],
};

/// A registry by the path that a suite names.
fn registry(suite: &str, path: &str) -> std::io::Result<Vec<(String, String)>> {
    assert_eq!(suite, "shop.yaml");
    let text = match path {
        "labels" => "attributes:\n  - { key: shop.item, type: string }",
        "wrong" => "attributes:\n  - { key: shop.item, type: text }",
        "empty" => "groups: []",
        _ => return Err(std::io::ErrorKind::NotFound.into()),
    };
    Ok(vec![(format!("{path}/shop.yaml"), text.to_owned())])
}

/// Files whose name begins with `wrong` have a mistake.
fn protos(suite: &str, files: &[&str], paths: &[&str]) -> Result<Vec<u8>, ProtoError> {
    assert_eq!(suite, "shop.yaml");
    match files.iter().position(|file| file.starts_with("wrong")) {
        Some(file) => Err(ProtoError { file, reason: format!("{file} is wrong") }),
        None => Ok([files, paths].concat().join(" ").into_bytes()),
    }
}
const EXACTLY_ONE: &str = "a service has exactly one of `demo`, `command`, `image`, `dockerfile` and `url`; beside an image, \
                           `command` takes the place of its CMD";

fn parse(text: &str) -> Result<Suite, SuiteError> {
    Suite::parse("shop.yaml", text, &KNOWN)
}

/// Replaces one piece of the right suite; the mistake must be found where the replacement stands (`^` in it marks the
/// place), with this message and this advice.
#[track_caller]
fn check(piece: &str, replacement: &str, message: &str, advice: &str) {
    assert_eq!(RIGHT.matches(piece).count(), 1, "{piece:?} does not occur once in the suite");
    let error = marked::check(&RIGHT.replace(piece, replacement), parse, message, advice);
    assert_eq!(error.file(), "shop.yaml");
}

#[test]
fn what_is_excluded_is_not_planned() {
    let text =
        format!("{RIGHT}exclude:\n  - {{ pattern: \"shop/**/export=otlp-grpc/**\", reason: later }}\n");
    let suite = parse(&text).map_err(miette::Report::new).expect("the suite is right");
    let names: Vec<&str> = suite.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), 4);
    assert!(names.iter().all(|name| name.contains("export=gcp_trace")), "{names:?}");
}

#[test]
fn what_is_excluded_must_be_there_and_have_a_reason() {
    let place = "known-failing:\n";
    let exclude = |entry: &str| format!("exclude:\n  - {{ {entry} }}\nknown-failing:\n");
    check(place, &exclude("pattern: ^\"shop/**\""), "what is excluded needs a `reason`", "");
    let none = "the pattern `shop/sell/**` excludes no permutation of the suite";
    let advice = "`*` stands for one component, `**` for any number; `spanwise list` prints the full names";
    check(place, &exclude("pattern: ^\"shop/sell/**\", reason: x"), none, advice);
    let all = exclude("pattern: \"shop/**\", reason: x");
    let text = RIGHT.replace(place, &all);
    let error = parse(&text).expect_err("nothing is left");
    assert_eq!(error.to_string(), "`exclude` leaves nothing of case `buy`");
}

#[test]
fn the_suite_is_right_before_any_mistake() {
    let suite = parse(RIGHT).map_err(miette::Report::new).expect("the suite is right");
    let names: Vec<&str> = suite.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], "shop/buy/item=tea/entry=http/export=gcp_trace/MODE=fast");
    assert_eq!(suite.permutations[0].group, "shop/buy/item=tea/entry=http/MODE=fast");
    assert_eq!(suite.permutations[0].known[0].reason, "later");
    // A text that is a reference and nothing else keeps the type of its value.
    let number = format!("{:?}", suite.permutations[4].steps);
    assert!(number.contains(r#"{"item": Number(7)}"#), "{number}");
}

#[test]
fn keys_and_types() {
    check("project:", "^projekt:", "unknown key `projekt`", "did you mean `project`?");
    check("protocol: grpc", "protocol: ^smtp", "unknown word `smtp`", "known here: http, grpc");
    check(
        "grpc: OK",
        "^smtp: OK",
        "unknown key `smtp`",
        "known here: http, grpc, exit, headers, json, spans, http-spans, grpc-spans",
    );
    check("    axes: {", "    ^axis: {", "unknown key `axis`", "did you mean `axes`?");
    check(
        "protocol: grpc",
        "protocol: grpc\n    java-trust-store: ^yes",
        "invalid boolean (true or false expected)",
        "",
    );
    check(
        "    axes: {",
        "    context: ^unsampeld\n    axes: {",
        "unknown word `unsampeld`",
        "did you mean `unsampled`?",
    );
    check(
        "LEVEL: 3",
        "^LEVEL: [3]",
        "invalid type: sequence, expected text, a whole number, or true or false",
        "",
    );
    check(
        "LEVEL: 3",
        "LEVEL: ^3.5",
        "only whole numbers of 64 bits are read as numbers; put others in quotes",
        "",
    );
    let list = "write `[ITEM, ITEM]`, or a line with `- ITEM` for each";
    check("[./orders, \"--port={{port}}\"]", "^./orders --port", "this is a list", list);
    let mapping = "write `{ KEY: VALUE }`, or a line with `KEY: VALUE` for each";
    check("{ ORDERS: \"{{orders.url}}\", LEVEL: 3 }", "^[LEVEL=3]", "this is a mapping", mapping);
    check("[./orders, ", "[^[./orders], ", "this is text, no list and no mapping", "");
    check("protocol: grpc", "protocol: ^[grpc]", "this is text, no list and no mapping", "");
    check("[./orders, ", "[^~, ", "this is text, and empty; write `\"\"` if it is to be", "");
    check("shop-project\n", "a\n^project: b\n", "duplicate mapping key `project` is not allowed here", "");
    check("  buy:", "  buy: {}\n  ^buy:", "duplicate mapping key `buy` is not allowed here", "");
    check("shop-project", "^*anchor", "reference to unknown value", "");
}

#[test]
fn words_of_names() {
    let help = "use letters, digits, `-`, `.` and single `_`, and do not begin with `.`";
    let message = |word: &str, what: &str| {
        format!("{word:?} cannot be a {what}: it becomes part of permutations' names")
    };
    check("suite: shop", "suite: ^shop/x", &message("shop/x", "suite name"), help);
    check("  buy:", "  ^\"b:uy\":", &message("b:uy", "case name"), help);
    check("  buy:", "  ^b__uy:", &message("b__uy", "case name"), help);
    check("[fast, slow]", "[fast, ^a/b]", &message("a/b", "value of an axis"), help);
    check("[tea, 7]", "[tea, ^\"a b\"]", &message("a b", "value of `each`"), help);
    check(
        "  web:\n",
        "  ^driver:\n",
        "a service cannot be called `driver`: the word has a meaning of its own",
        "",
    );
    check(
        "  web:\n",
        "  ^front-end:\n",
        "a service cannot be called `front-end`: the word has a meaning of its own",
        "",
    );
}

#[test]
fn services() {
    check("api-service", "^api-servise", "unknown demo service `api-servise`", "did you mean `api-service`?");
    check("  web:\n", "  ^web:\n    command: [x]\n", EXACTLY_ONE, "");
    check("demo: api-service", "command: ^[]", "the command is empty", "");
    check("to: web", "to: ^wep", "unknown service `wep`", "did you mean `web`?");
    check("{ web: { env", "{ ^wep: { env", "unknown service `wep`", "did you mean `web`?");
    check("to: web", "to: ^orders", "the `http` form goes to `orders`, whose protocol is grpc", "");
    check("to: orders", "to: ^web", "the `grpc` form goes to `web`, whose protocol is http", "");
    check(
        "  orders:\n    command: [./orders, \"--port={{port}}\"]",
        "  ^orders:\n    command: [./orders, \"{{web.url}}\"]",
        "the services refer to each other in a circle: orders -> web -> orders",
        "",
    );
}

#[test]
fn protos_of_services() {
    let of_orders = "    command: [./orders, \"--port={{port}}\"]\n";
    let with = |text: &str| format!("{of_orders}    {text}\n");
    let right = RIGHT.replace(of_orders, &with("protos: [a.proto, b.proto]\n    proto-paths: [api]"));
    let suite = parse(&right).map_err(miette::Report::new).expect("the suite is right");
    let orders = suite.settings[0].service("orders").expect("a service");
    assert_eq!(orders.descriptors.as_deref(), Some(&b"a.proto b.proto api"[..]));
    check(
        of_orders,
        &with("protos: [a.proto, ^wrong.proto]"),
        "`wrong.proto` cannot be compiled: 1 is wrong",
        "paths are relative to the suite file; `proto-paths` names folders for imports",
    );
    check(
        of_orders,
        &with("proto-paths: [^api]"),
        "`proto-paths` without `protos` does nothing",
        "name the files themselves: `protos: [shop.proto]`",
    );
    let of_web = "    demo: api-service\n";
    let message = "only a service whose protocol is grpc has `protos`";
    check(of_web, &format!("{of_web}    protos: [^a.proto]\n"), message, "");
}

#[test]
fn references() {
    check(
        "{{orders.url}}",
        "{{^order.url}}",
        "unknown reference `{{order.url}}`",
        "did you mean `orders.url`?",
    );
    check("{{port}}", "{{^prt}}", "unknown reference `{{prt}}`", "did you mean `port`?");
    check("{{orders.url}}", "^{{orders.url", "`{{` is never closed by `}}`", "");
    check(
        "\"{{each.item}}\" }, headers",
        "[x, \"{{^each.itm}}\"] }, headers",
        "unknown reference `{{each.itm}}`",
        "did you mean `each.item`?",
    );
    check(
        "X-Shop: main",
        "X-Shop: \"{{^user}}\"",
        "unknown reference `{{user}}`",
        "`{{user}}` needs `concurrent: N` in the case",
    );
}

#[test]
fn axes() {
    check("  export: [", "  ^exprot: [", "unknown axis `exprot`", "did you mean `export`?");
    check(
        "[gcp_trace, otlp-grpc]",
        "[^gcp-trace]",
        "unknown value `gcp-trace` of axis `export`",
        "did you mean `gcp_trace`?",
    );
    check("otlp-grpc]", "^gcp_trace]", "axis `export` has the value `gcp_trace` twice", "");
    check("  export: [gcp_trace, otlp-grpc]", "  ^export: []", "axis `export` has no values", "");
    check("{ MODE: [fast, slow] }", "{ ^entry: [fast] }", "`entry` is a built-in axis", "");
    check(
        "agree: [export]",
        "agree: [^exports]",
        "the suite has no axis `exports`",
        "did you mean `export`?",
    );
    check("{ MODE: [fast] }", "{ ^MODES: [fast] }", "the suite has no axis `MODES`", "did you mean `MODE`?");
    check(
        "{ MODE: [fast] }",
        "{ MODE: [^fest] }",
        "the suite's axis `MODE` has no value `fest`",
        "did you mean `fast`?",
    );
    check(
        "  entry: [http, grpc]\n  export: [gcp_trace, otlp-grpc]\n  env: { MODE: [fast, slow] }\nagree: [export]\ncases:\n  buy:",
        "  export: [gcp_trace]\n  env: { MODE: [fast] }\ncases:\n  ^buy:",
        "case `buy` must have exactly one of the forms `http`, `grpc` and `shell`, because the suite has no axis `entry`",
        "",
    );
}

#[test]
fn requests_and_expectations() {
    check("post: /buy", "post: ^buy", "the path does not begin with `/`", "");
    check(
        "to: web, post: /buy",
        "to: ^web, post: /buy, get: /",
        "an `http` form has exactly one of `get`, `post`, `put`, `patch` and `delete`",
        "",
    );
    check("json: {", "body: ^x, json: {", "a request has either `json` or `body`, not both", "");
    check("X-Shop:", "^\"X Shop\":", "\"X Shop\" cannot be the name of a header", "");
    check(
        "X-Shop:",
        "^Traceparent:",
        "`traceparent` is set by the driver",
        "say what it sends with `context` and the axis `propagation`",
    );
    check(
        "shop.Orders/Buy",
        "^shop.Orders.Buy",
        "`shop.Orders.Buy` does not have the form `package.Service/Method`",
        "",
    );
    check("http: 200", "http: ^700", "`700` is no HTTP status, no gRPC code, and not `broken`", "");
    check("grpc: OK", "grpc: ^CANCELED", "`CANCELED` is no gRPC code", "did you mean `CANCELLED`?");
    check(
        "    grpc: { to: orders, call: shop.Orders/Buy, message: { item: \"{{each.item}}\" } }\n    expect: { http: 200, grpc: OK }",
        "    expect: { http: 200, grpc: ^OK }",
        "the case has no `grpc` form to expect this of",
        "add the form `grpc`, or remove `expect.grpc`",
    );
    check(
        "    http: { to: web, post: /buy, json: { item: \"{{each.item}}\" }, headers: { X-Shop: main } }\n    grpc: { to: orders, call: shop.Orders/Buy, message: { item: \"{{each.item}}\" } }\n    expect: { http: 200, grpc: OK }",
        "    grpc: { to: orders, call: shop.Orders/Buy, message: { item: \"{{each.item}}\" } }\n    expect: { http: ^200 }",
        "the case has no `http` form to expect this of",
        "add the form `http`, or remove `expect.http`",
    );
    check("    axes: {", "    concurrent: ^1\n    axes: {", "`concurrent` is a number from 2 to 1000", "");
    let rounds = |text: &str| format!("    repeat: {{ {text} }}\n    axes: {{");
    check("    axes: {", &rounds("times: ^1"), "`times` is a number from 2 to 10000", "");
    check("    axes: {", &rounds("times: ^two"), "this is a whole number, 0 or more", "");
    check("    axes: {", &rounds("times: ^10001"), "`times` is a number from 2 to 10000", "");
    check("    axes: {", &rounds("times: 2, pause-ms: ^60001"), "`pause-ms` is at most 60000", "");
    check(
        "  buy:\n",
        "  ^buy:\n    concurrent: 1000\n    repeat: { times: 10000 }\n",
        "case `buy` has 8 combinations of `each` and the axes, with 10000000 requests each; at most 20000 \
         combinations and 200000 requests are planned",
        "",
    );
    check("[tea, 7]", "[tea, ^tea]", "`each` has the value `tea` twice", "");
    check("item: [tea, 7]", "item: [tea], ^entry: [x]", "`entry` is an axis of the suite already", "");
    check(
        "    axes: { MODE: [fast] }\n    services: { web:",
        "    axes: { entry: [grpc] }\n    services: { ^web:",
        "no request of this case reaches `web`",
        "",
    );
    check("item: [tea, 7]", "^item: []", "`each` has no values for `item`", "");
}

#[test]
fn lists_that_multiply_are_counted_before_anything_is_made() {
    let list = (0..100).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    check(
        "  buy:\n    each: { item: [tea, 7] }",
        &format!("  ^buy:\n    each: {{ item: [{list}], a: [{list}], b: [{list}], c: [{list}] }}"),
        "case `buy` has 400000000 combinations of `each` and the axes, with 1 requests each; at most 20000 \
         combinations and 200000 requests are planned",
        "",
    );
}

#[test]
fn profiles_and_known_failures() {
    check("profile: otel", "profile: ^cloudrun", "unknown profile `cloudrun`", "did you mean `cloud-run`?");
    check("[trace-split]", "[^trace-spilt]", "unknown rule `trace-spilt`", "did you mean `trace-split`?");
    check("[trace-split]", "^[]", "a known failure names at least one rule", "");
    check(
        "pattern: \"shop/buy/**\", rules: [trace-split], reason: later",
        "pattern: ^\"**\", rules: [trace-split]",
        "a known failure needs a `reason`",
        "",
    );
    check(
        "\"shop/buy/**\"",
        "^shop/bye/**",
        "the pattern `shop/bye/**` matches no permutation of the suite",
        "`*` stands for one component, `**` for any number; `spanwise list` prints the full names",
    );
    check("\"shop/buy/**\"", "^shop//buy", "the pattern \"shop//buy\" has an empty component", "");
}

#[test]
fn collectors() {
    let with = |text: &str| format!("protocol: http\n    collector: {{ {text} }}\n");
    check("protocol: http\n", &with("persona: ^gogle"), "unknown word `gogle`", "did you mean `google`?");
    check(
        "protocol: http\n",
        &with("refuse-first: ^UNAVAILBLE"),
        "`UNAVAILBLE` is no gRPC code of an error",
        "did you mean `UNAVAILABLE`?",
    );
}

#[test]
fn levels() {
    let after = |line: &str| format!("project: shop-project\nlevels: {{ {line} }}");
    let check = |line: &str, message: &str, advice: &str| {
        check("project: shop-project", &after(line), message, advice);
    };
    check("^trace-spilt: warning", "unknown rule `trace-spilt`", "did you mean `trace-split`?");
    check("trace-split: ^warn", "unknown level `warn`", "known here: violation, warning, information");
    check("trace-split: { ^wep: warning }", "unknown service `wep`", "did you mean `web`?");
    check("trace-split: { web: ^warnin }", "unknown level `warnin`", "did you mean `warning`?");
    check(
        "trace-split: ^off",
        "unknown level `off`",
        "no rule is switched off: use `information` for what does not matter, and `known-failing` for what is \
         known",
    );
    check("^trace-split: [warning]", "invalid type: sequence, expected text or a mapping", "");
}

#[test]
fn conventions() {
    let help = "name a file, or a folder of them, in the format of Weaver; relative to the suite file";
    let after = |line: &str| format!("project: shop-project\n{line}");
    let right = RIGHT.replace("project: shop-project", &after("schema: 1.42\nregistry: labels"));
    let suite = parse(&right).map_err(miette::Report::new).expect("the suite is right");
    assert_eq!(suite.labels.iter().map(|label| label.key.as_str()).collect::<Vec<_>>(), ["shop.item"]);
    check(
        "project: shop-project",
        &after("schema: ^1.43"),
        "unknown version `1.43` of the semantic conventions",
        "did you mean `1.42`?",
    );
    check(
        "project: shop-project",
        &after("schema: ^main"),
        "unknown version `main` of the semantic conventions",
        "known here: 1.42",
    );
    check(
        "project: shop-project",
        &after("registry: ^nowhere"),
        "the registry `nowhere` cannot be read: entity not found",
        help,
    );
    check(
        "project: shop-project",
        &after("registry: ^empty"),
        "the registry `empty` defines no attribute",
        help,
    );
    check(
        "project: shop-project",
        &after("limits: ^v1"),
        "unknown word `v1`",
        "known here: telemetry-api, v2-proto",
    );
    // A mistake in the registry is shown in the registry.
    let error =
        parse(&RIGHT.replace("project: shop-project", &after("registry: wrong"))).expect_err("a mistake");
    assert_eq!((error.file(), error.line(), error.column()), ("wrong/shop.yaml", 2, 29));
}

#[test]
fn files_that_are_too_much_are_refused() {
    #[track_caller]
    fn check(text: &str, part_of_message: &str) {
        let error = parse(text).expect_err("too much");
        assert!(error.message().contains(part_of_message), "{error}");
    }
    check(&"#".repeat(1024 * 1024 + 1), "more than the 1048576 allowed");
    check(&format!("suite: {}", "[".repeat(100_000)), "");
    let aliases = (1..30).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect::<String>();
    check(&format!("a0: &a0 [x]\n{aliases}"), "");
    check("", "");
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    let error = parse(&RIGHT.replace("to: web", "to: wep")).expect_err("the suite has a mistake");
    let mut shown = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut shown, &error).expect("text can be written");
    insta::assert_snapshot!("shown", shown);
}
