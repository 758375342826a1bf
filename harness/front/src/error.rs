//! What can go wrong when a front is started. Trouble with exchanges is no error but data: it stands in the taps.

/// Why a front could not be started.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No loopback port could be opened.
    #[error("could not open a loopback port for a front")]
    Bind(#[source] std::io::Error),
    /// The certificates of the run could not be made.
    #[error("could not make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The TLS library refused what was made.
    #[error("could not set up TLS")]
    Tls(#[source] rustls::Error),
}
