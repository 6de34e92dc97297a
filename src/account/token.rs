//! Access tokens: signed claims about the signed-in user, valid for 15 minutes.
//! Not here: the state of the session and the permissions of the user; the database decides both (`session`).
//!
//! RFC 8725: one pinned algorithm, one key per purpose, `iss`, `aud`, `exp` and `typ` required, `nbf` respected. The
//! role is not in the token, because a token outlives a change of role.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

/// Lifetime of an access token.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Minimum length of a secret: that of the digest of HS256 (RFC 7518, 3.2).
pub const SECRET_MIN_BYTES: usize = 32;

/// Minimum number of different bytes: 32 random bytes have about 30, a hundred hexadecimal digits 16, a repeated word
/// only a few.
const SECRET_MIN_DIFFERENT: usize = 10;

const ISSUER: &str = "boxoffice";
const AUDIENCE: &str = "boxoffice-api";
const KIND: &str = "access";

/// Tolerance for the clock of another signer that is ahead.
const LEEWAY: Duration = Duration::from_secs(10);

/// Claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    typ: String,
    /// User who signed in.
    pub sub: UserId,
    /// Session of the sign-in.
    pub sid: SessionId,
    /// Seconds since the epoch at which the token expires.
    pub exp: i64,
    iat: i64,
    /// Seconds since the epoch before which the token is refused; our own tokens have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// Key ring: the first key signs and every key verifies, so that a key can be changed without signing users out.
#[derive(Clone)]
pub struct Keys(Arc<Vec<Key>>);

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Refusal of a secret that can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// The secret is too short.
    #[error("the token secret is too weak ({has} bytes, need {SECRET_MIN_BYTES} or more)")]
    Short {
        /// Number of its bytes.
        has: usize,
    },
    /// The secret repeats too few bytes.
    #[error("the token secret is too weak ({has} different bytes, need {SECRET_MIN_DIFFERENT} or more)")]
    Monotonous {
        /// Number of its different bytes.
        has: usize,
    },
}

impl Keys {
    /// Creates a ring of these secrets, the signing one first.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, WeakSecret> {
        let mut keys = Vec::new();
        for secret in secrets {
            if secret.len() < SECRET_MIN_BYTES {
                return Err(WeakSecret::Short { has: secret.len() });
            }
            let different = secret.iter().collect::<HashSet<_>>().len();
            if different < SECRET_MIN_DIFFERENT {
                return Err(WeakSecret::Monotonous { has: different });
            }
            // The id of a key is derived from it, so that every process gives it the same id. The id reveals nothing
            // about the key.
            let digest = Sha256::new().chain_update(b"boxoffice key id").chain_update(secret).finalize();
            let id = hex::encode(&digest[..6]);
            keys.push(Key {
                id,
                encoding: EncodingKey::from_secret(secret),
                decoding: DecodingKey::from_secret(secret),
            });
        }
        if keys.is_empty() {
            return Err(WeakSecret::Short { has: 0 });
        }
        Ok(Self(Arc::new(keys)))
    }

    /// Signs a token for a session. Returns it and its expiry.
    pub fn sign(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
        let expires_at = now.plus(LIFETIME);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: KIND.into(),
            sub: user,
            sid: session,
            exp: expires_at.seconds(),
            iat: now.seconds(),
            nbf: None,
        };
        let key = &self.0[0]; // `new` refuses an empty ring
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok((encode(&header, &claims, &key.encoding)?, Timestamp(claims.exp * 1_000_000)))
    }

    /// Derives 256 bits, as 43 letters, from a text and each key. Without the key they look random. Returns one result
    /// for each key of the ring, the signing key's first.
    pub fn derive(&self, purpose: &str, text: &str) -> Result<Vec<String>, jsonwebtoken::errors::Error> {
        let message = format!("{purpose}\0{text}"); // no token is a message of this form
        let of = |key: &Key| jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, Algorithm::HS256);
        self.0.iter().map(of).collect()
    }

    /// Returns the claims of a token if one of our keys signed it for this service, it has begun and it has not
    /// expired. The reason of a refusal is not disclosed.
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let kid = decode_header(token).ok()?.kid?;
        let key = self.0.iter().find(|key| key.id == kid)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.required_spec_claims = HashSet::from(["exp", "iss", "aud", "sub"].map(String::from));
        rules.validate_exp = false; // checked below with `nbf`, against our clock: the library would use the machine's
        let claims = decode::<Claims>(token, &key.decoding, &rules).ok()?.claims;
        let has_begun = claims.nbf.is_none_or(|nbf| nbf <= now.plus(LEEWAY).seconds());
        (claims.typ == KIND && has_begun && claims.exp > now.seconds()).then_some(claims)
    }
}
