//! What a test can get wrong, and what it is told.

use spanwise::{Harness, HarnessError, Run, Service};

use crate::shop::{Broken, shop};

fn web() -> Service {
    Service::in_process(|_| async {})
}

/// Compares why a harness does not start.
async fn check(harness: Harness, expected: &str) {
    let error = harness.start().await.expect_err("a harness with a mistake");
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{error:?}"), expected, "what a test shows that ends with `?`");
}

#[tokio::test]
async fn what_is_said_of_services_is_read_as_strictly_as_a_suite_file() {
    check(
        Harness::builder().service("web", web().env("URL", "{{inventry.url}}")).service("inventory", web()),
        "what the test says of its services cannot be: unknown reference `{{inventry.url}}`; did you mean `inventory.url`?",
    )
    .await;
    check(
        Harness::builder().service("web", web().key("redy", "port")),
        "what the test says of its services cannot be: unknown key `redy`; did you mean `ready`?",
    )
    .await;
    check(
        Harness::builder().service("driver", web()),
        "what the test says of its services cannot be: a service cannot be called `driver`: the word has a meaning of its own",
    )
    .await;
}

#[tokio::test]
async fn choices_that_there_are_not_are_refused() {
    check(
        Harness::builder().service("web", web()).axis("export", "otlp"),
        "axis `export` has no value `otlp`; it has: gcp_trace, otlp-grpc, otlp-http, otlp-http-json",
    )
    .await;
    check(
        Harness::builder().axis("exporter", "otlp-grpc"),
        "there is no axis `exporter` to choose of; there are: entry, channel-in, channel-out, export, propagation",
    )
    .await;
    check(Harness::builder().service("web", web()).entry("wep"), "there is no service `wep`; there are: web")
        .await;
}

#[tokio::test]
async fn mistakes_in_suite_files_have_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("spanwise.yaml");
    std::fs::write(&file, "suite: shop\nservices:\n  web: { command: [web], protocol: htp }\ncases: {}\n")
        .expect("a file");
    let place = format!("{}:3:36", file.display());
    check(Harness::from_suite(&file), &format!("{place}: unknown word `htp`; did you mean `http`?")).await;
    check(
        Harness::from_suite(&file).project("p"),
        "`project` is for harnesses that are built in the test: a suite file says it itself",
    )
    .await;
    let error = Harness::from_suite("no-such.yaml").start().await.expect_err("no file").to_string();
    let here = env!("CARGO_MANIFEST_DIR");
    assert!(
        error.starts_with(&format!("the suite file no-such.yaml cannot be read, seen from {here}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn requests_that_cannot_be_made_say_why() -> Result<(), HarnessError> {
    async fn check(request: spanwise::Request, expected: &str) {
        assert_eq!(request.await.expect_err("a request with a mistake").to_string(), expected);
    }
    let run: Run = shop(Broken::Nothing).start().await?;
    check(run.service("wep").get("/"), "there is no service `wep`; there are: inventory, web").await;
    check(run.get("order"), "GET order could not be sent: the path does not begin with `/`").await;
    check(
        run.get("/order").header("traceparent", "00-00"),
        "GET /order could not be sent: `traceparent` is set by the driver; choose with `unsampled`, `without_context`, or the axis \
         `propagation`",
    )
    .await;
    check(
        run.get("/order").header("a b", "c"),
        "GET /order could not be sent: the request cannot be sent: invalid HTTP header name",
    )
    .await;
    let answer = run.get("/nothing").await?;
    assert_eq!(answer.status(), Some(404));
    let error = answer.json::<serde_json::Value>().expect_err("no JSON").to_string();
    assert!(error.starts_with("the answer to GET /nothing (404) is no such JSON: "), "{error}");
    let error = run.trace("abc").await.expect_err("no id").to_string();
    assert_eq!(error, "\"abc\" is no trace id: it has 32 hexadecimal digits, not all zero");

    let two = Harness::builder().service("web", web()).service("worker", web()).start().await?;
    check(
        two.get("/"),
        "requests of the run itself go to the one service that no other calls, and of these there are: web, worker; say which \
         with `Harness::entry`, or ask `run.service(NAME)`",
    )
    .await;
    let none = Harness::builder().start().await?;
    check(none.service("web").get("/"), "there is no service `web`; there is none").await;
    Ok(())
}
