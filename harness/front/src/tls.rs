//! Certificates of a run: an authority made on the spot, and the server side of TLS that the fronts speak with it.
//!
//! The run loop makes one [`Authority`] a run and hands its certificate to the services by `SSL_CERT_FILE`; a second
//! one that nobody is told of makes the fronts of the case "certificate untrusted".

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{FrontError, trust_store};

/// A certificate authority that lives as long as the run.
pub struct Authority {
    ca_pem: String,
    ca_pkcs12: Vec<u8>,
    server: ServerTls,
}

/// How a front speaks TLS: certificate for `localhost`, 127.0.0.1 and the names that its authority was made for, ALPN `h2` and
/// `http/1.1`.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
}

impl Authority {
    /// Makes an authority and a certificate of it. Two authorities never have the same name, so that a client that
    /// knows one reports an unknown issuer for the other, not a wrong signature.
    pub fn new() -> Result<Authority, FrontError> {
        Authority::for_names(&[])
    }

    /// The same, with a certificate that is good for these names, too: those that lead to the run's fronts wherever the run says
    /// what names mean.
    pub fn for_names(more: &[&str]) -> Result<Authority, FrontError> {
        let ca_key = KeyPair::generate().map_err(FrontError::Certificate)?;
        let mut ca = CertificateParams::default();
        let key_name: String =
            ca_key.der_bytes().iter().rev().take(8).map(|byte| format!("{byte:02x}")).collect();
        ca.distinguished_name.push(DnType::CommonName, format!("spanwise run {key_name}"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(ca, ca_key).map_err(FrontError::Certificate)?;

        let names = ["localhost", "127.0.0.1"].iter().chain(more).map(|name| (*name).to_owned());
        let mut leaf = CertificateParams::new(names.collect::<Vec<_>>()).map_err(FrontError::Certificate)?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf_key = KeyPair::generate().map_err(FrontError::Certificate)?;
        let certificate = leaf.signed_by(&leaf_key, &issuer).map_err(FrontError::Certificate)?;

        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        // The provider is named, so that nobody has to install one for the process.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(FrontError::Tls)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .map_err(FrontError::Tls)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let ca_pkcs12 = trust_store::pkcs12(issuer.der());
        Ok(Authority { ca_pem: issuer.pem(), ca_pkcs12, server: ServerTls { config: Arc::new(config) } })
    }

    /// The authority's own certificate in PEM: what a client must trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The same certificate as a PKCS#12 file, for Java.
    pub fn ca_pkcs12(&self) -> &[u8] {
        &self.ca_pkcs12
    }

    /// The server side, for [`crate::FrontOptions::tls`].
    pub fn server_tls(&self) -> ServerTls {
        self.server.clone()
    }
}
