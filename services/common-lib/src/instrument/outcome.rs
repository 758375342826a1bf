//! How a request ended, and what its span says about it.
//!
//! The layers build an [`Outcome`] from a status, trailers or an error; `request_span` writes it onto the span. The tables of
//! codes themselves stand in `status`.

use std::borrow::Cow;
use std::error::Error;

use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute::{HTTP_RESPONSE_STATUS_CODE, RPC_RESPONSE_STATUS_CODE};
use tonic::{Code, Status};

use crate::status::{grpc_code, grpc_name, grpc_status, is_server_error};

/// What the end of a request was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// The attribute with the response's code, if there was one.
    pub(super) attribute: Option<KeyValue>,
    /// The same code as text, for hooks and log lines.
    pub(super) code: Cow<'static, str>,
    /// Set if the span is an error.
    pub(super) error: Option<Failure>,
}

/// Why a span is an error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// The value of `error.type`.
    pub(super) error_type: Cow<'static, str>,
    /// The description of the span's status; may be empty.
    pub(super) description: String,
}

/// How the end of a response's body is to be read.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// The status said it all; only an aborted body changes it.
    Http(StatusCode),
    /// The trailers say it. The status counts where there are none.
    Grpc(SpanKind, StatusCode),
}

impl Outcome {
    /// An answer with this status. On servers 4xx is the caller's fault and no error ("HTTP spans", section "Status").
    pub(super) fn http(status: StatusCode) -> Self {
        let code = status.as_str().to_owned();
        let error = status.is_server_error().then(|| Failure {
            error_type: code.clone().into(),
            // The code says it; the convention asks for no description where it could be derived.
            description: String::new(),
        });
        Self {
            attribute: Some(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()))),
            code: code.into(),
            error,
        }
    }

    /// A call that ended with this code.
    pub(super) fn grpc(kind: &SpanKind, code: Code, message: &str) -> Self {
        let name = grpc_name(code);
        let is_error = if *kind == SpanKind::Client { code != Code::Ok } else { is_server_error(code) };
        Self {
            attribute: Some(KeyValue::new(RPC_RESPONSE_STATUS_CODE, name)),
            code: name.into(),
            error: is_error.then(|| Failure { error_type: name.into(), description: message.to_owned() }),
        }
    }

    /// Nobody waited for the answer: it was dropped before its end.
    pub(super) fn given_up(protocol_is_grpc: bool, kind: &SpanKind) -> Self {
        if protocol_is_grpc {
            Self::grpc(kind, Code::Cancelled, "the call was given up")
        } else {
            Self { attribute: None, code: "".into(), error: None }
        }
    }

    /// The same, but an error of this type.
    fn failed(mut self, error_type: Cow<'static, str>, description: String) -> Self {
        self.error = Some(Failure { error_type, description });
        self
    }
}

impl Ending {
    /// What the response's headers alone decide: a gRPC status in the headers is final ("Trailers-Only").
    pub(super) fn at_headers(&self, headers: &HeaderMap) -> Option<Outcome> {
        match self {
            Self::Http(_) => None,
            Self::Grpc(kind, _) => {
                grpc_status(headers).map(|(code, message)| Outcome::grpc(kind, code, &message))
            }
        }
    }

    /// The body is complete.
    pub(super) fn at_end(&self, trailers: Option<&HeaderMap>) -> Outcome {
        match self {
            Self::Http(status) => Outcome::http(*status),
            Self::Grpc(kind, status) => match trailers.and_then(grpc_status) {
                Some((code, message)) => Outcome::grpc(kind, code, &message),
                None => Outcome::grpc(kind, grpc_code(*status), "the response had no grpc-status"),
            },
        }
    }

    /// The body broke off: the client sees a reset stream or an unfinished chunk.
    pub(super) fn at_error(&self, error: &(dyn Error + 'static)) -> Outcome {
        let status = find_status(error);
        match self {
            Self::Http(http) => {
                let error_type = status.map_or("_OTHER", |status| grpc_name(status.code()));
                let description =
                    status.map_or_else(|| error.to_string(), |status| status.message().to_owned());
                Outcome::http(*http).failed(error_type.into(), description)
            }
            Self::Grpc(kind, _) => match status {
                Some(status) => Outcome::grpc(kind, status.code(), status.message()),
                // hyper resets the stream with INTERNAL_ERROR, which clients read as INTERNAL.
                None => Outcome::grpc(kind, Code::Internal, &error.to_string()),
            },
        }
    }

    /// The body was dropped before its end: nobody wanted the rest.
    pub(super) fn given_up(&self) -> Outcome {
        match self {
            Self::Http(status) => Outcome::http(*status),
            Self::Grpc(kind, _) => Outcome::given_up(true, kind),
        }
    }
}

/// The gRPC status in a chain of errors.
fn find_status<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(status) = error.downcast_ref::<Status>() {
            return Some(status);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(200, None)]
    #[case(404, None)]
    #[case(499, None)]
    #[case(500, Some("500"))]
    #[case(503, Some("503"))]
    fn http_servers(#[case] status: u16, #[case] error_type: Option<&str>) {
        let outcome = Outcome::http(StatusCode::from_u16(status).unwrap());
        assert_eq!(outcome.attribute, Some(KeyValue::new("http.response.status_code", i64::from(status))));
        assert_eq!(outcome.error.map(|failure| failure.error_type), error_type.map(Cow::from));
    }

    #[rstest]
    #[case(SpanKind::Server, Code::Ok, None)]
    #[case(SpanKind::Client, Code::Ok, None)]
    #[case(SpanKind::Server, Code::NotFound, None)]
    #[case(SpanKind::Client, Code::NotFound, Some("NOT_FOUND"))]
    #[case(SpanKind::Server, Code::Unavailable, Some("UNAVAILABLE"))]
    #[case(SpanKind::Server, Code::Cancelled, None)]
    #[case(SpanKind::Client, Code::Cancelled, Some("CANCELLED"))]
    fn grpc(#[case] kind: SpanKind, #[case] code: Code, #[case] error_type: Option<&str>) {
        let outcome = Outcome::grpc(&kind, code, "message");
        assert_eq!(outcome.attribute, Some(KeyValue::new("rpc.response.status_code", grpc_name(code))));
        let expected = error_type
            .map(|name| Failure { error_type: name.to_owned().into(), description: "message".to_owned() });
        assert_eq!(outcome.error, expected);
    }

    #[test]
    fn the_ending_of_a_grpc_body_is_read_from_its_trailers() {
        let ending = Ending::Grpc(SpanKind::Server, StatusCode::OK);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "13".parse().unwrap());
        assert_eq!(ending.at_end(Some(&trailers)).code, "INTERNAL");
        assert_eq!(ending.at_end(None).code, "UNKNOWN");
        assert_eq!(ending.at_error(&std::io::Error::other("broken")).code, "INTERNAL");
        assert_eq!(ending.at_error(&Status::data_loss("")).code, "DATA_LOSS");
        assert_eq!(ending.given_up().code, "CANCELLED");
    }

    #[test]
    fn an_aborted_http_body_is_an_error_although_the_status_was_good() {
        let ending = Ending::Http(StatusCode::OK);
        let error = axum::Error::new(Status::aborted("gone"));
        let outcome = ending.at_error(&error);
        assert_eq!(outcome.code, "200");
        let expected = Failure { error_type: "ABORTED".into(), description: "gone".to_owned() };
        assert_eq!(outcome.error, Some(expected));
        assert_eq!(ending.at_error(&std::io::Error::other("x")).error.unwrap().error_type, "_OTHER");
    }
}
