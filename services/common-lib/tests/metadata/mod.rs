//! A metadata server of a few lines, whose answers a test chooses, and which notes what it was asked.
//!
//! The tests of both services use it, too.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use tokio::net::TcpListener;

/// How it answers.
#[derive(Clone)]
pub(crate) struct Answers {
    /// With an error, if not 200.
    pub(crate) status: u16,
    /// What it says of itself.
    pub(crate) flavor: &'static str,
    /// How long its tokens are good, in seconds.
    pub(crate) lifetime: u64,
}

pub(crate) const USUAL: Answers = Answers { status: 200, flavor: "Google", lifetime: 3600 };

/// A server that runs as long as the runtime.
pub(crate) struct Metadata {
    /// For `GCE_METADATA_HOST`.
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    /// Starts one on a free port.
    pub(crate) async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let questions = asked.clone();
        let router = Router::new().fallback(async move |request: Request| {
            let path = request.uri().path_and_query().unwrap().as_str();
            let path = path.strip_prefix("/computeMetadata/v1/").unwrap().to_owned();
            let is_allowed =
                request.headers().get("metadata-flavor").is_some_and(|flavor| flavor == "Google");
            let number = {
                let mut questions = questions.lock().unwrap();
                questions.push(path.clone());
                questions.len()
            };
            let status = if is_allowed { answers.status } else { 403 };
            Response::builder()
                .status(StatusCode::from_u16(status).unwrap())
                .header("metadata-flavor", answers.flavor)
                .body(answer(&path, number, answers.lifetime))
                .unwrap()
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, asked }
    }

    /// What it was asked, below `/computeMetadata/v1/`, in this order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Tokens have the number of their question in them.
fn answer(path: &str, number: usize, lifetime: u64) -> String {
    match path {
        "project/project-id" => "demo\n".to_owned(),
        "instance/region" => "projects/1234/regions/us-east4".to_owned(),
        "instance/id" => "0087244a".to_owned(),
        "instance/service-accounts/default/token" => {
            format!(r#"{{"access_token":"ya29.{number}","expires_in":{lifetime},"token_type":"Bearer"}}"#)
        }
        identity => {
            let audience = identity.strip_prefix("instance/service-accounts/default/identity?audience=");
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            let payload =
                format!(r#"{{"aud":"{}","exp":{},"n":{number}}}"#, audience.unwrap(), now + lifetime);
            format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
        }
    }
}
