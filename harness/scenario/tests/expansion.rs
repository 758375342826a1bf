//! What the parts of a suite do to its plan, one small suite at a time.

use spanwise_model::notation::print_expected_span;
use spanwise_model::{ContextFormat, GrpcCode, Level, LimitProfile, Pattern, RequestResult};
use spanwise_scenario::{
    EntryRequest, Known, LevelEntry, Permutation, PlanError, RequestForm, Suite, http_status, plan,
};

const KNOWN: Known<'static> = Known {
    rules: &["trace-split"],
    profiles: &[],
    demos: &[],
    schemas: &[],
    registry: None,
    protos: None,
    deployed: &[],
};

/// Two services, the first of which calls the second; the rest of the suite is the test's.
fn suite(rest: &str) -> Suite {
    let text = format!(
        "suite: shop\n\
         services:\n\
         \x20 web: {{ command: [web], protocol: http, env: {{ ORDERS: \"{{{{orders.url}}}}\", LEVEL: 1 }} }}\n\
         \x20 orders: {{ command: [orders], protocol: grpc, ready: grpc-health }}\n\
         {rest}"
    );
    Suite::parse("shop.yaml", &text, &KNOWN).map_err(miette::Report::new).expect("the suite is right")
}

const BUY: &str = "http: { to: web, get: / }, grpc: { to: orders, call: shop.Orders/Buy }";

fn names(suite: &Suite) -> Vec<&str> {
    suite.permutations.iter().map(|one| one.name.as_str()).collect()
}

#[track_caller]
fn check_names(rest: &str, expected: &[&str]) {
    assert_eq!(names(&suite(rest)), expected);
}

#[track_caller]
fn check_variable(suite: &Suite, service: &str, variable: &str, expected: &[Option<&str>]) {
    let values: Vec<Option<String>> = suite
        .settings
        .iter()
        .filter_map(|setting| setting.services.iter().find(|one| one.name == service))
        .map(|start| start.env.get(variable).map(ToString::to_string))
        .collect();
    let expected: Vec<Option<String>> = expected.iter().map(|value| value.map(str::to_owned)).collect();
    assert_eq!(values, expected);
}

#[test]
fn permutations_know_where_their_case_stands() {
    let suite = suite(&format!(
        "axes: {{ entry: [http, grpc] }}\ncases: {{ early: {{ {BUY} }}, late: {{ {BUY} }},\n  buy: {{ {BUY} }} }}"
    ));
    let places: Vec<String> = suite.permutations.iter().map(|one| one.place.to_string()).collect();
    let expected = [
        "shop.yaml:6:10",
        "shop.yaml:6:10",
        "shop.yaml:6:93",
        "shop.yaml:6:93",
        "shop.yaml:7:3",
        "shop.yaml:7:3",
    ];
    assert_eq!(places, expected);
}

#[test]
fn names_follow_the_suite() {
    check_names("cases: { a: { http: { to: web, get: / } } }", &["shop/a"]);
    check_names(
        "axes: { channel-in: [secure], entry: [grpc, http] }\ncases: { a: { http: { to: web, get: / } } }",
        &["shop/a/channel-in=secure/entry=http"],
    );
    check_names(
        "axes: { export: [otlp-grpc], env: { MODE: [on, 2] } }\n\
         cases: { a: { each: { x: [1, b] }, http: { to: web, get: / } } }",
        &[
            "shop/a/x=1/export=otlp-grpc/MODE=on",
            "shop/a/x=1/export=otlp-grpc/MODE=2",
            "shop/a/x=b/export=otlp-grpc/MODE=on",
            "shop/a/x=b/export=otlp-grpc/MODE=2",
        ],
    );
}

#[test]
fn levels_are_of_all_services_or_of_one() {
    let suite = suite("levels: { trace-split: warning }\ncases: { a: { http: { to: web, get: / } } }");
    let entry = |service: Option<&str>, level| LevelEntry {
        rule: "trace-split".to_owned(),
        service: service.map(str::to_owned),
        level,
    };
    assert_eq!(suite.levels, [entry(None, Level::Warning)]);
    let suite = self::suite(
        "levels: { trace-split: { web: information, orders: violation } }\n\
         cases: { a: { http: { to: web, get: / } } }",
    );
    let expected = [entry(Some("web"), Level::Information), entry(Some("orders"), Level::Violation)];
    assert_eq!(suite.levels, expected);
    let planned = plan(&[suite], &[]).expect("one suite");
    assert_eq!(planned.levels["shop"], expected);
}

