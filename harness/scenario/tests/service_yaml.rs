//! How a service is deployed, from its Cloud Run file: what is taken of it, what is told of the rest, and its mistakes.

mod marked;

use spanwise_model::{Auth, CloudRunService, Cpu, Ingress, Platform};
use spanwise_scenario::{Known, ServiceStart, ServiceYaml, Suite};

const FILE: &str = r#"apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: orders
  namespace: '123456'
  labels: { cloud.googleapis.com/location: us-central1 }
  annotations:
    run.googleapis.com/ingress: internal-and-cloud-load-balancing
    run.googleapis.com/custom-audiences: '["one", "two"]'
    run.googleapis.com/launch-stage: BETA
    run.googleapis.com/minScale: '7'
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/minScale: '2'
        autoscaling.knative.dev/maxScale: '9'
        run.googleapis.com/cpu-throttling: 'false'
    spec:
      containerConcurrency: 5
      timeoutSeconds: 60
      serviceAccountName: orders@shop.example
      containers:
      - name: main
        image: registry.example/orders:1
        args: [--serve]
        ports:
        - name: h2c
          containerPort: 8080
        env:
        - name: LEVEL
          value: '3'
        - name: EMPTY
        - name: OTEL_BSP_SCHEDULE_DELAY
          value: '60000'
        - name: OTEL_EXPORTER_OTLP_ENDPOINT
          value: https://telemetry.example
        - name: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
          value: https://telemetry.example/v1/traces
        - name: MODE
          value: deployed
        - name: PASSWORD
          valueFrom: { secretKeyRef: { name: password, key: latest } }
        - name: KEY
          valueFrom: { secretKeyRef: { name: key, key: latest } }
        resources: { limits: { cpu: 1000m, memory: 512Mi } }
      - name: sidecar
        image: registry.example/proxy:1
  traffic:
  - { percent: 100, latestRevision: true }
"#;

const SUITE: &str = "suite: shop\n\
    services:\n\
    \x20 orders: { command: [./orders], protocol: http, cloud-run: { auth: required, concurrency: 8 }, env: { MODE: suite, KEY: k } }\n\
    \x20 idle: { command: [./idle], protocol: http }\n\
    axes: { platform: [plain, cloud-run] }\n\
    cases: { buy: { http: { to: orders, get: / } } }\n";

fn file(text: &str) -> ServiceYaml {
    ServiceYaml::parse("orders.yaml", text).map_err(miette::Report::new).expect("the file is right")
}

fn suite(text: &str, deployed: &[ServiceYaml]) -> Suite {
    let known = Known { deployed, ..Known::default() };
    Suite::parse("shop.yaml", text, &known).map_err(miette::Report::new).expect("the suite is right")
}

fn started(suite: &Suite, platform: Platform) -> &ServiceStart {
    let setting = suite.settings.iter().find(|setting| setting.platform == platform).expect("a setting");
    &setting.services[0]
}

/// What replaces a piece of the file marks the mistake.
#[track_caller]
fn check(piece: &str, replacement: &str, message: &str, advice: &str) {
    assert_eq!(FILE.matches(piece).count(), 1, "{piece:?} does not occur once in the file");
    let parse = |text: &str| ServiceYaml::parse("orders.yaml", text);
    let error = marked::check(&FILE.replace(piece, replacement), parse, message, advice);
    assert_eq!(error.file(), "orders.yaml");
}

#[test]
fn what_the_file_says_goes_over_what_the_suite_says() {
    let suite = suite(SUITE, &[file(FILE)]);
    let expected = CloudRunService {
        ingress: Ingress::Internal,
        auth: Auth::Required,
        audiences: vec!["one".to_owned(), "two".to_owned()],
        service_account: Some("orders@shop.example".to_owned()),
        http2: true,
        timeout_ms: 60_000,
        concurrency: 5,
        min_instances: 2,
        max_instances: 9,
        cpu: Cpu::Always,
        ..CloudRunService::default()
    };
    assert_eq!(started(&suite, Platform::CloudRun).cloud_run, expected);
}

