//! The trusted certificate authorities, for the connections that are not tonic's own.
//!
//! `otlp_http` uses it. gRPC channels take the same roots through tonic (`channel`).

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// A TLS client configuration that trusts the platform's authorities, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` where
/// they are set. Loading takes milliseconds, so call it only where a URL is `https`.
///
/// # Errors
/// No authority could be loaded.
pub(crate) fn client_config() -> std::io::Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(std::io::Error::other(format!("no trusted certificate authority: {reason}")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
