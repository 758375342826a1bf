//! Suites that run on Cloud Run: what is planned there, what services find, and the mistakes in what a suite says of it.

mod marked;

use std::time::Duration;

use spanwise_model::{
    Auth, CloudRunService, Cpu, FrontEnd, FrontEndContext, FrontEndSampling, FrontEndSpans, Ingress,
    InstanceEnd, Platform,
};
use spanwise_scenario::{Caller, Channel, Known, Repeat, Setting, Suite, SuiteError};

const KNOWN: Known<'static> = Known {
    rules: &[],
    profiles: &[],
    demos: &[],
    schemas: &[],
    registry: None,
    protos: None,
    deployed: &[],
};

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

const SUITE: &str = r#"suite: shop
project: shop-project
cloud-run: { region: europe-west1, sampling: rate }
services:
  orders:
    command: [./orders]
    protocol: grpc
    cloud-run: { auth: required, audiences: [orders-audience] }
  web:
    command: [./web]
    protocol: http
    env: { ORDERS: "{{orders.url}}", METADATA: "http://{{metadata.host}}" }
axes:
  entry: [http, grpc]
  platform: [plain, cloud-run]
agree: [platform]
cases:
  buy:
    http: { to: web, post: /buy }
    grpc: { to: orders, call: shop.Orders/Buy }
    expect: { http: 200, grpc: OK }
"#;

fn parse(text: &str) -> Result<Suite, SuiteError> {
    Suite::parse("shop.yaml", text, &KNOWN)
}

/// The suite with one piece replaced.
#[track_caller]
fn replaced(piece: &str, replacement: &str) -> String {
    assert_eq!(SUITE.matches(piece).count(), 1, "{piece:?} does not occur once in the suite");
    SUITE.replace(piece, replacement)
}

#[track_caller]
fn suite(piece: &str, replacement: &str) -> Suite {
    parse(&replaced(piece, replacement)).map_err(miette::Report::new).expect("the suite is right")
}

/// As in `mistakes`: what replaces a piece of the suite marks the mistake.
#[track_caller]
fn check(piece: &str, replacement: &str, message: &str, advice: &str) {
    marked::check(&replaced(piece, replacement), parse, message, advice);
}

#[track_caller]
fn check_names(axes: &str, case: &str, expected: &[&str]) {
    let text =
        replaced("  entry: [http, grpc]\n", axes).replace("    expect:", &format!("{case}    expect:"));
    let suite = parse(&text).map_err(miette::Report::new).expect("the suite is right");
    let names: Vec<&str> = suite.permutations.iter().map(|one| one.name.as_str()).collect();
    let expected: Vec<String> = expected.iter().map(|name| format!("shop/buy/{name}")).collect();
    assert_eq!(names, expected);
    for one in &suite.permutations {
        let setting = &suite.settings[one.setting];
        let platform = one.settings.platform;
        assert_eq!(setting.platform, platform, "{}", one.name);
        assert!(one.name.as_str().ends_with(&format!("/platform={}", platform.as_str())), "{}", one.name);
        if platform == Platform::CloudRun {
            assert_eq!(
                (one.channel_in, setting.channel_out),
                (Channel::Secure, Channel::Secure),
                "{}",
                one.name
            );
        }
    }
}

fn setting(suite: &Suite, platform: Platform) -> &Setting {
    let mut settings = suite.settings.iter().filter(|setting| setting.platform == platform);
    settings.next().expect("a setting of the platform")
}

#[test]
fn the_example_of_the_architecture_is_right() {
    let begin = ARCHITECTURE.find("    cloud-run: {").expect("the example begins with the front end");
    let example = ARCHITECTURE[begin..].lines().take_while(|line| line.starts_with("    "));
    let example: Vec<&str> = example.map(|line| &line[4..]).collect();
    let text = format!("suite: shop\naxes: {{ platform: [plain, cloud-run] }}\n{}\n", example.join("\n"));
    let suite = parse(&text).map_err(miette::Report::new).expect("the example is right");
    let names: Vec<&str> = suite.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["shop/cold-start/platform=plain", "shop/cold-start/platform=cloud-run"]);
}

