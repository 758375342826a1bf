//! Who may call a service: the answers that refusals get, and the headers that the service sees of those who are admitted.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use spanwise_cloud_run::{Account, Admission, ISSUER, Identity, Urls};
use spanwise_model::{Auth, CloudRunService, FrontEnd, Ingress};

static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::new().expect("a key")));

const URL: &str = "https://backend-abc.run.app";
const CUSTOM: &str = "backend.example.com";

fn account() -> Account {
    Account::new("api-service@demo.iam.gserviceaccount.com")
}

fn token(audience: &str) -> String {
    IDENTITY.id_token(&account(), audience, Duration::from_secs(60))
}

fn private() -> Admission {
    let service = CloudRunService {
        auth: Auth::Required,
        audiences: vec![CUSTOM.to_owned()],
        ..CloudRunService::default()
    };
    let urls = Urls::default();
    urls.add(URL.to_owned());
    Admission {
        identity: Arc::clone(&IDENTITY),
        service,
        front_end: FrontEnd::default(),
        urls,
        invokers: vec![account().email],
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let lines = lines.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    });
    lines.collect()
}

/// What becomes of a request: the headers that the service gets, or the status and the words of the answer.
fn outcome(
    admission: &Admission,
    sent: &[(&str, &str)],
    is_internal: bool,
) -> Result<HeaderMap, (u16, String)> {
    let mut passed = headers(sent);
    let admitted = admission.admit(&mut passed, is_internal);
    admitted.map(|()| passed).map_err(|answer| {
        let challenge = answer.headers().get("www-authenticate").map(HeaderValue::as_bytes);
        assert_eq!(challenge, (answer.status() == 401).then_some(b"Bearer".as_slice()));
        let body = String::from_utf8(answer.body().to_vec()).expect("text");
        for (_, value) in sent {
            let token = value.rsplit(' ').next().unwrap_or_default();
            assert!(token.len() < 20 || !body.contains(token), "a token in {body}");
        }
        (answer.status().as_u16(), body.trim_end().to_owned())
    })
}

#[track_caller]
fn check_passes(admission: &Admission, sent: &[(&str, &str)], passed: &[(&str, &str)]) {
    assert_eq!(outcome(admission, sent, true), Ok(headers(passed)));
}

#[track_caller]
fn check_refused(admission: &Admission, sent: &[(&str, &str)], status: u16, words: &str) {
    assert_eq!(outcome(admission, sent, true), Err((status, words.to_owned())));
}

/// As the service gets a header that the platform has used.
fn without_signature(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    format!("Bearer {signed}.SIGNATURE_REMOVED_BY_GOOGLE")
}

#[test]
fn a_good_token_lets_the_request_through() {
    let [url, custom] = [token(URL), token(CUSTOM)];
    for (good, value) in [
        (&url, format!("Bearer {url}")),
        (&custom, format!("Bearer {custom}")),
        (&url, format!("bearer {url}")),
        (&url, format!("BEARER   {url} ")),
    ] {
        let passed = without_signature(good);
        check_passes(
            &private(),
            &[("te", "trailers"), ("authorization", &value)],
            &[("te", "trailers"), ("authorization", &passed)],
        );
    }
}

#[test]
fn the_header_for_the_platform_wins_and_is_taken_out() {
    let good = format!("Bearer {}", token(URL));
    for authorization in ["Basic YWRhOmFkYQ==", "Bearer of-the-application", good.as_str()] {
        check_passes(
            &private(),
            &[("x-serverless-authorization", &good), ("authorization", authorization)],
            &[("authorization", authorization)],
        );
    }
    check_passes(&private(), &[("x-serverless-authorization", &good)], &[]);
    // The other one does not count, good as it is.
    check_refused(
        &private(),
        &[("x-serverless-authorization", "Bearer x"), ("authorization", &good)],
        401,
        "the ID token could not be verified",
    );
    check_refused(
        &private(),
        &[("x-serverless-authorization", "x"), ("authorization", &good)],
        403,
        "the request has no bearer token",
    );
}