#[test]
fn expected_spans_are_of_every_form_or_of_one() {
    let suite = suite(&format!(
        "axes: {{ entry: [http, grpc] }}\n\
         cases:\n  a:\n    each: {{ n: [7] }}\n    concurrent: 2\n    {}\n    expect:\n      \
         spans: [{{ service: orders, status: UNSET, labels: {{ a: \"{{{{each.n}}}}\", b: \"n{{{{each.n}}}}\" }} }}]\n      \
         http-spans: [{{ name: \"GET *\", kind: SERVER, labels: {{ u: \"{{{{user}}}}\", x: null, r: 0.5, t: true }}, \
         children: [{{}}] }}]",
        BUY.replace(", grpc", "\n    grpc")
    ));
    let shown = |at: usize| {
        let Permutation { settings, .. } = &suite.permutations[at];
        let lines = settings.expected.iter().map(print_expected_span);
        (lines.collect::<Vec<_>>(), settings.expected.iter().map(|one| one.children.len()).sum::<usize>())
    };
    let orders = "orders * \"*\" status=UNSET a=7 b=\"n7\"".to_owned();
    let get = "* SERVER \"GET *\" u=\"{{user}}\" !x r=0.5 t=true".to_owned();
    assert_eq!(shown(0), (vec![orders.clone(), get], 1));
    assert_eq!(shown(1), (vec![orders], 0));
}

#[test]
fn channel_out_is_left_out_where_nothing_depends_on_it() {
    let axes = "axes: { entry: [http, grpc], channel-out: [insecure, secure] }";
    let both = suite(&format!("{axes}\ncases: {{ a: {{ {BUY} }} }}"));
    assert_eq!(
        names(&both),
        [
            "shop/a/entry=http/channel-out=insecure",
            "shop/a/entry=http/channel-out=secure",
            "shop/a/entry=grpc",
        ]
    );
    assert_eq!(both.permutations.iter().map(|one| one.setting).collect::<Vec<_>>(), [0, 1, 0]);
    // A restriction to the second value does not take the permutation away.
    check_names(
        &format!("{axes}\ncases: {{ a: {{ {BUY}, axes: {{ channel-out: [secure] }} }} }}"),
        &["shop/a/entry=http/channel-out=secure", "shop/a/entry=grpc"],
    );
    // A fixed address leaves nothing to choose, a refused one has a scheme.
    let fixed = |url: &str| {
        format!(
            "{axes}\ncases: {{ a: {{ http: {{ to: web, get: / }}, \
             services: {{ web: {{ env: {{ ORDERS: \"{url}\" }} }} }} }} }}"
        )
    };
    check_names(&fixed("https://orders.invalid"), &["shop/a/entry=http"]);
    check_names(&fixed("{{untrusted.url}}"), &["shop/a/entry=http"]);
    check_names(
        &fixed("{{refused.url}}"),
        &["shop/a/entry=http/channel-out=insecure", "shop/a/entry=http/channel-out=secure"],
    );
}