#[test]
fn the_platform_is_last_and_secure() {
    check_names("  entry: [http]\n", "", &["entry=http/platform=plain", "entry=http/platform=cloud-run"]);
    check_names(
        "  entry: [http, grpc]\n  channel-in: [insecure, secure]\n  channel-out: [insecure, secure]\n",
        "",
        &[
            "entry=http/channel-in=insecure/channel-out=insecure/platform=plain",
            "entry=http/channel-in=insecure/channel-out=secure/platform=plain",
            "entry=http/channel-in=secure/channel-out=insecure/platform=plain",
            "entry=http/channel-in=secure/channel-out=secure/platform=plain",
            "entry=http/channel-in=secure/channel-out=secure/platform=cloud-run",
            "entry=grpc/channel-in=insecure/platform=plain",
            "entry=grpc/channel-in=secure/platform=plain",
            "entry=grpc/channel-in=secure/platform=cloud-run",
        ],
    );
    // What does not depend on channel-out runs where it is secure, too.
    check_names(
        "  entry: [grpc]\n  channel-out: [secure, insecure]\n",
        "    axes: { platform: [cloud-run] }\n",
        &["entry=grpc/platform=cloud-run"],
    );
    check_names(
        "  entry: [http]\n  channel-in: [insecure, secure]\n",
        "    axes: { channel-in: [insecure], platform: [plain] }\n",
        &["entry=http/channel-in=insecure/platform=plain"],
    );
}

#[test]
fn settings_are_told_the_platform() {
    let suite = suite("agree:", "agree:");
    let names: Vec<&str> = suite.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(names, ["shop/platform=plain", "shop/platform=cloud-run"]);
    let front_end = FrontEnd {
        sampling: FrontEndSampling::Rate,
        region: Some("europe-west1".to_owned()),
        ..FrontEnd::default()
    };
    for (platform, expected) in [(Platform::Plain, FrontEnd::default()), (Platform::CloudRun, front_end)] {
        assert_eq!(setting(&suite, platform).front_end, expected);
        let told = suite.permutations.iter().filter(|one| one.settings.platform == platform);
        assert!(told.clone().count() == 2 && told.into_iter().all(|one| one.settings.front_end == expected));
    }
    // They agree: the platform is no part of the group.
    assert_eq!(suite.permutations[0].group, "shop/buy/entry=http");
}

#[test]
fn services_find_the_contract_of_the_platform() {
    let suite = suite("agree:", "agree:");
    let check = |platform: Platform, name: &str, expected: Option<&str>| {
        let services = &setting(&suite, platform).services;
        let web = services.iter().find(|service| service.name == "web").expect("it is started");
        let found = web.env.get(name).map(ToString::to_string);
        assert_eq!(found.as_deref(), expected, "{name} on {}", platform.as_str());
    };
    for (name, value) in [
        ("K_SERVICE", "web"),
        ("K_REVISION", "web-00001-spw"),
        ("K_CONFIGURATION", "web"),
        ("GCE_METADATA_HOST", "{{metadata.host}}"),
        ("GCE_METADATA_IP", "{{metadata.host}}"),
        ("METADATA", "http://{{metadata.host}}"),
    ] {
        check(Platform::CloudRun, name, Some(value));
        check(Platform::Plain, name, None);
    }
    check(Platform::CloudRun, "PORT", Some("{{port}}"));
    check(Platform::Plain, "ORDERS", Some("{{orders.url}}"));
}

