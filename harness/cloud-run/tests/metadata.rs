//! The metadata server as clients see it: paths, headers, content types, tokens, and what it remembers. All on loopback.

use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use spanwise_cloud_run::{Account, Identity, Instance, JWKS_PATH, MetadataServer, TOKEN_PATH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::new().expect("a key")));

const EMAIL: &str = "api-service@demo.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const V1: &str = "/computeMetadata/v1";
const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";
const FLAVOR: &str = "metadata-flavor: Google\r\n";

async fn server() -> MetadataServer {
    let instance = Instance {
        project: "demo".to_owned(),
        project_number: 233_510_669_999,
        region: "us-east4".to_owned(),
        id: "0087244a".to_owned(),
        account: Account::new(EMAIL),
        token_lifetime: Duration::from_secs(90),
    };
    MetadataServer::start(Arc::clone(&IDENTITY), instance).await.expect("a port")
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Sends one request; `headers` are whole lines.
async fn ask(server: &MetadataServer, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(server.host()).await.expect("it listens");
    let request = format!("{method} {path} HTTP/1.1\r\nhost: metadata\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn get(server: &MetadataServer, path: &str) -> Answer {
    ask(server, "GET", path, FLAVOR).await
}

#[tokio::test]
async fn every_path_of_an_instance_is_there() {
    let server = server().await;
    let by_email = format!("{V1}/instance/service-accounts/{EMAIL}");
    let encoded = format!("{V1}/instance/service-accounts/{}", EMAIL.replace('@', "%40"));
    let scopes = format!("{SCOPE}\n");
    let accounts = format!("default/\n{EMAIL}/\n");
    for (path, expected) in [
        ("/", "computeMetadata/\n"),
        ("/computeMetadata/", "v1/\n"),
        (&format!("{V1}/"), "instance/\nproject/\n"),
        (&format!("{V1}/project/"), "numeric-project-id\nproject-id\n"),
        (&format!("{V1}/project/project-id"), "demo"),
        (&format!("{V1}/project/numeric-project-id"), "233510669999"),
        (&format!("{V1}/instance/"), "attributes/\nid\nregion\nservice-accounts/\nzone\n"),
        (&format!("{V1}/instance/attributes/"), ""),
        (&format!("{V1}/instance/id"), "0087244a"),
        (&format!("{V1}/instance/region"), "projects/233510669999/regions/us-east4"),
        (&format!("{V1}/instance/zone"), "projects/233510669999/zones/us-east4-1"),
        (&format!("{V1}/instance/service-accounts/"), &accounts),
        (&format!("{ACCOUNT}/"), "aliases\nemail\nidentity\nscopes\ntoken\n"),
        (&format!("{ACCOUNT}/email"), EMAIL),
        (&format!("{by_email}/email"), EMAIL),
        (&format!("{encoded}/email"), EMAIL),
        (&format!("{ACCOUNT}/aliases"), "default\n"),
        (&format!("{ACCOUNT}/scopes"), &scopes),
        (&format!("{ACCOUNT}/?recursive=false"), "aliases\nemail\nidentity\nscopes\ntoken\n"),
    ] {
        let answer = get(&server, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/text"), "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("Google"), "{path}");
    }
}

#[tokio::test]
async fn a_recursive_read_is_one_document_without_tokens() {
    let server = server().await;
    let account = json!({ "aliases": ["default"], "email": EMAIL, "scopes": [SCOPE] });
    let project = json!({ "numericProjectId": 233_510_669_999_u64, "projectId": "demo" });
    let instance = json!({
        "attributes": {},
        "id": "0087244a",
        "region": "projects/233510669999/regions/us-east4",
        "serviceAccounts": { "default": account, EMAIL: account },
        "zone": "projects/233510669999/zones/us-east4-1",
    });
    for (path, expected) in [
        (format!("{V1}/?recursive=true"), json!({ "instance": instance, "project": project })),
        (format!("{V1}/?recursive=True&alt=json"), json!({ "instance": instance, "project": project })),
        (format!("{V1}/instance/?recursive=true"), instance.clone()),
        (format!("{ACCOUNT}/?recursive=true"), account.clone()),
        (format!("{V1}/instance/attributes/?recursive=true"), json!({})),
        (format!("{V1}/instance/id?alt=json"), json!("0087244a")),
        (format!("{ACCOUNT}/scopes?alt=json"), json!([SCOPE])),
    ] {
        let answer = get(&server, &path).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("Google"), "{path}");
    }
}

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let server = server().await;
    let id = format!("{V1}/instance/id");
    let identity = format!("{ACCOUNT}/identity");
    let proxied = format!("{FLAVOR}x-forwarded-for: 10.0.0.1\r\n");
    for (method, path, headers, status) in [
        ("GET", id.as_str(), "", 403),
        ("GET", &id, "metadata-flavor: google\r\n", 403),
        ("GET", &id, "x-google-metadata-request: True\r\n", 403),
        ("GET", &id, &proxied, 403),
        ("GET", "/", &proxied, 403),
        ("GET", "/", "", 200),
        ("GET", &id, FLAVOR, 200),
        ("HEAD", &id, FLAVOR, 405),
        ("POST", &format!("{ACCOUNT}/token"), FLAVOR, 405),
        ("POST", &format!("{ACCOUNT}/token"), "", 403),
        ("GET", &identity, FLAVOR, 400),
        ("GET", &format!("{identity}?audience="), FLAVOR, 400),
        ("GET", &format!("{identity}?Audience=x"), FLAVOR, 400),
        ("GET", &format!("{id}/"), FLAVOR, 404),
        ("GET", &format!("{id}/more"), FLAVOR, 404),
        ("GET", &format!("{ACCOUNT}/token/"), FLAVOR, 404),
        ("GET", &format!("{V1}/instance/name"), FLAVOR, 404),
        ("GET", &format!("{V1}/instance/service-accounts/other@demo.example/token"), FLAVOR, 404),
        ("GET", "/computeMetadata/v1beta1/instance/id", FLAVOR, 404),
        ("GET", "//", FLAVOR, 404),
        ("GET", &format!("{V1}/?recursive=true&alt=text"), FLAVOR, 501),
        ("GET", &format!("{V1}/instance"), FLAVOR, 301),
        ("POST", JWKS_PATH, "", 405),
    ] {
        let answer = ask(&server, method, path, headers).await;
        assert_eq!(answer.status, status, "{method} {path} {headers}");
        assert_eq!(answer.header("metadata-flavor"), Some("Google"), "{method} {path}");
    }
    let moved = get(&server, &format!("{ACCOUNT}?recursive=true")).await;
    let target = format!("{ACCOUNT}/?recursive=true");
    assert_eq!((moved.status, moved.header("location")), (301, Some(target.as_str())));
}

