//! A service does not listen where Cloud Run sends requests to.

use std::net::SocketAddr;

use spanwise_model::{Evidence, Level, Platform, ProcessEventKind};

use crate::lost::{events, processes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "port-ignored",
    family: Family::Platform,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Process],
    explains: &[],
    explanation: r#"
## What it checks

A service listens on the port that the environment variable `PORT` names, on all interfaces (`0.0.0.0` or `[::]`). Further
sockets are its own business. Where no platform is emulated the rule does not apply.

## Why it matters

Cloud Run connects to `PORT` from outside of the container. A service that listens on loopback alone, or on a port of its own,
works on every laptop and never becomes ready after the deployment.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
process:
  api-service spawned
  api-service listening 127.0.0.1:8080
settings:
  platform=cloud-run no-resource
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
process:
  api-service spawned
  api-service listening 0.0.0.0:8080
settings:
  platform=cloud-run no-resource
```

## How to fix

- Rust: bind `("0.0.0.0", port)` with the port from `std::env::var("PORT")`.
- Python: run `uvicorn main:app --host 0.0.0.0 --port $PORT`, or `gunicorn --bind :$PORT`.
- Go: use `http.ListenAndServe(":"+os.Getenv("PORT"), handler)`; `"localhost:"` is loopback alone.
- Node: call `server.listen(process.env.PORT)` without a host.
- Java: set `server.port=${PORT:8080}`, and leave `server.address` unset.

## References

- Cloud Run, "Container runtime contract": <https://cloud.google.com/run/docs/container-contract>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    if index.observation.settings.platform != Platform::CloudRun {
        return;
    }
    for source in processes(index) {
        let sockets: Vec<(SocketAddr, bool)> = events(index, source)
            .into_iter()
            .filter_map(|event| match event.kind {
                ProcessEventKind::Listening { address, on_port } => Some((address, on_port)),
                _ => None,
            })
            .collect();
        // What a closer socket lacks says most: the right port first.
        let Some((address, on_port)) = sockets.iter().max_by_key(|socket| serves(socket)) else {
            findings.not_observed();
            continue;
        };
        findings.looked();
        if serves(&(*address, *on_port)) == (true, true) {
            continue;
        }
        let why = if *on_port { "which nobody outside can reach" } else { "which is not the port of PORT" };
        findings
            .on_service(&source.service, format!("{} listens on {address}, {why}.", source.service))
            .expected("all interfaces, on the port of PORT")
            .actual(address)
            .fact("address", address.to_string());
    }
}

/// Whether a socket has the right port, and whether it serves all interfaces.
fn serves((address, on_port): &(SocketAddr, bool)) -> (bool, bool) {
    (*on_port, address.ip().is_unspecified())
}
