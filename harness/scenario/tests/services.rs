//! What a service of a suite can be: how it comes to serve, one that runs already, and stubs; what is planned, and which mistakes
//! are pointed at.

mod marked;

use std::path::Path;
use std::time::Duration;

use spanwise_scenario::{
    FixedCollector, FixedSender, Image, Known, Launch, Persona, Ready, Suite, SuiteError,
};

const KNOWN: Known<'static> = Known {
    rules: &[],
    profiles: &[],
    demos: &["api-service"],
    schemas: &[],
    registry: None,
    protos: None,
    deployed: &[],
};

fn parse(text: &str) -> Result<Suite, SuiteError> {
    Suite::parse("shop/spanwise.yaml", text, &KNOWN)
}

/// A suite of which `web` is entered, with these parts before the cases.
fn suite(parts: &str, axes: &str) -> String {
    format!(
        "suite: shop\n{parts}axes: {{ {axes} }}\ncases:\n  page:\n    http: {{ to: web, get: / }}\n    expect: {{ http: 200 }}\n"
    )
}

fn web(keys: &str) -> String {
    suite(&format!("services:\n  web: {{ {keys}, protocol: http }}\n"), "entry: [http]")
}

#[track_caller]
fn read(text: &str) -> Suite {
    parse(text).map_err(miette::Report::new).expect("the suite is right")
}

/// The mistake must be found at the `^`.
#[track_caller]
fn check(text: &str, message: &str, advice: &str) {
    marked::check(text, parse, message, advice);
}

#[test]
fn a_service_gets_ready_in_the_way_that_is_said() {
    #[track_caller]
    fn ready(keys: &str, expected: Ready, within: u64) {
        let suite = read(&web(&format!("command: [./web]{keys}")));
        let start = &suite.settings[0].services[0].start;
        assert_eq!((&start.ready, start.ready_within), (&expected, Duration::from_secs(within)), "{keys}");
    }
    ready("", Ready::Port, 60);
    ready(", ready: line", Ready::Line, 60);
    ready(", ready: grpc-health, ready-within-s: 5", Ready::GrpcHealth, 5);
    ready(", ready: { http: /healthz }", Ready::Http("/healthz".to_owned()), 60);
    ready(", ready: { line: Listening on }", Ready::Says("Listening on".to_owned()), 60);
    let demo = read(&web("demo: api-service"));
    assert_eq!(demo.settings[0].services[0].start.ready, Ready::Line);
    let running =
        format!("collector: {{ otlp-http: 127.0.0.1:4318 }}\n{}", web("url: http://localhost:8080"));
    let start = read(&running).settings[0].services[0].start.clone();
    assert_eq!((start.ready, start.ready_within), (Ready::Port, Duration::from_secs(10)));
}

#[test]
fn mistakes_in_how_a_service_gets_ready() {
    let web = |keys: &str| web(&format!("command: [./web], {keys}"));
    check(&web("ready: ^prot"), "unknown word `prot`", "did you mean `port`?");
    check(&web("ready: { ^htp: / }"), "unknown key `htp`", "did you mean `http`?");
    check(&web("ready: { http: ^healthz }"), "the path does not begin with `/`", "");
    check(&web("ready: { line: ^\" \" }"), "every line has this in it", "");
    let one = "`ready` has exactly one of `http` and `line`";
    check(&web("ready: ^{ http: /, line: x }"), one, "");
    check(&web("ready: ^{}"), one, "");
    check(&web("ready-within-s: ^0"), "`ready-within-s` is a number from 1 to 3600", "");
    check(&web("ready-within-s: ^soon"), "this is a whole number, 0 or more", "");
}

#[test]
fn folders_begin_at_the_suite_file() {
    #[track_caller]
    fn folder(keys: &str, expected: Option<&str>) {
        let suite = read(&web(keys));
        let start = &suite.settings[0].services[0].start;
        assert_eq!(start.folder.as_deref(), expected.map(Path::new), "{keys}");
    }
    folder("command: [./web]", Some("shop"));
    folder("command: [./web], folder: services/web", Some("shop/services/web"));
    folder("command: [./web], folder: /srv/web", Some("/srv/web"));
    folder("demo: api-service", None);
    let beside_the_harness =
        Suite::parse("spanwise.yaml", &web("command: [./web]"), &KNOWN).expect("a suite");
    assert_eq!(beside_the_harness.settings[0].services[0].start.folder.as_deref(), Some(Path::new(".")));
    let empty = "the folder has no name; `.` is that of the suite file";
    check(&web("command: [./web], folder: ^\"\""), empty, "");
    let demo = |key| format!("a demo service is part of the program; `{key}` does nothing for it");
    check(&web("demo: api-service, folder: ^x"), &demo("folder"), "");
    check(&web("demo: api-service, build: ^[make]"), &demo("build"), "");
}

