//! What a placeholder of [`crate::secret`] says of the credentials it stands for. Rules about authentication read it.

/// A token that was sent behind `Bearer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A JSON Web Token (RFC 7519): an ID token, or one that a service account signed by itself.
    Jwt(Jwt),
    /// A Google OAuth access token.
    Access,
    /// Something else.
    Opaque,
}

/// What a JSON Web Token claims; its signature was not verified.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Jwt {
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`: one, or several where it is a list.
    pub audiences: Vec<String>,
    /// `exp`, in seconds since the Unix epoch.
    pub expires: Option<u64>,
}

impl Token {
    /// Reads the recorded value of `authorization` or a header like it; `None` where it held no bearer token.
    pub fn read(recorded: &str) -> Option<Token> {
        let kind = recorded.strip_prefix("<bearer ")?.strip_suffix('>')?;
        if let Some(facts) = kind.strip_prefix("jwt ") {
            return Some(Token::Jwt(Jwt::read(facts)));
        }
        Some(if kind.starts_with("access token ") { Token::Access } else { Token::Opaque })
    }
}

impl Jwt {
    fn read(facts: &str) -> Jwt {
        let mut jwt = Jwt::default();
        for (name, value) in facts.split(' ').filter_map(|fact| fact.split_once('=')) {
            match name {
                "iss" => jwt.issuer = Some(value.to_owned()),
                "aud" => {
                    let list = serde_json::from_str(value);
                    jwt.audiences = list.unwrap_or_else(|_| vec![value.to_owned()]);
                }
                // Seconds may have a fraction (RFC 7519, NumericDate).
                "exp" => jwt.expires = value.split('.').next().and_then(|seconds| seconds.parse().ok()),
                _ => {}
            }
        }
        jwt
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::secret::header_value;

    #[track_caller]
    fn check(sent: &str, expected: Option<Token>) {
        assert_eq!(Token::read(&header_value("authorization", sent)), expected, "{sent}");
    }

    fn jwt(claims: &str) -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("Bearer {}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(claims))
    }

    #[test]
    fn placeholders_are_read_back() {
        check("Bearer ya29.a0AfH6SMBxxxxxxxxxxxxxxx", Some(Token::Access));
        check("Bearer abcdefgh", Some(Token::Opaque));
        check("Basic QWxhZGRpbg==", None);
        check("abc", None);
        let token = |audiences: &[&str], expires| {
            Some(Token::Jwt(Jwt {
                issuer: Some("https://accounts.google.com".to_owned()),
                audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
                expires,
            }))
        };
        let one = r#"{"iss":"https://accounts.google.com","aud":"https://b.run.app","exp":1700000000}"#;
        check(&jwt(one), token(&["https://b.run.app"], Some(1_700_000_000)));
        let several = r#"{"iss":"https://accounts.google.com","aud":["a","b"],"exp":1700000000.5}"#;
        check(&jwt(several), token(&["a", "b"], Some(1_700_000_000)));
        check(&jwt(r#"{"iss":"https://accounts.google.com"}"#), token(&[], None));
    }
}
