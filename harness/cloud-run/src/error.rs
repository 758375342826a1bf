//! What can go wrong when the emulator of Cloud Run is set up. Trouble with requests is no error: they are answered.

/// Why a part of the emulator could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CloudRunError {
    /// The system gave no random bytes.
    #[error("could not get random bytes for the key of the run")]
    Random(#[source] getrandom::Error),
    /// The key that signs the run's ID tokens could not be made.
    #[error("could not make the key that signs ID tokens")]
    Key(#[source] rsa::Error),
    /// The key that was made could not be written down for the signer.
    #[error("could not encode the key that signs ID tokens")]
    Encode(#[source] rsa::pkcs8::Error),
    /// The signer refused the key that was made.
    #[error("could not load the key that signs ID tokens: {0}")]
    Load(ring::error::KeyRejected),
    /// No loopback port could be opened for a metadata server.
    #[error("could not open a loopback port for a metadata server")]
    Bind(#[source] std::io::Error),
}