#[test]
fn a_build_is_a_command_without_references() {
    let suite = read(&web("command: [./web], build: [cargo, build, --release]"));
    let words = ["cargo", "build", "--release"].map(str::to_owned).to_vec();
    assert_eq!(suite.settings[0].services[0].start.build, Some(words));
    check(&web("command: [./web], build: ^[]"), "the command that builds is empty", "");
    let within = |keys: &str| read(&web(keys)).settings[0].services[0].start.build_within;
    assert_eq!(within("command: [./web], build: [make]"), Duration::from_secs(1800));
    assert_eq!(within("command: [./web], build: [make], build-within-s: 5"), Duration::from_secs(5));
    assert_eq!(within("image: x, build-within-s: 5"), Duration::from_secs(5));
    let bounds = "`build-within-s` is a number from 1 to 36000";
    check(&web("command: [./web], build: [make], build-within-s: ^0"), bounds, "");
    let nothing = "`build-within-s` without `build`, `dockerfile` or `image` does nothing";
    check(&web("command: [./web], build-within-s: ^5"), nothing, "");
    check(&web("demo: api-service, build-within-s: ^5"), nothing, "");
    check(&web("command: [./web], build: [make, \"{{^port}}\"]"), "unknown reference `{{port}}`", "");
}

#[test]
fn a_service_is_started_in_one_way() {
    let one = "a service has exactly one of `demo`, `command`, `image`, `dockerfile` and `url`; beside an image, `command` takes the \
               place of its CMD";
    let twice = "services:\n  ^web: { command: [./web], url: \"http://localhost:1\", protocol: http }\n";
    check(&suite(twice, ""), one, "");
    check(&suite("services:\n  ^web: { protocol: http }\n", ""), one, "");
}

#[test]
fn mistakes_in_containers() {
    let one = "an image that is built needs no other: a service has one of `image` and `dockerfile`";
    check(&web("image: shop, dockerfile: ^Dockerfile"), one, "");
    check(&web("image: ^\"\""), "\"\" is no name of an image", "");
    check(&web("image: ^my shop"), "\"my shop\" is no name of an image", "");
    check(&web("dockerfile: ^\"\""), "the Dockerfile has no name", "");
    check(&web("dockerfile: x, context: ^\"\""), "the folder has no name", "");
    check(&web("image: x, context: ^."), "`context` is for services with `dockerfile`", "");
    check(&web("image: x, build-args: { ^A: 1 }"), "`build-args` is for services with `dockerfile`", "");
    let name = "\"A=B\" cannot be the name of an environment variable";
    check(&web("dockerfile: x, build-args: { ^A=B: 1 }"), name, "");
    let port = "a service in a container cannot choose its port: say a number";
    check(&web("image: x, container-port: ^0"), port, "");
    let google = "443 is where Google's names listen in a container's network";
    let other =
        "let it listen at another port, in plaintext: TLS ends at the front before it, as on Cloud Run";
    check(&web("image: x, container-port: ^443"), google, other);
    let others = "`container-port` is for services with `image` or `dockerfile`; others find theirs in PORT";
    check(&web("demo: api-service, container-port: ^8080"), others, "");
}

#[test]
fn containers_are_read() {
    let container = |keys: &str| {
        let suite = read(&web(keys));
        match &suite.settings[0].services[0].start.launch {
            Launch::Container(container) => container.clone(),
            other => panic!("{other:?}"),
        }
    };
    let named = container("image: registry.example/shop:1.2, command: [--serve], container-port: 9000");
    assert_eq!(named.image, Image::Named("registry.example/shop:1.2".to_owned()));
    assert_eq!((named.args.len(), named.port), (1, 9000));
    let built = container("dockerfile: web/Dockerfile, build-args: { VERSION: 7 }");
    let (dockerfile, context) = ("shop/web/Dockerfile".into(), "shop/web".into());
    let args = vec![("VERSION".to_owned(), "7".to_owned())];
    assert_eq!(built.image, Image::Built { dockerfile, context, args });
    assert_eq!((built.args.len(), built.port), (0, 8080));
    let elsewhere = container("dockerfile: web/Dockerfile, context: .");
    assert!(matches!(elsewhere.image, Image::Built { context, .. } if context == Path::new("shop")));
    // `docker build` takes no empty path for a folder.
    let beside_the_harness = Suite::parse("spanwise.yaml", &web("dockerfile: Dockerfile"), &KNOWN);
    let start = beside_the_harness.expect("a suite").settings[0].services[0].start.clone();
    let Launch::Container(container) = start.launch else { panic!("{start:?}") };
    assert!(matches!(container.image, Image::Built { context, .. } if context == Path::new(".")));
}