#[test]
fn a_setting_starts_what_its_permutations_need_callees_first() {
    let both = suite(&format!("axes: {{ entry: [http, grpc] }}\ncases: {{ a: {{ {BUY} }} }}"));
    let started = |filter: &str| {
        let filter: Vec<Pattern> = filter.parse().into_iter().collect();
        let plan = plan(std::slice::from_ref(&both), &filter).expect("one suite");
        let services = plan.settings.iter().flat_map(|setting| &setting.services);
        services.map(|service| service.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(started("**"), ["orders", "web"]);
    assert_eq!(started("shop/a/entry=grpc"), ["orders"]);
    assert_eq!(started("shop/b"), Vec::<String>::new());
}

#[test]
fn of_two_values_of_a_variable_the_more_special_wins() {
    let suite = suite(
        "axes: { env: { LEVEL: [2, 3] } }\n\
         cases:\n\
         \x20 a: { http: { to: web, get: / } }\n\
         \x20 b: { http: { to: web, get: / }, services: { web: { env: { LEVEL: 4 } } }, axes: { LEVEL: [2] } }",
    );
    check_variable(&suite, "web", "LEVEL", &[Some("2"), Some("3"), Some("4")]);
    check_variable(&suite, "orders", "LEVEL", &[Some("2"), Some("3"), Some("2")]);
    check_variable(&suite, "orders", "GOOGLE_CLOUD_PROJECT", &[None, None, None]);
}

#[test]
fn the_rules_are_told_what_a_service_is_really_configured_for() {
    let suite = suite(
        "axes: { propagation: [both] }\n\
         cases: { a: { http: { to: web, get: / }, services: { orders: { env: { OTEL_PROPAGATORS: tracecontext } } } } }",
    );
    let told = &suite.permutations[0].settings;
    let of = |name: &str| told.service(name).map(|facts| (facts.propagation.clone(), facts.baggage));
    let both = vec![ContextFormat::Tracecontext, ContextFormat::GcpTrace];
    assert_eq!(of("web"), Some((both, true)));
    assert_eq!(of("orders"), Some((vec![ContextFormat::Tracecontext], false)));
}

#[test]
fn the_driver_sends_what_context_and_propagation_say() {
    use ContextFormat::{GcpTrace, Tracecontext};
    #[track_caller]
    fn check(context: &str, propagation: &str, expected: &[ContextFormat], exclusive: bool) {
        let suite = suite(&format!(
            "axes: {{ propagation: [{propagation}] }}\n\
             cases: {{ a: {{ context: {context}, http: {{ to: web, get: / }} }} }}"
        ));
        let one = &suite.permutations[0];
        assert_eq!((one.context.formats.as_slice(), one.exclusive), (expected, exclusive));
    }
    check("sampled", "gcp_trace", &[GcpTrace], false);
    check("unsampled", "tracecontext", &[Tracecontext], false);
    check("sampled", "both", &[Tracecontext, GcpTrace], false);
    check("conflicting", "gcp_trace", &[Tracecontext, GcpTrace], false);
    check("none", "both", &[], true);
}

#[test]
fn concurrent_requests_have_a_user_each() {
    let suite = suite(
        "cases: { a: { concurrent: 3, http: { to: web, get: \"/{{user}}\", headers: { X-User: \"{{user}}\" } } } }",
    );
    let requests: Vec<_> = suite.permutations[0].requests().collect();
    let headers: Vec<_> = requests.iter().flat_map(|request| request.headers.clone()).collect();
    let user = |number: usize| ("x-user".to_owned(), format!("user-{number}"));
    assert_eq!(headers, [user(1), user(2), user(3)]);
    assert!(requests.iter().all(|request| request.marker.is_some()));
}

#[test]
fn what_is_said_of_labels_and_third_parties_reaches_the_rules() {
    let case = "http: { to: web, get: / }, require-labels: [user.id, tenant]";
    let suite = suite(&format!(
        "require-labels: [user.id]\nvarying-labels: [order.*]\nlimits: v2-proto\nexternal-hosts: [pay.example]\ncases: {{ a: {{ {case} }} }}"
    ));
    let settings = &suite.permutations[0].settings;
    assert_eq!(settings.required_labels, ["user.id", "tenant"]);
    assert!(settings.varies("order.id") && !settings.varies("user.id"));
    assert_eq!(settings.limits, LimitProfile::V2Proto);
    assert_eq!(settings.external_hosts, ["pay.example"]);
    assert!(settings.services.iter().all(|service| !service.external));
}

#[test]
fn groups_hold_what_must_agree() {
    let suite = suite(&format!(
        "axes: {{ entry: [http, grpc], channel-in: [insecure, secure] }}\nagree: [channel-in]\n\
         cases: {{ a: {{ {BUY} }} }}"
    ));
    let plan = plan(&[suite], &[]).expect("one suite");
    let groups: Vec<_> = plan.groups.iter().map(|group| (&*group.name, &*group.permutations)).collect();
    assert_eq!(groups, [("shop/a/entry=http", &[0, 1][..]), ("shop/a/entry=grpc", &[2, 3][..])]);
}

#[test]
fn two_suites_of_one_name_are_refused() {
    let one = suite("cases: { a: { http: { to: web, get: / } } }");
    let error = plan(&[one.clone(), one], &[]).expect_err("the names collide");
    assert_eq!(error, PlanError::DuplicateSuite("shop".to_owned()));
}

#[test]
fn an_expected_status_may_be_the_one_of_a_grpc_code() {
    #[track_caller]
    fn check(expected: &str, result: RequestResult) {
        let suite = suite(&format!(
            "cases: {{ a: {{ http: {{ to: web, get: / }}, expect: {{ http: {expected} }} }} }}"
        ));
        assert_eq!(suite.permutations[0].steps[0].requests[0].expected, Some(result));
    }
    check("204", RequestResult::Http(204));
    check("CANCELLED", RequestResult::Http(499));
    check("broken", RequestResult::HttpBroken(200));
}

#[test]
fn codes_map_to_http_as_google_rpc_has_it() {
    let mapped: Vec<u16> = GrpcCode::all().map(http_status).collect();
    assert_eq!(mapped, [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
}

/// The forms in which a case's steps are sent, by permutation: `http GET /`, `grpc a.B/C 1`, `shell …`.
#[track_caller]
fn check_sent(rest: &str, expected: &[&[&str]]) {
    let shown = |request: &EntryRequest| match &request.form {
        RequestForm::Http { method, path, .. } => format!("http {method} {path}"),
        RequestForm::Grpc { call, messages, .. } => format!("grpc {call} {}", messages.len()),
        RequestForm::Shell { run, services, .. } => format!("shell {run} to {}", services.join(" ")),
    };
    let suite = suite(rest);
    let sent: Vec<Vec<String>> =
        suite.permutations.iter().map(|one| one.requests().map(shown).collect()).collect();
    assert_eq!(sent, expected);
}

#[test]
fn a_call_has_as_many_messages_as_are_written() {
    let of = |messages: &str| {
        format!("cases: {{ a: {{ grpc: {{ to: orders, call: shop.Orders/Buy {messages} }} }} }}")
    };
    check_sent(&of(""), &[&["grpc shop.Orders/Buy 1"]]);
    check_sent(&of(", message: { a: 1 }"), &[&["grpc shop.Orders/Buy 1"]]);
    check_sent(&of(", messages: [{ a: 1 }, {}, { a: 2 }]"), &[&["grpc shop.Orders/Buy 3"]]);
    check_sent(&of(", messages: []"), &[&["grpc shop.Orders/Buy 0"]]);
}

#[test]
fn a_sequence_runs_under_the_entries_of_its_first_step() {
    let steps = "sequence: [\
        { name: order, http: { to: web, get: /order }, grpc: { to: orders, call: shop.Orders/Buy } }, \
        { http: { to: web, get: \"/order/{{steps.order.json.id}}\" } } ]";
    check_sent(
        &format!("axes: {{ entry: [http, grpc, shell] }}\ncases: {{ a: {{ {steps} }} }}"),
        &[
            &["http GET /order", "http GET /order/{{steps.order.json.id}}"],
            &["grpc shop.Orders/Buy 1", "http GET /order/{{steps.order.json.id}}"],
        ],
    );
    let suite = suite(
        "cases: { a: { sequence: [{ http: { to: web, get: / }, expect: { spans: [{ service: web }] } }, \
         { name: b, http: { to: web, get: / } }] } }",
    );
    let names: Vec<_> = suite.permutations[0].steps.iter().map(|step| step.name.as_deref()).collect();
    assert_eq!(names, [Some("1"), Some("b")]);
    let trees = &suite.permutations[0].settings.expected;
    assert_eq!(trees.iter().map(|tree| tree.step.as_deref()).collect::<Vec<_>>(), [Some("1")]);
}

#[test]
fn a_command_enters_at_every_service_that_it_names_and_runs_alone() {
    let case = "shell: { run: \"curl {{web.url}} {{each.x}}\", env: { ORDERS: \"{{orders.url}}\" } }, each: { x: [y] }";
    let rest = format!("cases: {{ a: {{ {case} }} }}");
    check_sent(&rest, &[&["shell curl {{web.url}} y to web orders"]]);
    let suite = suite(&rest);
    let one = &suite.permutations[0];
    assert!(one.exclusive);
    assert_eq!(one.services, ["web", "orders"]);
    assert_eq!(one.steps[0].requests[0].expected, Some(RequestResult::Exit(0)));
}

#[test]
fn an_answer_is_expected_as_far_as_it_is_written() {
    let suite = suite(
        "cases: { a: { each: { n: [3] }, http: { to: web, get: / }, \
         expect: { headers: { X-N: \"{{each.n}}*\", X-Gone: null }, json: { n: \"{{each.n}}\" } } } }",
    );
    let answer = &suite.permutations[0].steps[0].requests[0].answer;
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(headers, [("x-n", Some("3*")), ("x-gone", None)]);
    assert_eq!(answer.json.as_ref().map(ToString::to_string).as_deref(), Some("{\"n\":3}"));
}