#[test]
fn every_refusal_has_its_status_and_says_why() {
    let access = IDENTITY.access_token(&account(), Duration::from_secs(60));
    let other = IDENTITY.id_token(&Account::new("other@demo.example"), URL, Duration::from_secs(60));
    let claims = |exp: u64, iat: u64| {
        IDENTITY.sign(&json!({ "iss": ISSUER, "aud": URL, "exp": exp, "iat": iat, "email": account().email }))
    };
    let bearer = |token: &str| format!("Bearer {token}");
    for (value, status, words) in [
        (String::new(), 403, "the request has no bearer token"),
        ("Bearer".to_owned(), 403, "the request has no bearer token"),
        ("Bearer ".to_owned(), 403, "the request has no bearer token"),
        ("Basic YWRhOmFkYQ==".to_owned(), 403, "the request has no bearer token"),
        (bearer(&access), 403, "the token is an OAuth access token, where a service asks for an ID token"),
        (bearer(&other), 403, "other@demo.example may not call the service"),
        (bearer("garbage"), 401, "the ID token could not be verified"),
        (bearer(&without_signature(&token(URL))[7..]), 401, "the ID token could not be verified"),
        (bearer(&token("https://api.run.app")), 401, "the ID token is meant for another audience"),
        (bearer(&claims(1_000_000_000, 999_999_000)), 401, "the ID token has expired"),
        (bearer(&claims(9_999_999_999, 9_999_999_000)), 401, "the ID token is not valid yet"),
        (bearer(&"x".repeat(60_000)), 401, "the token is too large"),
    ] {
        check_refused(&private(), &[("authorization", &value)], status, words);
    }
    check_refused(&private(), &[], 403, "the request has no bearer token");
    let mut bytes = HeaderMap::new();
    bytes.insert("authorization", HeaderValue::from_bytes(b"Bearer \xff\xfe").expect("a value"));
    let refused = private().admit(&mut bytes, true).map_err(|answer| answer.status().as_u16());
    assert_eq!(refused, Err(403));
}

#[test]
fn the_statuses_are_the_suites() {
    let mut admission = private();
    admission.front_end = FrontEnd { not_allowed: Some(401), not_valid: Some(403), ..FrontEnd::default() };
    check_refused(&admission, &[], 401, "the request has no bearer token");
    check_refused(&admission, &[("authorization", "Bearer x")], 403, "the ID token could not be verified");
    // What is no status at all is as if nothing were said.
    admission.front_end = FrontEnd { not_allowed: Some(7), ..FrontEnd::default() };
    check_refused(&admission, &[], 403, "the request has no bearer token");
}

#[test]
fn a_service_that_asks_for_nothing_gets_every_header() {
    let mut admission = private();
    admission.service.auth = Auth::None;
    let good = format!("Bearer {}", token(URL));
    for sent in [
        vec![],
        vec![("authorization", "Bearer x"), ("x-serverless-authorization", "Bearer y")],
        vec![("authorization", good.as_str())],
    ] {
        check_passes(&admission, &sent, &sent);
    }
}

#[test]
fn ingress_comes_before_identity() {
    let good = format!("Bearer {}", token(URL));
    for auth in [Auth::None, Auth::Required] {
        let mut admission = private();
        admission.service.auth = auth;
        admission.service.ingress = Ingress::Internal;
        let outsider = outcome(&admission, &[("authorization", &good)], false);
        let words = "the service admits requests from its own network only";
        assert_eq!(outsider, Err((404, words.to_owned())));
        assert!(outcome(&admission, &[("authorization", &good)], true).is_ok());
        admission.service.ingress = Ingress::All;
        assert!(outcome(&admission, &[("authorization", &good)], false).is_ok());
    }
}
