//! Requests that hyper refuses by itself, as the log is told of them: no handler ever sees them.

use std::sync::Arc;

use spanwise_model::{End, Header, HttpVersion, Source, Stamps, WireTap};

use crate::TapLog;
use crate::exchange::now;

/// Where such requests are recorded, and what is known of them beforehand.
pub(crate) struct Refused {
    pub(crate) log: Arc<TapLog>,
    pub(crate) from: Option<Source>,
    pub(crate) to: Source,
    pub(crate) tls: bool,
}

/// What could be read of one; secrets are replaced already.
pub(crate) struct RefusedHead {
    http: HttpVersion,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) authority: String,
    pub(super) headers: Vec<Header>,
}

impl RefusedHead {
    /// Nothing yet.
    pub(super) fn new(http: HttpVersion) -> RefusedHead {
        let (method, path, authority, headers) = Default::default();
        RefusedHead { http, method, path, authority, headers }
    }
}

impl Refused {
    /// Records one, with the status that hyper answers, where it does.
    pub(super) fn record(&self, head: RefusedHead, status: Option<u16>, end: End) {
        let now = now();
        self.log.record(WireTap {
            from: self.from.clone(),
            to: self.to.clone(),
            tls: self.tls,
            http: head.http,
            method: head.method,
            path: head.path,
            authority: head.authority,
            request_headers: head.headers,
            announced: None,
            status,
            response_headers: Vec::new(),
            trailers: Vec::new(),
            answered_by_front: status.is_some(),
            end,
            stamps: Stamps {
                begun: now,
                answered: if status.is_some() { now } else { 0 },
                ended: now,
                ..Stamps::default()
            },
        });
    }
}
