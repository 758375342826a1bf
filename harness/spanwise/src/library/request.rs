//! A request of a test, from the method and path to its being sent.

use std::future::IntoFuture;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use serde::Serialize;
use spanwise_model::{ContextFormat, ExpectedSpan, PermutationName};
use spanwise_scenario::{Caller, Channel, ContextKind, EntryRequest, Permutation, RequestForm};

use super::run::Inner;
use super::{Answer, HarnessError};
use crate::run::nowhere;

/// A request that is sent when it is awaited.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    inner: Weak<Inner>,
    to: Result<String, HarnessError>,
    form: RequestForm,
    headers: Vec<(String, String)>,
    channel: Option<Channel>,
    context: ContextKind,
    expected: Vec<ExpectedSpan>,
    /// A body that cannot be written as JSON.
    unwritable: Option<serde_json::Error>,
}

impl Request {
    pub(super) fn new(inner: Weak<Inner>, to: Result<String, HarnessError>, form: RequestForm) -> Request {
        Request {
            inner,
            to,
            form,
            headers: Vec::new(),
            channel: None,
            context: ContextKind::Sampled,
            expected: Vec::new(),
            unwritable: None,
        }
    }

    /// Adds a header, or metadata. Trace context is the driver's to send.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Sends a body as JSON; of gRPC it is the message.
    pub fn json(mut self, json: impl Serialize) -> Request {
        match serde_json::to_value(json) {
            Err(error) => self.unwritable = Some(error),
            Ok(json) => match &mut self.form {
                RequestForm::Grpc { message, .. } => *message = json,
                RequestForm::Http { .. } => {
                    self = self.body(json.to_string());
                    self.headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
            },
        }
        self
    }

    /// Sends a body as it is; of gRPC, which knows messages alone, nothing.
    pub fn body(mut self, text: impl Into<String>) -> Request {
        if let RequestForm::Http { body, .. } = &mut self.form {
            *body = Some(text.into());
        }
        self
    }

    /// Goes over TLS, which ends at the proxy before the service, as on Cloud Run.
    pub fn secure(mut self) -> Request {
        self.channel = Some(Channel::Secure);
        self
    }

    /// Carries a context that says not sampled: no service may record it.
    pub fn unsampled(mut self) -> Request {
        self.context = ContextKind::Unsampled;
        self
    }

    /// Carries no trace context, so that the service begins the trace. Which that is shows only while no other request of the
    /// run is under way.
    pub fn without_context(mut self) -> Request {
        self.context = ContextKind::None;
        self
    }

    /// Spans that must be among those of the trace, as under `expect.spans` of a suite file; may be said several times.
    pub fn expect(mut self, tree: ExpectedSpan) -> Request {
        self.expected.push(tree);
        self
    }

    async fn send(self) -> Result<Answer, HarnessError> {
        let inner = self.inner.upgrade().ok_or(HarnessError::Ended)?;
        let permutation = self.permutation(&inner)?;
        let request = permutation.case.clone();
        let sending = inner.clone();
        let exchange = inner.runtime.run(async move { sending.session.send(permutation).await }).await;
        let exchange = exchange.map_err(|reason| HarnessError::Request { request, reason })?;
        Ok(Answer { inner: Arc::downgrade(&inner), exchange: Arc::new(exchange) })
    }

    /// The request as what the run loop sends.
    fn permutation(self, inner: &Inner) -> Result<Permutation, HarnessError> {
        let stage = inner.session.stage();
        let shown = match &self.form {
            RequestForm::Http { method, path, .. } => {
                format!("{method} {}", path.split('?').next().unwrap_or_default())
            }
            RequestForm::Grpc { call, .. } => call.clone(),
        };
        let refused =
            |reason: &str| HarnessError::Request { request: shown.clone(), reason: reason.to_owned() };
        if let Some(error) = self.unwritable {
            return Err(refused(&format!("its body cannot be written as JSON: {error}")));
        }
        if matches!(&self.form, RequestForm::Http { path, .. } if !path.starts_with('/')) {
            return Err(refused("the path does not begin with `/`"));
        }
        let is_context = |name: &str| ContextFormat::ALL.iter().any(|format| format.header() == name);
        if let Some((name, _)) = self.headers.iter().find(|(name, _)| is_context(name)) {
            let choose = "choose with `unsampled`, `without_context`, or the axis `propagation`";
            return Err(refused(&format!("`{name}` is set by the driver; {choose}")));
        }
        let to = self.to?;
        let name = PermutationName::new(&stage.suite.name, &shown, &[]);
        let mut settings = stage.settings.clone();
        settings.expected = self.expected;
        let request =
            EntryRequest { to, form: self.form, headers: self.headers, marker: None, expected: None };
        Ok(Permutation {
            group: name.to_string(),
            name,
            suite: stage.suite.name.clone(),
            case: shown,
            place: nowhere(),
            setting: 0,
            services: stage.setting.services.iter().map(|service| service.name.clone()).collect(),
            exclusive: self.context == ContextKind::None,
            channel_in: self.channel.unwrap_or(stage.channel_in),
            context: stage.context(self.context),
            caller: Caller::default(),
            requests: vec![request],
            repeat: None,
            settings,
            known: Vec::new(),
        })
    }
}

impl IntoFuture for Request {
    type Output = Result<Answer, HarnessError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
