//! Stand-ins for HTTP services of others, which answer what the suite says.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use spanwise_model::{Evidence, ProcessEvent, Source, StubResponse, secret};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::{DriveError, Instance};

/// A stub that answers until it is dropped.
pub struct Stub {
    source: Source,
    address: SocketAddr,
    server: Option<MockServer>,
}

/// Hears of requests that a stub has no answer to, as `GET /nothing`, without their query and with secrets replaced.
pub type OnUnmatched = Box<dyn Fn(String) + Send + Sync>;

impl Stub {
    /// Starts a stub on a free loopback port. It gives the first response that fits a request, and 404 where none does.
    ///
    /// # Errors
    /// No port could be opened.
    pub async fn start(
        source: Source,
        responses: Vec<StubResponse>,
        on_unmatched: OnUnmatched,
    ) -> Result<Stub, DriveError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DriveError::Stub)?;
        let address = listener.local_addr().map_err(DriveError::Stub)?;
        // What came stands in the tap of the front before it; the mock server's own record would hold headers and bodies.
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        let answers = Answers { name: source.service.to_string(), responses, on_unmatched };
        Mock::given(matchers::any()).respond_with(answers).mount(&server).await;
        Ok(Stub { source, address, server: Some(server) })
    }
}

/// What the stub of this name answers.
struct Answers {
    name: String,
    responses: Vec<StubResponse>,
    on_unmatched: OnUnmatched,
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (method, path) = (request.method.as_str(), request.url.path());
        let Some(response) = self.responses.iter().find(|response| response.fits(method, path)) else {
            let asked = secret::text(&format!("{method} {path}")).into_owned();
            let known: Vec<String> = self.responses.iter().map(ToString::to_string).collect();
            let body =
                format!("the stub {} has no answer to {asked}; it knows {}\n", self.name, known.join(", "));
            (self.on_unmatched)(asked);
            return ResponseTemplate::new(404).set_body_string(body);
        };
        let template = ResponseTemplate::new(response.status).set_body_bytes(response.body.as_bytes());
        let with_header = |template: ResponseTemplate, (name, value): &(String, String)| {
            template.append_header(name.as_str(), value.as_str())
        };
        response.headers.iter().fold(template, with_header).set_delay(response.delay)
    }
}

impl Instance for Stub {
    fn source(&self) -> &Source {
        &self.source
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    /// It is no service of the suite's owner, so nothing but the wire is of interest.
    fn shows(&self, evidence: Evidence) -> bool {
        evidence == Evidence::Wire
    }

    fn exited(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// It ends when it is dropped: until then, a service that ends may still ask it something.
    fn terminate(&self, _: Duration) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // The mock server waits for a lock of tokio when it is dropped, by turning in a circle. Inside a task that has used
        // up its budget such a lock is never given, so the budget is lifted.
        let server = self.server.take();
        let dropped = tokio::task::unconstrained(async move { drop(server) }).now_or_never();
        debug_assert!(dropped.is_some(), "nothing is awaited");
    }
}
