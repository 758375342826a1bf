//! What the metadata server answers to a request, and what it remembers of it. The mock server calls it for everything that
//! comes in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use spanwise_model::secret;
use wiremock::{Request, Respond, ResponseTemplate};

use super::grant::Granted;
use super::tree::Node;
use super::{FLAVOR, Instance, JWKS_PATH, MetadataRequest, TOKEN_PATH, grant};
use crate::identity::Identity;

const JSON: &str = "application/json";
/// What the real one calls text; clients compare `application/json` and take all else as it is.
const TEXT: &str = "application/text";
/// What the real one calls an ID token.
const ID_TOKEN: &str = "text/html";
const COMPLAINT: &str = "text/plain; charset=utf-8";

/// Answers for one instance.
pub(super) struct Responder {
    pub(super) identity: Arc<Identity>,
    pub(super) instance: Instance,
    pub(super) tree: Node,
    pub(super) asked: Arc<Mutex<Vec<MetadataRequest>>>,
}

struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: String,
    location: Option<String>,
}

impl Answer {
    fn text(body: String) -> Answer {
        Answer { status: StatusCode::OK, kind: TEXT, body, location: None }
    }

    fn json(value: &Value) -> Answer {
        Answer { kind: JSON, ..Answer::text(value.to_string()) }
    }

    fn complaint(status: StatusCode, words: &str) -> Answer {
        Answer { status, kind: COMPLAINT, ..Answer::text(format!("{words}\n")) }
    }
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let answer = self.answer(request, &query);
        let query = query.into_iter().map(|(name, value)| {
            let value = secret::label(&name, &value).into_owned();
            (name, value)
        });
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(MetadataRequest {
            path: secret::path_and_query(request.url.path()).into_owned(),
            query: query.collect(),
            status: answer.status,
            at: SystemTime::now(),
        });
        let template = ResponseTemplate::new(answer.status)
            .insert_header(FLAVOR, "Google")
            .set_body_raw(answer.body, answer.kind);
        match answer.location {
            Some(location) => template.insert_header(http::header::LOCATION, location),
            None => template,
        }
    }
}

impl Responder {
    fn answer(&self, request: &Request, query: &[(String, String)]) -> Answer {
        let path = request.url.path();
        if path == TOKEN_PATH {
            return self.grant(request);
        }
        let is_metadata = path != JWKS_PATH;
        let has_flavor = request.headers.get(FLAVOR).is_some_and(|flavor| flavor == "Google");
        if is_metadata && request.headers.contains_key("x-forwarded-for") {
            // Nobody is let in through a proxy, which could be made to ask by a stranger.
            return Answer::complaint(
                StatusCode::FORBIDDEN,
                "a request with X-Forwarded-For is not answered",
            );
        }
        // The root says what kind of server this is to those who do not know yet.
        if is_metadata && path != "/" && !has_flavor {
            let words = "the header Metadata-Flavor: Google is missing";
            return Answer::complaint(StatusCode::FORBIDDEN, words);
        }
        if request.method != Method::GET {
            return Answer::complaint(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered");
        }
        if !is_metadata {
            return Answer::json(&self.identity.jwks());
        }
        let asks =
            |name: &str, value: &str| query.iter().any(|(n, v)| n == name && v.eq_ignore_ascii_case(value));
        let is_directory_path = path.ends_with('/');
        match self.tree.at(path) {
            Some(Node::Directory(_)) if !is_directory_path => moved(request),
            Some(Node::AccessToken) if !is_directory_path => self.access_token(),
            Some(Node::IdToken) if !is_directory_path => self.id_token(query),
            Some(node @ Node::Directory(_)) => {
                if !asks("recursive", "true") {
                    Answer::text(node.text())
                } else if asks("alt", "text") {
                    let words = "alt=text with recursive=true is not emulated";
                    Answer::complaint(StatusCode::NOT_IMPLEMENTED, words)
                } else {
                    Answer::json(&node.json().unwrap_or_default())
                }
            }
            Some(node) if !is_directory_path => match node.json().filter(|_| asks("alt", "json")) {
                Some(value) => Answer::json(&value),
                None => Answer::text(node.text()),
            },
            Some(_) | None => Answer::complaint(StatusCode::NOT_FOUND, "there is no such metadata"),
        }
    }

    fn grant(&self, request: &Request) -> Answer {
        if request.method != Method::POST {
            return Answer::complaint(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered");
        }
        let lifetime = self.instance.token_lifetime;
        let granted = grant::granted(&request.url, &request.body).map(|granted| match granted {
            Granted::Access => self.access_token(),
            Granted::Identity { audience } => {
                let token = self.identity.id_token(&self.instance.account, &audience, lifetime);
                Answer::json(&json!({ "id_token": token }))
            }
        });
        granted.unwrap_or_else(|refused| Answer { status: StatusCode::BAD_REQUEST, ..Answer::json(&refused) })
    }

    /// Every token is made anew. The real server hands out one until shortly before its end; here, how long a token is good is
    /// what the suite says, and who asks twice is seen to have asked twice.
    fn access_token(&self) -> Answer {
        let lifetime = self.instance.token_lifetime;
        Answer::json(&json!({
            "access_token": self.identity.access_token(&self.instance.account, lifetime),
            "expires_in": lifetime.as_secs(),
            "token_type": "Bearer",
        }))
    }

    fn id_token(&self, query: &[(String, String)]) -> Answer {
        let value = |name: &str| query.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
        let audience = value("audience");
        if audience.is_empty() {
            return Answer::complaint(StatusCode::BAD_REQUEST, "the parameter audience is missing or empty");
        }
        let Instance { project, project_number, id, account, token_lifetime, .. } = &self.instance;
        let more = match value("format") {
            "full" => json!({
                "google": {
                    "compute_engine": {
                        "instance_id": id,
                        "project_id": project,
                        "project_number": project_number,
                        "zone": self.instance.zone(),
                    },
                },
            }),
            _ => Value::Null,
        };
        let token = self.identity.id_token_with(account, audience, *token_lifetime, &more);
        Answer { kind: ID_TOKEN, ..Answer::text(token) }
    }
}

/// A directory is asked for with a slash; who forgets it is sent there.
fn moved(request: &Request) -> Answer {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", request.url.path());
    Answer {
        location: Some(location),
        ..Answer::complaint(StatusCode::MOVED_PERMANENTLY, "a directory is asked for with a slash at its end")
    }
}