#[test]
fn what_is_text_is_taken_as_it_is_written() {
    #[track_caller]
    fn variable(written: &str, expected: &str) {
        let suite = read(&web(&format!("command: [./web], env: {{ A: {written} }}")));
        let value = suite.settings[0].services[0].env["A"].as_text();
        assert_eq!(value.as_deref(), Some(expected), "{written}");
    }
    variable("True", "True");
    variable("false", "false");
    variable("0x1F", "0x1F");
    variable("1_000", "1_000");
    variable("+5", "+5");
    variable("\"007\"", "007");
    variable("!!int 5", "5");
    let services = "services:\n  web: { command: [./web], protocol: http }\n";
    let suite = read(&suite(services, "entry: [http], env: { DEBUG: [True, False] }"));
    let debug = |at: usize| suite.settings[at].services[0].env["DEBUG"].as_text();
    assert_eq!((debug(0).as_deref(), debug(1).as_deref()), (Some("True"), Some("False")));
    assert_eq!(suite.permutations[1].name.as_str(), "shop/page/entry=http/DEBUG=False");
}

#[test]
fn a_container_is_told_where_the_metadata_server_is_and_not_where_to_export() {
    let has = |keys: &str, name: &str| {
        let services = format!("services:\n  web: {{ {keys}, protocol: http }}\n");
        let suite = read(&suite(&services, "entry: [http], export: [gcp_trace]"));
        suite.settings[0].services[0].env.contains_key(name)
    };
    let endpoint = "GOOGLE_CLOUD_TRACE_ENDPOINT";
    assert_eq!((has("image: x", endpoint), has("command: [x]", endpoint)), (false, true));
    let metadata = "GCE_METADATA_HOST";
    assert_eq!((has("image: x", metadata), has("command: [x]", metadata)), (true, false));
}

const COLLECTOR: &str = "collector: { otlp-grpc: 127.0.0.1:4317 }\n";

#[test]
fn services_that_run_already_share_a_collector_and_have_no_environment() {
    let services = "collector: { otlp-grpc: 127.0.0.1:4317, cloud-trace: 127.0.0.1:4317, persona: google }\n\
                    services:\n  stock: { url: http://stock.local:8081/, service-name: shop-stock, protocol: grpc }\n  \
                    bank: { url: http://localhost:8082, protocol: http, external: true }\n  \
                    web: { url: http://localhost:8080, protocol: http }\n";
    let suite = read(&suite(services, "entry: [http], propagation: [gcp_trace]"));
    let [setting] = suite.settings.as_slice() else { panic!("{:#?}", suite.settings) };
    let [web] = setting.services.as_slice() else { panic!("{:#?}", setting.services) };
    assert_eq!(web.start.launch, Launch::Running { address: "localhost:8080".to_owned() });
    assert!(web.env.is_empty() && web.facts.propagation.len() == 1, "{web:#?}");
    let address = Some(([127, 0, 0, 1], 4317).into());
    let sender = |service: &str, name: &str| FixedSender {
        service: service.to_owned(),
        service_name: Some(name.to_owned()),
    };
    let expected = FixedCollector {
        otlp_grpc: address,
        otlp_http: None,
        cloud_trace: address,
        persona: Persona::Google,
        senders: vec![sender("stock", "shop-stock"), sender("web", "web")],
    };
    assert_eq!(setting.collector.as_ref(), Some(&expected));
}

#[test]
fn one_that_runs_alone_sends_all_that_comes_unless_it_has_a_name() {
    let senders = |keys: &str| {
        let suite = read(&format!("{COLLECTOR}{}", web(&format!("url: http://localhost:8080{keys}"))));
        suite.settings[0].collector.clone().expect("a collector").senders
    };
    let web = |service_name: Option<&str>| {
        vec![FixedSender { service: "web".to_owned(), service_name: service_name.map(str::to_owned) }]
    };
    assert_eq!(senders(""), web(None));
    assert_eq!(senders(", service-name: shop-web"), web(Some("shop-web")));
}

