//! Tokens of a run: what they claim, and what is refused. Nothing here leaves the process.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use spanwise_cloud_run::{Account, ISSUER, Identity, Rejection};
use spanwise_model::secret;

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::new().expect("a key"));
static STRANGER: LazyLock<Identity> = LazyLock::new(|| Identity::new().expect("a key"));

const URL: &str = "https://backend-abc.run.app";
const CUSTOM: &str = "backend.example.com";
const HOUR: Duration = Duration::from_secs(3_600);

fn account() -> Account {
    Account::new("api-service@demo.iam.gserviceaccount.com")
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// The claims of a good token, with some replaced; `null` takes one out.
fn claims(replaced: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": URL, "exp": now() + 60.0, "iat": now() - 1.0, "email": account().email,
    });
    for (name, value) in replaced.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("three parts")
}

#[track_caller]
fn check(token: &str, expected: Result<(), Rejection>) {
    let caller = IDENTITY.verify(token, &[URL, CUSTOM]);
    assert_eq!(caller.map(|caller| assert_eq!(caller.email, account().email)), expected);
}

#[test]
fn a_token_is_good_for_its_audience_and_time() {
    check(&IDENTITY.id_token(&account(), URL, HOUR), Ok(()));
    check(&IDENTITY.id_token(&account(), CUSTOM, HOUR), Ok(()));
    check(&IDENTITY.id_token(&account(), "https://api-abc.run.app", HOUR), Err(Rejection::WrongAudience));
    check(&IDENTITY.id_token(&account(), &format!("{URL}/"), HOUR), Err(Rejection::WrongAudience));
    // Rounded up: one that is good for no time at all would be a token that nobody could ever use.
    check(&IDENTITY.id_token(&account(), URL, Duration::from_secs(1)), Ok(()));
    check(&IDENTITY.id_token(&account(), URL, Duration::MAX), Ok(()));
    let nobody: [&str; 0] = [];
    let token = IDENTITY.id_token(&account(), URL, HOUR);
    assert_eq!(IDENTITY.verify(&token, &nobody), Err(Rejection::WrongAudience));
}

#[test]
fn claims_are_judged_one_by_one() {
    for (replaced, expected) in [
        (json!({}), Ok(())),
        (json!({ "aud": ["https://other.run.app", CUSTOM] }), Ok(())),
        (json!({ "aud": [] }), Err(Rejection::WrongAudience)),
        (json!({ "aud": 7 }), Err(Rejection::Unverifiable)),
        (json!({ "aud": null }), Err(Rejection::Unverifiable)),
        (json!({ "iss": "accounts.google.com" }), Ok(())),
        (json!({ "iss": "http://accounts.google.com" }), Err(Rejection::WrongIssuer)),
        (json!({ "iss": "" }), Err(Rejection::WrongIssuer)),
        (json!({ "iss": null }), Err(Rejection::Unverifiable)),
        (json!({ "exp": now() - 0.001 }), Err(Rejection::Expired)),
        (json!({ "exp": 0 }), Err(Rejection::Expired)),
        (json!({ "exp": -1 }), Err(Rejection::Expired)),
        (json!({ "exp": 1e300 }), Ok(())),
        (json!({ "exp": "tomorrow" }), Err(Rejection::Unverifiable)),
        (json!({ "exp": null }), Err(Rejection::Unverifiable)),
        (json!({ "iat": now() + 60.0 }), Err(Rejection::NotYetValid)),
        (json!({ "nbf": now() + 60.0 }), Err(Rejection::NotYetValid)),
        (json!({ "nbf": now() - 1.0 }), Ok(())),
        (json!({ "iat": null }), Ok(())),
        (json!({ "email": null }), Err(Rejection::Unverifiable)),
        // Of several things that are wrong, the first in the order that is documented.
        (json!({ "iss": "x", "exp": 0, "aud": "x" }), Err(Rejection::WrongIssuer)),
        (json!({ "exp": 0, "aud": "x" }), Err(Rejection::Expired)),
    ] {
        check(&IDENTITY.sign(&claims(&replaced)), expected);
    }
}

#[test]
fn nothing_but_a_signature_of_the_run_is_believed() {
    let good = IDENTITY.id_token(&account(), URL, HOUR);
    let [header, payload, signature] = parts(&good);
    let stranger = STRANGER.sign(&claims(&json!({})));
    let [_, _, strange_signature] = parts(&stranger);
    let header_with = |name: &str, value: Value| {
        let mut header = read(header);
        header[name] = value;
        part(&header)
    };
    let none = header_with("alg", json!("none"));
    // What a verifier takes for true that lets the token choose the algorithm: the public key as a shared secret.
    let symmetric = format!("{}.{payload}", header_with("alg", json!("HS256")));
    let jwks = IDENTITY.jwks();
    let public = jwks["keys"][0]["n"].as_str().expect("a modulus");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
    let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, symmetric.as_bytes()));
    for token in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}"),
        format!("{none}.{payload}.{signature}"),
        format!("{symmetric}.{tag}"),
        stranger.clone(),
        format!("{header}.{payload}.{strange_signature}"),
        format!("{}.{payload}.{signature}", header_with("kid", json!("0"))),
        format!("{}.{payload}.{signature}", header_with("crit", json!(["exp"]))),
        format!("{header}.{}.{signature}", part(&claims(&json!({ "email": "admin@demo.example" })))),
        format!("{header}.{payload}.SIGNATURE_REMOVED_BY_GOOGLE"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{good}.{signature}"),
        format!("{good}="),
        format!(" {good}"),
        "garbage".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        "é.ü.ß".to_owned(),
        "x".repeat(8 * 1024),
    ] {
        check(&token, Err(Rejection::Unverifiable));
    }
    check("", Err(Rejection::Missing));
    check(&"x".repeat(8 * 1024 + 1), Err(Rejection::TooLarge));
    check(&format!("{good}{}", "A".repeat(1 << 20)), Err(Rejection::TooLarge));
    check(&IDENTITY.access_token(&account(), HOUR), Err(Rejection::NotAnIdToken));
    check("ya29.a0AfH6SMB", Err(Rejection::NotAnIdToken));
}

