//! The token of a call is not meant for the called service.

use spanwise_model::{Evidence, Level, Token};

use super::{REFUSED, private_calls, reaching_outward};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "token-audience-wrong",
    family: Family::Platform,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: REFUSED,
    explanation: r#"
## What it checks

The token of a call to a service that is declared private is an ID token whose audience is one of that service's: its URL, or a
custom audience. An access token has none. Where no platform is emulated the rule does not apply.

## Why it matters

Cloud Run refuses the call with 401 or 403. The usual cause is an access token in place of an ID token, or one audience for all
services: both look right in the code.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2 traceparent: T1-S3-01 authorization: "<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud=https://other.example exp=1600003600>"
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
- Cloud Run, "Custom audiences": <https://cloud.google.com/run/docs/configuring/custom-audiences>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for (hop, token) in private_calls(index) {
        let known = hop.callee().map(|callee| callee.audiences.as_slice()).unwrap_or_default();
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let (message, actual) = match token {
            Some(Token::Access) => (
                format!("{from} called {to} with an access token, where an ID token is needed."),
                "an access token".to_owned(),
            ),
            Some(Token::Jwt(_)) if known.is_empty() => {
                findings.not_observed();
                continue;
            }
            Some(Token::Jwt(jwt)) if !jwt.audiences.iter().any(|one| is_one_of(one, known)) => {
                let named = jwt.audiences.join(", ");
                let named = if named.is_empty() { "none".to_owned() } else { named };
                (format!("{from} called {to} with a token that is meant for {named}."), named)
            }
            Some(Token::Jwt(_)) => {
                findings.looked();
                continue;
            }
            // No ID token at all is another rule's question.
            Some(Token::Opaque) | None => continue,
        };
        findings.looked();
        let report = findings
            .on_hop(hop, message)
            .expected(format!(
                "an ID token for {}",
                if known.is_empty() { to.to_owned() } else { known.join(" or ") }
            ))
            .actual(actual);
        reaching_outward(report, hop);
    }
}

/// Whether an audience is known; a slash at the end says nothing.
fn is_one_of(audience: &str, known: &[String]) -> bool {
    known.iter().any(|one| one.trim_end_matches('/') == audience.trim_end_matches('/'))
}
