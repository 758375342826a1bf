//! TLS before a backend that speaks plaintext, as Cloud Run has it: a certificate of one's own, and a forwarder of a few lines.
//!
//! The tests with a secure channel use it.

#[path = "../../../common-lib/tests/authority/mod.rs"]
mod authority;

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) use authority::{Authority, authority};

/// The file with the authority, for the tests of one backend.
pub(crate) fn file(authority: &Authority, backend: &str) -> PathBuf {
    authority::file(authority, &format!("of-{}", backend.rsplit(':').next().unwrap()))
}

/// The `https` URL at which this address is reached.
pub(crate) async fn before(upstream: SocketAddr, authority: &Authority) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(forward(listener, authority::acceptor(authority, &["h2"]), upstream));
    url
}

/// Ends TLS and passes the bytes on.
async fn forward(listener: TcpListener, acceptor: TlsAcceptor, upstream: SocketAddr) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust the certificate hangs up here.
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let mut upstream = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut upstream).await;
            }
        });
    }
}