#[test]
fn a_token_has_the_claims_of_googles() {
    let before = now();
    let token = IDENTITY.id_token(&account(), URL, HOUR);
    let [header, payload, _] = parts(&token);
    let jwks = IDENTITY.jwks();
    assert_eq!(read(header), json!({ "alg": "RS256", "kid": jwks["keys"][0]["kid"], "typ": "JWT" }));
    let mut claims = read(payload);
    let expires = claims["exp"].take().as_u64().expect("whole seconds");
    let issued = claims["iat"].take().as_u64().expect("whole seconds");
    assert!(expires as f64 >= before + 3_600.0, "{expires} is less than an hour after {before}");
    assert!(issued as f64 <= now() && expires - issued <= 3_602, "{issued} to {expires}");
    let id = account().id;
    assert!(id.len() == 21 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    let expected = json!({
        "aud": URL, "azp": id, "email": account().email, "email_verified": true, "exp": null, "iat": null,
        "iss": ISSUER, "sub": id,
    });
    assert_eq!(claims, expected);
}

#[test]
fn the_published_key_verifies_what_was_signed() {
    let token = IDENTITY.id_token(&account(), URL, HOUR);
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let jwks = IDENTITY.jwks();
    let key = &jwks["keys"][0];
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().expect("text")).expect("base64");
    let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).expect("a good signature");
    assert_eq!(public.n.len(), 256);
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
    assert_eq!(key["kid"].as_str().map(str::len), Some(40));
}

#[test]
fn access_tokens_are_known_while_they_are_good() {
    let first = IDENTITY.access_token(&account(), HOUR);
    let second = IDENTITY.access_token(&account(), HOUR);
    let ended = IDENTITY.access_token(&account(), Duration::ZERO);
    let forever = IDENTITY.access_token(&account(), Duration::MAX);
    assert_ne!(first, second);
    let check = |token: &str, expected| {
        let caller = IDENTITY.verify_access_token(token);
        assert_eq!(caller.map(|caller| assert_eq!(caller.email, account().email)), expected);
    };
    check(&first, Ok(()));
    check(&second, Ok(()));
    check(&forever, Ok(()));
    check(&ended, Err(Rejection::Unverifiable));
    check("ya29.something", Err(Rejection::Unverifiable));
    check(&IDENTITY.id_token(&account(), URL, HOUR), Err(Rejection::Unverifiable));
    check("", Err(Rejection::Missing));
    check(&STRANGER.access_token(&account(), HOUR), Err(Rejection::Unverifiable));
}

#[test]
fn what_is_recorded_of_a_token_says_its_kind_and_not_the_token() {
    let id_token = IDENTITY.id_token(&account(), URL, HOUR);
    let access_token = IDENTITY.access_token(&account(), HOUR);
    for (token, kind) in [(&id_token, "<bearer jwt "), (&access_token, "<bearer access token ")] {
        let recorded = secret::header_value("authorization", &format!("Bearer {token}")).into_owned();
        assert!(recorded.starts_with(kind), "{recorded}");
        assert!(!recorded.contains(token.as_str()) && !secret::text(token).contains(token.as_str()));
        let shown = format!("{:?} {:?}", *IDENTITY, IDENTITY.verify(token, &["https://other.run.app"]));
        assert!(!shown.contains(&token[..12]), "{shown}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_refused(token in prop_oneof![".*", "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}"]) {
        prop_assert!(IDENTITY.verify(&token, &[URL]).is_err());
        prop_assert!(IDENTITY.verify_access_token(&token).is_err());
    }

    #[test]
    fn a_token_that_was_changed_is_refused(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.é-]?", cut: bool) {
        static GOOD: LazyLock<String> = LazyLock::new(|| IDENTITY.id_token(&account(), URL, HOUR));
        let at = at.index(GOOD.len());
        let rest = if cut { "" } else { &GOOD[at + 1..] };
        let changed = format!("{}{with}{rest}", &GOOD[..at]);
        prop_assume!(changed != *GOOD);
        prop_assert_eq!(IDENTITY.verify(&changed, &[URL]).is_err(), true);
    }
}