#[tokio::test]
async fn tokens_are_the_accounts_and_new_each_time() {
    let server = server().await;
    let path = format!("{ACCOUNT}/token?scopes={SCOPE}");
    let [first, second] = [get(&server, &path).await.json(), get(&server, &path).await.json()];
    assert_ne!(first["access_token"], second["access_token"]);
    for token in [&first, &second] {
        let access_token = token["access_token"].as_str().expect("text");
        let caller = IDENTITY.verify_access_token(access_token);
        assert_eq!(caller.map(|caller| caller.email), Ok(EMAIL.to_owned()));
        let mut rest = token.clone();
        rest["access_token"].take();
        assert_eq!(rest, json!({ "access_token": null, "expires_in": 90, "token_type": "Bearer" }));
    }

    let audience = "https://backend.run.app/a?b=c&d";
    let query = "audience=https%3A%2F%2Fbackend.run.app%2Fa%3Fb%3Dc%26d";
    for (format, has_more) in [("", false), ("&format=standard", false), ("&format=full&licenses=TRUE", true)]
    {
        let answer = get(&server, &format!("{ACCOUNT}/identity?{query}{format}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html")));
        let caller = IDENTITY.verify(&answer.body, &[audience]);
        assert_eq!(caller.map(|caller| caller.email), Ok(EMAIL.to_owned()));
        let payload = answer.body.split('.').nth(1).expect("three parts");
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON");
        let more = json!({
            "instance_id": "0087244a", "project_id": "demo", "project_number": 233_510_669_999_u64,
            "zone": "projects/233510669999/zones/us-east4-1",
        });
        assert_eq!(claims["google"]["compute_engine"], if has_more { more } else { Value::Null });
    }
}