#[test]
fn pieces_of_the_file_that_are_missing_leave_the_suite_alone() {
    #[track_caller]
    fn check(from: &str, to: &str, expected: impl Fn(&CloudRunService) -> bool) {
        assert_eq!(FILE.matches(from).count(), 1, "{from:?} does not occur once in the file");
        let suite = suite(SUITE, &[file(&FILE.replace(from, to))]);
        let found = &started(&suite, Platform::CloudRun).cloud_run;
        assert!(expected(found), "{found:?}");
    }
    check("      containerConcurrency: 5\n", "", |found| found.concurrency == 8);
    check("containerConcurrency: 5", "containerConcurrency: 0", |found| found.concurrency == 80);
    check("      timeoutSeconds: 60\n", "", |found| found.timeout_ms == 300_000);
    check("        - name: h2c\n          cont", "        - cont", |found| !found.http2);
    check("name: h2c", "name: http1", |found| !found.http2);
    check(
        "    run.googleapis.com/launch-stage",
        "    run.googleapis.com/invoker-iam-disabled: 'true'\n    x",
        |found| found.auth == Auth::None,
    );
    check(
        "    run.googleapis.com/launch-stage",
        "    run.googleapis.com/invoker-iam-disabled: 'false'\n    x",
        |found| found.auth == Auth::Required,
    );
    check("        autoscaling.knative.dev/minScale: '2'\n", "", |found| found.min_instances == 7);
    // One bound alone: the suite's other gives way.
    check("        autoscaling.knative.dev/maxScale: '9'\n", "", |found| found.max_instances == 2);
    let bare = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: orders }\n\
                spec: { template: { spec: { containers: [{ image: x }] } } }";
    let said = CloudRunService { auth: Auth::Required, concurrency: 8, ..CloudRunService::default() };
    assert_eq!(started(&suite(SUITE, &[file(bare)]), Platform::CloudRun).cloud_run, said);
}

