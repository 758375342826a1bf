//! What a stub, the stand-in for somebody else's HTTP service, answers. Read by `scenario`, served by `drive`.

use std::fmt;
use std::time::Duration;

use crate::name::characters;

/// One answer of a stub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubResponse {
    /// The method of the requests that it answers; `None` for every one.
    pub method: Option<String>,
    /// Their path, without the query; `*` stands for any characters.
    pub path: String,
    /// The status, from 200 to 599.
    pub status: u16,
    /// Names in lower case, and values; a body of JSON has its `content-type` here.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: String,
    /// How long it takes to answer.
    pub delay: Duration,
}

impl StubResponse {
    /// Whether it answers such a request; the path is one without a query.
    pub fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && characters(&self.path, path)
    }
}

impl fmt::Display for StubResponse {
    /// The requests that it answers: `POST /charge`, or the path alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Some(method) => write!(f, "{method} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Option<&str>, path: &str, request: (&str, &str), expected: bool) {
        let response = StubResponse {
            method: method.map(str::to_owned),
            path: path.to_owned(),
            status: 200,
            headers: Vec::new(),
            body: String::new(),
            delay: Duration::ZERO,
        };
        assert_eq!(response.fits(request.0, request.1), expected, "{response} for {request:?}");
    }

    #[test]
    fn a_response_fits_by_method_and_path() {
        check(Some("POST"), "/charge", ("POST", "/charge"), true);
        check(Some("POST"), "/charge", ("GET", "/charge"), false);
        check(None, "/charge", ("GET", "/charge"), true);
        check(None, "/charge", ("GET", "/charge/1"), false);
        check(None, "/rates/*", ("GET", "/rates/eur/usd"), true);
        check(None, "/rates/*/usd", ("GET", "/rates/eur/chf"), false);
        check(None, "*", ("GET", "/anything"), true);
    }
}
