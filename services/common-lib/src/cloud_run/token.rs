//! Tokens of the service's own account, kept until shortly before they expire.
//!
//! `bearer` sends them with calls to other services, the exporters with what they send to Google. A token is nowhere logged and
//! shows nothing of itself in `Debug`. No timer renews it: where the processor is taken away between requests a timer would not
//! run, so whoever needs a token that is no longer fresh waits for the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use serde_json::Value;

use super::metadata::{MetadataError, MetadataServer};

/// How long before its end a token is replaced, so that it is still good when it has reached whoever checks it. One that lives
/// for less than twice as long is replaced at half of its life.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// A token, and how long it may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// `Bearer …`, marked as sensitive: neither `Debug` nor the HTTP libraries show it.
    bearer: HeaderValue,
    refresh: SystemTime,
    expires: SystemTime,
}

/// The tokens for one purpose: the last one, and the next as soon as it is needed. Clones share them.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Source>);

#[derive(Debug)]
struct Source {
    server: MetadataServer,
    purpose: Purpose,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Purpose {
    Google,
    Service { audience: String },
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// The question that is under way, for all who wait for its answer.
    fetch: Option<Fetch>,
}

type Fetch = Shared<BoxFuture<'static, Result<Token, MetadataError>>>;

impl Token {
    /// A token that is good for so long from now on; `None` where no header can hold it.
    pub fn new(token: &str, now: SystemTime, lifetime: Duration) -> Option<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        bearer.set_sensitive(true);
        let expires = now.checked_add(lifetime)?;
        let refresh = expires - MARGIN.min(lifetime / 2);
        Some(Self { bearer, refresh, expires })
    }

    /// A JSON Web Token, which says itself when it expires (RFC 7519, section "exp"); `None` where it does not.
    pub fn from_jwt(token: &str, now: SystemTime) -> Option<Self> {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(payload["exp"].as_u64()?))?;
        // One that has expired when it comes is used all the same, once: the clock of this machine may be wrong.
        Self::new(token, now, expires.duration_since(now).unwrap_or_default())
    }

    /// The value of the header `authorization`.
    pub fn bearer(&self) -> HeaderValue {
        self.bearer.clone()
    }
}

impl Tokens {
    /// Access tokens, for Google's APIs.
    pub fn for_google(server: MetadataServer) -> Self {
        Self::new(server, Purpose::Google)
    }

    /// ID tokens, for a service that knows itself by this audience: its URL without a path.
    pub fn for_service(server: MetadataServer, audience: String) -> Self {
        Self::new(server, Purpose::Service { audience })
    }

    fn new(server: MetadataServer, purpose: Purpose) -> Self {
        Self(Arc::new(Source { server, purpose, state: Mutex::default() }))
    }

    /// A token that is good for a while. Whoever asks while the metadata server is being asked gets the same answer. Where it
    /// does not answer, the last token is given as long as it has not expired. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// There is no token, and the metadata server gave none.
    pub async fn token(&self) -> Result<Token, MetadataError> {
        let fetch = {
            let mut state = self.state();
            match (&state.token, &state.fetch) {
                (Some(token), _) if SystemTime::now() < token.refresh => return Ok(token.clone()),
                (_, Some(fetch)) => fetch.clone(),
                _ => state.fetch.insert(self.fetch()).clone(),
            }
        };
        fetch.await
    }

    /// The token that was given last, for those that cannot wait for one.
    pub fn latest(&self) -> Option<Token> {
        self.state().token.clone()
    }

    /// Asks in a task of its own, so that it comes to an end although the call that began it is given up.
    fn fetch(&self) -> Fetch {
        let tokens = self.clone();
        let asked = async move {
            let answer = match &tokens.0.purpose {
                Purpose::Google => tokens.0.server.access_token().await,
                Purpose::Service { audience } => tokens.0.server.id_token(audience).await,
            };
            let mut state = tokens.state();
            state.fetch = None;
            match (answer, &state.token) {
                (Ok(token), _) => Ok(state.token.insert(token).clone()),
                (Err(error), Some(token)) if SystemTime::now() < token.expires => {
                    tracing::warn!(%error, "cannot replace a token that expires soon");
                    Ok(token.clone())
                }
                (Err(error), _) => {
                    tracing::error!(%error, "cannot get a token");
                    Err(error)
                }
            }
        };
        // What it logs belongs to the request that needed the token first.
        let task = tokio::spawn(asked.with_context(Context::current()));
        // A task ends without a result only where its runtime ends.
        task.map(|ended| ended.unwrap_or(Err(MetadataError::TimedOut))).boxed().shared()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::settings::Environment;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(payload))
    }

    #[rstest]
    #[case::usual(3600, 3300)]
    #[case::just_long_enough(600, 300)]
    #[case::short(8, 4)]
    #[case::expired(0, 0)]
    fn a_token_is_replaced_before_it_expires(#[case] exp: u64, #[case] refresh: u64) {
        let seconds = |seconds| NOW + Duration::from_secs(seconds);
        let token = Token::from_jwt(&jwt(&format!("{{\"exp\":{exp}}}")), NOW).unwrap();
        assert_eq!((token.refresh, token.expires), (seconds(refresh), seconds(exp)));
    }

    #[rstest]
    #[case("")]
    #[case("no.token")]
    #[case("a.%%%.c")]
    #[case(&jwt("{}"))]
    #[case(&jwt("{\"exp\":18446744073709551615}"))]
    #[case("<html>\n")]
    fn what_is_no_token(#[case] text: &str) {
        assert_eq!(Token::from_jwt(text, NOW), None);
    }

    #[test]
    fn a_token_does_not_show() {
        let server = MetadataServer::read(&Environment::default()).unwrap();
        let tokens = Tokens::for_google(server);
        let token = Token::new("ya29.secret", NOW, Duration::from_secs(1)).unwrap();
        assert_eq!(token.bearer(), "Bearer ya29.secret");
        tokens.state().token = Some(token.clone());
        let shown = format!("{token:?} {tokens:?} {:?}", token.bearer());
        assert!(!shown.contains("secret"), "{shown}");
    }

    /// A token that should be replaced, at a server that is not there.
    #[rstest]
    #[case::still_good(Duration::from_secs(60), true)]
    #[case::expired(Duration::ZERO, false)]
    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_to_its_end_where_there_is_no_other(
        #[case] left: Duration,
        #[case] is_given: bool,
    ) {
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = nobody.local_addr().unwrap().to_string();
        drop(nobody);
        let server =
            MetadataServer::read(&Environment::of([("GCE_METADATA_HOST", address.as_str())])).unwrap();
        let tokens = Tokens::for_google(server);
        let now = SystemTime::now();
        let token = Token { refresh: now, ..Token::new("t", now, left).unwrap() };
        tokens.state().token = Some(token.clone());
        assert_eq!(tokens.token().await.ok(), is_given.then_some(token));
    }
}