#[tokio::test]
async fn the_public_keys_are_served_to_anybody() {
    let server = server().await;
    let answer = ask(&server, "GET", JWKS_PATH, "x-forwarded-for: 10.0.0.1\r\n").await;
    assert_eq!((answer.status, answer.json()), (200, IDENTITY.jwks()));
}

/// As libraries ask that have the key of a service account in a file.
#[tokio::test]
async fn tokens_are_granted_for_a_key_as_oauth2_googleapis_com_does() {
    let server = server().await;
    let post = async |claims: &str| {
        let assertion = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let form =
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let kind = "content-type: application/x-www-form-urlencoded";
        let headers = format!("{kind}\r\ncontent-length: {}\r\n\r\n{form}", form.len());
        ask(&server, "POST", TOKEN_PATH, &headers).await
    };
    let access = post(&format!(r#"{{"scope":"{SCOPE}"}}"#)).await;
    let granted = access.json();
    assert_eq!(
        (access.status, &granted["expires_in"], &granted["token_type"]),
        (200, &json!(90), &json!("Bearer"))
    );
    let caller = IDENTITY.verify_access_token(granted["access_token"].as_str().expect("a token"));
    assert_eq!(caller.expect("it is good").email, EMAIL);
    let identity = post(r#"{"target_audience":"https://backend.run.app"}"#).await;
    assert_eq!((identity.status, identity.json()["id_token"].is_string()), (200, true));
    assert_eq!(ask(&server, "POST", TOKEN_PATH, "content-length: 0\r\n").await.status, 400);
    assert_eq!(ask(&server, "GET", TOKEN_PATH, "").await.status, 405);
    let asked = server.asked();
    assert!(asked.iter().all(|request| request.path == TOKEN_PATH && request.query.is_empty()), "{asked:?}");
}

#[tokio::test]
async fn what_was_asked_is_remembered_without_secrets() {
    let server = server().await;
    let before = SystemTime::now();
    let audience = "https://backend.run.app";
    let secret = IDENTITY.access_token(&Account::new(EMAIL), Duration::from_secs(60));
    for path in [
        format!("{ACCOUNT}/identity?audience={audience}&format=full"),
        format!("{ACCOUNT}/token"),
        format!("{V1}/{secret}?access_token={secret}&audience={secret}"),
    ] {
        get(&server, &path).await;
    }
    let asked = server.asked();
    let statuses: Vec<u16> = asked.iter().map(|request| request.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 404]);
    let query = [("audience", audience), ("format", "full")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(
        (asked[0].path.as_str(), asked[0].query.as_slice()),
        (&*format!("{ACCOUNT}/identity"), &query[..])
    );
    assert_eq!((asked[1].path.as_str(), asked[1].query.len()), (&*format!("{ACCOUNT}/token"), 0));
    assert!(!format!("{asked:?}").contains(&secret));
    assert!(asked.is_sorted_by_key(|request| request.at) && asked[0].at >= before);
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_connections() {
    let server = server().await;
    let mut idle = TcpStream::connect(server.host()).await.expect("it listens");
    get(&server, "/").await;
    drop(server);
    let mut rest = Vec::new();
    assert!(idle.read_to_end(&mut rest).await.is_err() || rest.is_empty());
}

/// Within one turn of a task, tokio gives out locks only so often; see the `drop` of the server.
#[test]
fn many_servers_can_be_dropped_at_once() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut servers = Vec::new();
            for _ in 0..100 {
                servers.push(server().await);
            }
            drop(servers);
        });
        done.send(()).expect("the test waits");
    });
    // A deadline, so that servers that are never dropped fail the test.
    ended.recv_timeout(Duration::from_secs(60)).expect("all servers are dropped");
}
