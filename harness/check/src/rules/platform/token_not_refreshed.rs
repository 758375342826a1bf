//! A token was used past its expiry.

use spanwise_model::{Evidence, Level, Token};

use super::{REFUSED, private_calls, reaching_outward};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "token-not-refreshed",
    family: Family::Platform,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: REFUSED,
    explanation: r#"
## What it checks

The ID token of a call to a service that is declared private is still valid when the call begins: `exp` lies ahead. Where no
platform is emulated the rule does not apply.

## Why it matters

A token lives for an hour. A service that fetches one when it makes its channel works for exactly as long, and then every call
fails until the next deployment.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2 traceparent: T1-S3-01 authorization: "<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud=https://backend.example exp=1599999000>"
settings:
  platform=cloud-run no-resource
  service backend-service grpc private audience="https://backend.example"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2 traceparent: T1-S3-01 authorization: "<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud=https://backend.example exp=1600003600>"
settings:
  platform=cloud-run no-resource
  service backend-service grpc private audience="https://backend.example"
```

## How to fix

- Rust: keep the token with its `exp`, and fetch another one some minutes before; do it for each call, not for each channel.
- Python: use `google.auth.transport.grpc.AuthMetadataPlugin` with `IDTokenCredentials`, which refresh by themselves.
- Go: `idtoken.NewTokenSource` refreshes; do not call `Token()` once and keep the text.
- Node: ask the client of `getIdTokenClient` for headers on every request.
- Java: `IdTokenCredentials` refresh; do not keep `getTokenValue()`.

## References

- Cloud Run, "Authenticating service-to-service": <https://cloud.google.com/run/docs/authenticating/service-to-service>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for (hop, token) in private_calls(index) {
        let Some(Token::Jwt(jwt)) = token else { continue };
        let begun = hop.tap().stamps.begun / 1_000_000_000;
        let Some(expires) = jwt.expires.filter(|_| begun > 0) else {
            findings.not_observed();
            continue;
        };
        findings.looked();
        if expires > begun {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let late = begun - expires;
        let report = findings
            .on_hop(hop, format!("{from} called {to} with a token that had expired {late} seconds before."))
            .expected("a token that is still valid")
            .actual(format!("expired {late} seconds before the call"))
            .fact("seconds", i64::try_from(late).unwrap_or(i64::MAX));
        reaching_outward(report, hop);
    }
}