#[test]
fn mistakes_with_services_that_run_already() {
    let web = |keys: &str| format!("{COLLECTOR}{}", web(keys));
    let no_url = |url: &str| format!("`{url}` is no URL of the form `http://HOST:PORT`");
    for url in [
        "localhost:8080",
        "http://localhost",
        "http://:80",
        "http://localhost:0",
        "http://a:1/b",
        "http://u@a:1",
    ] {
        check(&web(&format!("url: ^\"{url}\"")), &no_url(url), "");
    }
    let plaintext =
        "TLS ends at the front before the service, as on Cloud Run: write where it serves plaintext";
    check(&web("url: ^https://localhost:1"), "`https://localhost:1` is behind TLS", plaintext);
    let cannot =
        |key: &str, why: &str| format!("`{key}` cannot be had of a service that runs already: {why}");
    let url = |more: &str| web(&format!("url: http://localhost:8080, {more}"));
    check(&url("env: { ^A: b }"), &cannot("env", "it has its environment already"), "");
    check(&url("build: ^[make]"), &cannot("build", "it is not started"), "");
    check(&url("folder: ^web"), &cannot("folder", "it is not started"), "");
    check(&url("flushes-on-sigterm: ^true"), &cannot("flushes-on-sigterm", "it is not ended"), "");
    check(&url("ready: ^line"), &cannot("ready", "nobody reads its output"), "");
    check(&url("ready: ^{ line: up }"), &cannot("ready", "nobody reads its output"), "");
    let shared = "it exports to the suite's `collector`, which all services share that run already";
    check(&url("collector: ^{ refuse: true }"), &cannot("collector", shared), "");
    check(&url("service-name: ^\"\""), "the `service.name` is empty", "");
    let tells = "`service-name` tells services apart that run already; the run knows which one it starts";
    check(&suite("services:\n  web: { command: [x], service-name: ^x, protocol: http }\n", ""), tells, "");
    let changed = url("external: false")
        .replace("    expect:", "    services: { ^web: { env: { A: b } } }\n    expect:");
    check(&changed, "`web` is not started by the run, which cannot set its variables", "");
}

#[test]
fn mistakes_with_the_collector_of_services_that_run_already() {
    let running = web("url: ^http://localhost:8080");
    let help = "add `collector: { otlp-grpc: 127.0.0.1:4317 }` to the suite, with the addresses that the services by `url` export \
                to, or `external: true` to one of which no spans are expected";
    check(&running, "where `web` exports to is not said", help);
    read(&web("url: http://localhost:8080, external: true"));
    let running = web("url: http://localhost:8080");
    let with = |collector: &str| format!("collector: {collector}\n{running}");
    let address = "write a number and a port, such as `127.0.0.1:4317`; `0.0.0.0:4317` is every interface";
    check(&with("{ otlp-grpc: ^localhost:4317 }"), "`localhost:4317` is no address to listen at", address);
    check(&with("{ otlp-grpc: ^127.0.0.1:0 }"), "`127.0.0.1:0` is no address to listen at", address);
    let nowhere = "add `otlp-grpc`, `otlp-http` or `cloud-trace`, each with an address";
    check(&with("^{}"), "the collector listens nowhere", nowhere);
    let unused =
        "no service has a `url`, so nothing exports here: one that is started gets a collector of its own";
    check(&format!("collector: ^{{ otlp-grpc: 127.0.0.1:4317 }}\n{}", web("command: [x]")), unused, "");
    let twins = format!(
        "{COLLECTOR}services:\n  shop: {{ url: http://localhost:1, service-name: web, protocol: http }}\n  \
         ^web: {{ url: http://localhost:2, protocol: http }}\n"
    );
    check(&suite(&twins, ""), "the spans of `shop` have the `service.name` \"web\", too", "");
}

