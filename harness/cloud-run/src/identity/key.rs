//! The key of a run: an RSA key that signs ID tokens and says whether a signature is its own. [`super::Identity`] has one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::rand_core::UnwrapErr;
use serde_json::{Value, json};

use crate::CloudRunError;

/// What Google's keys have.
const BITS: usize = 2048;

/// An RSA key with its name. It signs as RS256 says (RFC 7518, section 3.3).
pub(super) struct Key {
    pair: RsaKeyPair,
    id: String,
}

impl Key {
    /// Makes a new key; a few tenths of a second.
    pub(super) fn new() -> Result<Key, CloudRunError> {
        // ring signs and verifies in well under a millisecond, but makes no RSA keys.
        let private =
            rsa::PrivateKey::new(&mut UnwrapErr(getrandom::SysRng), BITS).map_err(CloudRunError::Key)?;
        let encoded = private.to_pkcs8_der().map_err(CloudRunError::Encode)?;
        let pair = RsaKeyPair::from_pkcs8(encoded.as_bytes()).map_err(CloudRunError::Load)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, pair.public().as_ref());
        // Google's names of keys are forty hexadecimal digits, too.
        let id = digest.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        Ok(Key { pair, id })
    }

    /// The name of the key, `kid` in the header of a token.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The signature of a message.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        // Cannot fail with a key that was loaded and room of its length. If it ever did, zeros would be the signature,
        // which nobody accepts.
        let _ = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signature
    }

    /// Whether this key made the signature of the message.
    pub(super) fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        self.components().verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }

    /// The public half as a JSON Web Key (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let RsaPublicKeyComponents { n, e } = self.components();
        json!({
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(n),
            "e": URL_SAFE_NO_PAD.encode(e),
        })
    }

    fn components(&self) -> RsaPublicKeyComponents<Vec<u8>> {
        RsaPublicKeyComponents::from(self.pair.public())
    }
}

/// Says the name and nothing of the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