#[test]
fn rules_are_told_who_is_private() {
    let suite = suite("agree:", "agree:");
    let of = |at: usize, name: &str| {
        let facts = suite.permutations[at].settings.service(name).expect("a service");
        (facts.auth_required, facts.audiences.clone())
    };
    assert_eq!(of(0, "orders"), (false, vec![]));
    assert_eq!(of(1, "orders"), (true, vec!["orders-audience".to_owned()]));
    assert_eq!(of(1, "web"), (false, vec![]));
}

#[test]
fn every_setting_of_a_service_is_read() {
    let all = "ingress: internal, auth: required, audiences: [a], service-account: a@b, invokers: [web], vpc: false, \
               http2: true, timeout-ms: 2, concurrency: 3, min-instances: 4, max-instances: 5, idle-ms: 6, \
               cpu: always, end: killed, token-lifetime-s: 7";
    let read = |text: &str| {
        let suite = suite("auth: required, audiences: [orders-audience]", text);
        setting(&suite, Platform::CloudRun).services[0].cloud_run.clone()
    };
    let expected = CloudRunService {
        ingress: Ingress::Internal,
        auth: Auth::Required,
        audiences: vec!["a".to_owned()],
        service_account: Some("a@b".to_owned()),
        invokers: Some(vec!["web".to_owned()]),
        vpc: false,
        http2: true,
        timeout_ms: 2,
        concurrency: 3,
        min_instances: 4,
        max_instances: 5,
        idle_ms: 6,
        cpu: Cpu::Always,
        end: InstanceEnd::Killed,
        token_lifetime_s: 7,
    };
    assert_eq!(read(all), expected);
    assert_eq!(read(""), CloudRunService::default());
    let three = CloudRunService { min_instances: 3, max_instances: 3, ..CloudRunService::default() };
    assert_eq!(read("min-instances: 3"), three);
    let none = CloudRunService { min_instances: 0, max_instances: 1, ..CloudRunService::default() };
    assert_eq!(read("min-instances: 0"), none);
}

#[test]
fn every_setting_of_the_front_end_is_read() {
    let text =
        "sampling: off, spans: stored, context: google, region: us-east4, not-allowed: 401, not-valid: 403";
    let suite = suite("region: europe-west1, sampling: rate", text);
    let expected = FrontEnd {
        sampling: FrontEndSampling::Off,
        spans: FrontEndSpans::Stored,
        context: FrontEndContext::Google,
        region: Some("us-east4".to_owned()),
        not_allowed: Some(401),
        not_valid: Some(403),
    };
    assert_eq!(setting(&suite, Platform::CloudRun).front_end, expected);
}

#[test]
fn a_case_says_how_often_and_from_where() {
    let one = |text: &str| suite("    expect:", &format!("{text}    expect:")).permutations[0].clone();
    let plain = one("");
    assert_eq!((plain.caller, plain.repeat, plain.requests().count()), (Caller::Vpc, None, 1));
    let often = one("    concurrent: 2\n    repeat: { times: 3, pause-ms: 40 }\n    caller: internet\n");
    let repeat = Repeat { times: 3, pause: Duration::from_millis(40) };
    assert_eq!((often.caller, often.repeat, often.requests().count()), (Caller::Internet, Some(repeat), 2));
    assert_eq!(one("    repeat: { times: 2 }\n").repeat, Some(Repeat { times: 2, pause: Duration::ZERO }));
}

#[test]
fn mistakes_of_the_axis() {
    check(
        "  entry: [http, grpc]\n  platform: [plain, cloud-run]",
        "  ^platform: [plain, cloud-run]\n  entry: [http, grpc]",
        "the axis `platform` is the last one, as in names",
        "",
    );
    check(
        "[plain, cloud-run]",
        "[plain, ^cloudrun]",
        "unknown value `cloudrun` of axis `platform`",
        "did you mean `cloud-run`?",
    );
    let help = "add `secure`, which alone is planned on `cloud-run`, or leave `cloud-run` out of `platform`";
    for channel in ["channel-in", "channel-out"] {
        let message = format!("on `cloud-run` every channel is secure, and `{channel}` is not, here");
        check("  entry:", &format!("  ^{channel}: [insecure]\n  entry:"), &message, help);
        let text = replaced("  entry:", &format!("  {channel}: [insecure, secure]\n  entry:"));
        let text =
            text.replace("    expect:", &format!("    axes: {{ ^{channel}: [insecure] }}\n    expect:"));
        marked::check(&text, parse, &message, help);
    }
}