#[test]
fn axes_that_services_that_run_already_cannot_have() {
    let with = |axes: &str| {
        suite(&format!("{COLLECTOR}services:\n  web: {{ url: http://localhost:1, protocol: http }}\n"), axes)
    };
    let needs = |axis: &str| {
        format!(
            "axis `{axis}` needs services that the run starts, and `web` runs already, with one environment"
        )
    };
    let one = "list the one value for which the service is configured";
    check(&with("entry: [http], ^export: [otlp-grpc, otlp-http]"), &needs("export"), one);
    check(&with("^propagation: [gcp_trace, both]"), &needs("propagation"), one);
    let out = "take the axis out, or start the service by `command`";
    check(&with("^env: { A: [b] }"), &needs("env"), out);
    check(&with("^platform: [plain, cloud-run]"), &needs("platform"), out);
    check(&with("channel-in: [secure], ^platform: [cloud-run]"), &needs("platform"), out);
    let plan = read(&with("channel-in: [insecure, secure], export: [otlp-http], platform: [plain]"));
    assert_eq!(plan.permutations.len(), 2);
}

/// A suite whose service calls a stub.
fn stub(responses: &str) -> String {
    let parts = format!(
        "services:\n  web: {{ command: [./web], protocol: http, env: {{ BANK: \"{{{{bank.url}}}}\" }} }}\nstubs:\n  bank:\n{responses}"
    );
    suite(&parts, "channel-out: [insecure, secure]")
}

#[test]
fn a_stub_is_an_external_service_that_answers_what_is_said() {
    let suite = read(&stub(
        "    - { method: POST, path: /charge, respond: { status: 201, json: { ok: true }, headers: { X-Id: 7 }, delay-ms: 20 } }\n    \
         - { path: \"/rates/*\", respond: { body: none } }\n    - { path: \"*\" }\n",
    ));
    // Its URL follows the channel, as that of every service.
    let names: Vec<&str> = suite.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["shop/page/channel-out=insecure", "shop/page/channel-out=secure"]);
    let services = &suite.settings[0].services;
    assert_eq!(services.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["bank", "web"]);
    let facts = suite.permutations[0].settings.service("bank").expect("the stub");
    assert!(facts.external && services[0].env.is_empty(), "{facts:#?}");
    let Launch::Stub(responses) = &services[0].start.launch else { panic!("{:#?}", services[0]) };
    let shown: Vec<String> = responses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["POST /charge", "/rates/*", "*"]);
    let first = &responses[0];
    assert_eq!(
        (first.status, first.body.as_str(), first.delay),
        (201, "{\"ok\":true}", Duration::from_millis(20))
    );
    let headers = [("x-id", "7"), ("content-type", "application/json")];
    assert_eq!(first.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(
        (responses[1].status, responses[1].body.as_str(), responses[1].headers.len()),
        (200, "none", 0)
    );
}

#[test]
fn mistakes_in_stubs() {
    let one = |response: &str| stub(&format!("    - {{ {response} }}\n"));
    let all = "list what it answers: `- { path: \"*\" }` answers 200 to everything";
    let none = stub("").replace("  bank:\n", "  ^bank: []\n");
    check(&none, "the stub `bank` answers nothing", all);
    check(&one("^method: POST"), "the key `path` is missing here", "");
    check(&one("method: ^post, path: /"), "`post` is no HTTP method, such as `POST`", "");
    check(&one("path: ^charge"), "the path does not begin with `/`", "");
    check(&one("path: ^/a?b=c"), "requests are told apart by their path without the query", "");
    check(&one("path: /, respond: { status: ^101 }"), "`status` is a number from 200 to 599", "");
    check(
        &one("path: /, respond: { json: {}, body: ^x }"),
        "a response has either `json` or `body`, not both",
        "",
    );
    check(
        &one("path: /, respond: { headers: { ^\"a b\": c } }"),
        "\"a b\" cannot be the name of a header",
        "",
    );
    let ascii = "a header holds ASCII characters of one line";
    check(&one("path: /, respond: { headers: { a: ^\"b\\nc\" } }"), ascii, "");
    check(&one("path: /, respond: { delay-ms: ^700000 }"), "`delay-ms` is a number from 0 to 600000", "");
    let right = one("path: /");
    let twice = right.replace("  bank:\n", "  ^web:\n").replace("bank.url", "web.url");
    check(&twice, "`web` is the name of a service already", "");
    let reserved = right.replace("  bank:\n", "  ^port:\n").replace("bank.url", "port");
    check(&reserved, "a service cannot be called `port`: the word has a meaning of its own", "");
    let entered = right.replace("to: web", "to: ^bank");
    let help = "send the request to a service that calls it";
    check(&entered, "`bank` is a stub, which stands for somebody else's service", help);
    let changed = right.replace("    expect:", "    services: { ^bank: { env: { A: b } } }\n    expect:");
    check(&changed, "`bank` is not started by the run, which cannot set its variables", "");
}
