//! A call to a private service carries no ID token.

use spanwise_model::{Evidence, Level, Token};

use super::{REFUSED, private_calls, reaching_outward};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "private-call-unauthenticated",
    family: Family::Platform,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: REFUSED,
    explanation: r#"
## What it checks

A call to a service that is declared private carries a JSON Web Token behind `Bearer`, in `X-Serverless-Authorization` or else in
`Authorization`. Calls of the driver are left out, and where no platform is emulated the rule does not apply.

## Why it matters

Cloud Run refuses such a call with 401 or 403 before it reaches the container: the called service has no span and no log line
for it, and locally, where nobody asks for a token, everything works.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2 traceparent: T1-S3-01
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

- Rust: fetch `/computeMetadata/v1/instance/service-accounts/default/identity?audience=URL` with the header `Metadata-Flavor: Google`, in an interceptor.
- Python: use `google.oauth2.id_token.fetch_id_token(request, audience)`; `google.auth.default()` gives access tokens.
- Go: use `idtoken.NewTokenSource(ctx, audience)` with `oauth.TokenSource` as per-call credentials.
- Node: use `auth.getIdTokenClient(audience)` of google-auth-library.
- Java: use `IdTokenCredentials` with `setTargetAudience(url)`, and `MoreCallCredentials.from(…)` for gRPC.

## References

- Cloud Run, "Authenticating service-to-service": <https://cloud.google.com/run/docs/authenticating/service-to-service>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for (hop, token) in private_calls(index) {
        findings.looked();
        // An access token is a token of the wrong kind: another rule's question.
        if matches!(token, Some(Token::Jwt(_) | Token::Access)) {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let actual = if token.is_some() { "a bearer token of an unknown kind" } else { "no token" };
        let report = findings
            .on_hop(hop, format!("{from} called {to}, which is private, without an ID token."))
            .expected("authorization: Bearer, and an ID token")
            .actual(actual);
        reaching_outward(report, hop);
    }
}