#[test]
fn what_does_nothing_is_a_mistake() {
    let help = "add `platform: [plain, cloud-run]` as the last axis, or remove `cloud-run`";
    let plain = "[plain]\nagree: [platform]";
    let of_suite = replaced("[plain, cloud-run]\nagree: [platform]", plain);
    let message = "the suite does not run on `cloud-run`, so this does nothing";
    marked::check(&of_suite.replace("cloud-run: { region", "cloud-run: ^{ region"), parse, message, help);
    let of_service = of_suite.replace("cloud-run: { region: europe-west1, sampling: rate }\n", "");
    marked::check(&of_service.replace("cloud-run: { auth", "cloud-run: ^{ auth"), parse, message, help);

    let message = "where the caller stands matters on `cloud-run` alone, and this case does not run there";
    let case = "    axes: { platform: [plain] }\n    caller: ^internet\n    expect:";
    check("    expect:", case, message, "");

    let message = "there is no metadata server here";
    let help = "it is part of `platform: cloud-run`: a variable that holds it is set there alone";
    check("[./web]", "[./web, \"{{^metadata.host}}\"]", message, help);
    let plain = of_service.replace("    cloud-run: { auth: required, audiences: [orders-audience] }\n", "");
    marked::check(&plain.replace("{{metadata", "{{^metadata"), parse, message, help);
}

#[test]
fn mistakes_of_the_settings() {
    let front_end = |text: &str, message: &str, advice: &str| {
        check("region: europe-west1, sampling: rate", text, message, advice);
    };
    front_end("^samplign: on", "unknown key `samplign`", "did you mean `sampling`?");
    front_end("sampling: ^onn", "unknown word `onn`", "did you mean `on`?");
    front_end("not-allowed: ^500", "`not-allowed` is an HTTP status from 400 to 499", "");
    front_end("not-valid: ^399", "`not-valid` is an HTTP status from 400 to 499", "");
    let help = "a region is called as `us-central1` is";
    front_end("region: ^US Central", "\"US Central\" cannot be a region", help);
    front_end("region: ^''", "\"\" cannot be a region", help);

    let service = |text: &str, message: &str, advice: &str| {
        check("auth: required, audiences: [orders-audience]", text, message, advice);
    };
    service("^concurency: 1", "unknown key `concurency`", "did you mean `concurrency`?");
    service("cpu: ^never", "unknown word `never`", "known here: throttled, always");
    service("audiences: [a, ^'']", "an audience is not empty", "");
    service("invokers: [web, ^wep]", "unknown service `wep`", "did you mean `web`?");
    let help = "an account is an address such as `NAME@PROJECT.iam.gserviceaccount.com`";
    service("service-account: ^orders", "\"orders\" is no service account", help);
    service("service-account: ^a@b@c", "\"a@b@c\" is no service account", help);
    for (key, wrong, bounds) in [
        ("timeout-ms", "0", "1 to 3600000"),
        ("timeout-ms", "3600001", "1 to 3600000"),
        ("concurrency", "0", "1 to 1000"),
        ("min-instances", "1001", "0 to 1000"),
        ("max-instances", "0", "1 to 1000"),
        ("min-instances: 3, max-instances", "2", "3 to 1000"),
        ("token-lifetime-s", "0", "1 to 3600"),
        ("token-lifetime-s", "3601", "1 to 3600"),
    ] {
        let name = key.rsplit(' ').next().unwrap_or(key);
        service(&format!("{key}: ^{wrong}"), &format!("`{name}` is a number from {bounds}"), "");
    }
}
