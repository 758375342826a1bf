//! An export to Google carries no access token.

use spanwise_model::{Evidence, Level, Token};

use super::goes_to_google;
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "export-unauthenticated",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &[],
    explanation: r#"
## What it checks

Every export request to Google carries a token behind `Bearer` in `authorization`: an access token, or one that a service account
signed by itself. An ID token is for services, not for Google's interfaces. The rule applies where the endpoint stands for
Google's or the platform is emulated. One finding for each service.

## Why it matters

Google refuses the request with `UNAUTHENTICATED`, and nothing of the service ever arrives. Against a local collector, which asks
for nothing, the same code works.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
resource:
  api-service gcp.project_id="demo-project"
export:
  api-service otlp-grpc google
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
resource:
  api-service gcp.project_id="demo-project"
export:
  api-service otlp-grpc google authorization: "<bearer access token sha256:5f0c1a2b>"
```

## How to fix

- Rust: add an interceptor that asks `google-cloud-auth` or `gcp_auth` for a token with the scope `trace.append`.
- Python: pass `google.auth.transport.grpc.AuthMetadataPlugin` as channel credentials; the Cloud Trace exporter does it by itself.
- Go: use `option.WithCredentials` or `oauth.NewApplicationDefault` as per-RPC credentials.
- Node: give the OTLP exporter `credentials` that combine TLS with google-auth-library.
- Java: add the extension `gcp-auth-extension` to the agent.

## References

- Cloud Trace, "Migrate to the OTLP endpoint": <https://cloud.google.com/trace/docs/migrate-to-otlp-endpoints>
- Google Cloud, "Application Default Credentials": <https://cloud.google.com/docs/authentication/application-default-credentials>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut without: Ordered<Option<&str>, (i64, &str)> = Ordered::default();
    for export in &index.observation.exports {
        if !goes_to_google(index, export) {
            continue;
        }
        findings.looked();
        let mut headers = export.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case("authorization"));
        let actual = match header.map(|header| Token::read(&header.value)) {
            Some(Some(Token::Jwt(jwt))) if jwt.issuer.as_deref() == Some(ID_TOKENS) => "an ID token",
            Some(Some(_)) => continue,
            Some(None) => "no bearer token",
            None => "no token",
        };
        let service = export.source.as_ref().map(|source| &*source.service);
        without.entry(service).or_insert((0, actual)).0 += 1;
    }
    for (service, (requests, actual)) in without {
        let who = service.unwrap_or("An exporter");
        let text = format!("{who} exported to Google without an access token.");
        let report = match service {
            Some(service) => findings.on_service(service, text),
            None => findings.on_whole(text),
        };
        report
            .expected("authorization: Bearer, and an access token")
            .actual(actual)
            .fact("requests", requests);
    }
}

/// Who signs ID tokens.
const ID_TOKENS: &str = "https://accounts.google.com";