#[test]
fn variables_are_set_on_cloud_run_where_nothing_of_the_run_does() {
    let suite = suite(SUITE, &[file(FILE)]);
    let of =
        |platform: Platform, name: &str| started(&suite, platform).env.get(name).map(ToString::to_string);
    let check = |name: &str, plain: Option<&str>, cloud_run: Option<&str>| {
        let found = (of(Platform::Plain, name), of(Platform::CloudRun, name));
        assert_eq!((found.0.as_deref(), found.1.as_deref()), (plain, cloud_run), "{name}");
    };
    check("LEVEL", None, Some("3"));
    check("EMPTY", None, Some(""));
    check("OTEL_BSP_SCHEDULE_DELAY", Some("5"), Some("60000"));
    let mock = Some("{{collector.otlp_grpc}}");
    check("OTEL_EXPORTER_OTLP_ENDPOINT", mock, mock);
    check("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None, None);
    check("MODE", Some("suite"), Some("suite"));
    check("PASSWORD", None, None);
}

#[test]
fn what_is_not_taken_is_told() {
    let files = [file(FILE)];
    let suites = [suite(SUITE, &files)];
    ServiceYaml::check(&files, &suites).map_err(miette::Report::new).expect("the file has its service");
    let expected = [
        "orders.yaml: `PASSWORD` is not set: its value is not in the file; give it one in the suite's `env`",
        "orders.yaml: `OTEL_EXPORTER_OTLP_ENDPOINT` is not taken from the file: it is the suite's or the run's to set",
        "orders.yaml: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is not taken from the file: it is the suite's or the run's to set",
        "orders.yaml: `MODE` is not taken from the file: it is the suite's or the run's to set",
        "orders.yaml: 1 of its containers is not started: it takes no requests",
    ];
    assert_eq!(files[0].notes(&suites), expected);
}

#[test]
fn a_file_is_for_a_service_that_runs_on_cloud_run() {
    #[track_caller]
    fn check(files: &[&str], suite_text: &str, message: &str, advice: &str) {
        let files: Vec<ServiceYaml> =
            files.iter().map(|name| file(&FILE.replace("orders\n", name))).collect();
        let error = ServiceYaml::check(&files, &[suite(suite_text, &files)]).expect_err("a mistake");
        let found = (error.message(), error.advice().unwrap_or_default(), error.line(), error.column());
        assert_eq!(found, (message, advice, 4, 9));
    }
    check(&["order\n"], SUITE, "no suite has a service `order`", "did you mean `orders`?");
    check(&["orders\n", "orders\n"], SUITE, "`orders` is deployed by orders.yaml already", "");
    let help = "add `platform: [plain, cloud-run]` to the suite as its last axis";
    check(&["idle\n"], SUITE, "no suite runs `idle` on `cloud-run`", help);
    let plain =
        SUITE.replace(", cloud-run]", "]").replace("cloud-run: { auth: required, concurrency: 8 }, ", "");
    check(&["orders\n"], &plain, "no suite runs `orders` on `cloud-run`", help);
}

#[test]
fn mistakes() {
    check(
        "serving.knative.dev/v1",
        "^v1",
        "`v1` is not the `serving.knative.dev/v1` of a Cloud Run service",
        "",
    );
    check(
        "- { percent: 100, latestRevision: true }\n",
        "- { percent: 100 }\n---^\n",
        "only single YAML document expected but multiple found",
        "",
    );
    check("kind: Service\n", "kind: ^Job\n", "`Job` is not the `Service` of a Cloud Run service", "");
    check(
        "  name: orders\n  namespace: '123456'\n  labels: { cloud.googleapis.com/location: us-central1 }\n  anno",
        "  ^anno",
        "the key `name` is missing here",
        "",
    );
    check(
        "internal-and-cloud-load-balancing",
        "^intern",
        "unknown word `intern`",
        "did you mean `internal`?",
    );
    let help = "write them as '[\"https://one.example\", \"two\"]'";
    check("'[\"one\", \"two\"]'", "^one,two", "custom audiences are a JSON list of texts", help);
    check("'[\"one\", \"two\"]'", "^'[\"\"]'", "custom audiences are a JSON list of texts", help);
    check(
        "cpu-throttling: 'false'",
        "cpu-throttling: ^false",
        "Cloud Run takes text here",
        "write it as \"false\"",
    );
    check("maxScale: '9'", "maxScale: ^9", "Cloud Run takes text here", "write it as \"9\"");
    check("maxScale: '9'", "maxScale: ^'1'", "this is a number, 2 or more", "");
    check("minScale: '2'", "minScale: ^few", "this is a number, 0 or more", "");
    check("value: '3'", "value: ^3", "Cloud Run takes text here", "write it as \"3\"");
    check("name: LEVEL", "name: ^PORT", "`PORT` is Cloud Run's to set: it refuses to deploy this", "");
    check(
        "name: LEVEL",
        "name: ^K_SERVICE",
        "`K_SERVICE` is Cloud Run's to set: it refuses to deploy this",
        "",
    );
    check("name: MODE", "name: ^LEVEL", "`LEVEL` is set twice", "");
    check("name: LEVEL", "name: ^A=B", "\"A=B\" cannot be the name of an environment variable", "");
    check("name: h2c", "name: ^http2", "unknown word `http2`", "did you mean `http1`?");
    check("containerPort: 8080", "containerPort: ^0", "`containerPort` is a number from 1 to 65535", "");
    check(
        "containerConcurrency: 5",
        "containerConcurrency: ^1001",
        "`containerConcurrency` is a number from 0 to 1000",
        "",
    );
    check("timeoutSeconds: 60", "timeoutSeconds: ^60s", "this is a whole number, 0 or more", "");
    check("timeoutSeconds: 60", "timeoutSeconds: ^3601", "`timeoutSeconds` is a number from 1 to 3600", "");
    check(
        "orders@shop.example",
        "^orders",
        "\"orders\" is no service account",
        "an account is an address such as `NAME@PROJECT.iam.gserviceaccount.com`",
    );
    check(
        "- name: main\n        image: registry.example/orders:1\n        args: [--serve]\n        ports:\n        - name: h2c\n          containerPort: 8080\n",
        "- ^name: main\n",
        "of several containers, exactly one must have a port: the one that takes requests",
        "",
    );
}
