//! Access tokens: signed statements of who signed in, for 15 minutes.
//! Not here: whether the session still lives and what the user may do; the database says that (`session`).
//!
//! RFC 8725: one pinned algorithm, one key per purpose, `iss`, `aud`, `exp` and `typ` required, `nbf` kept. The role is not in the
//! token, because a token outlives a change of role.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

/// How long an access token is good.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The shortest secret: as long as the digest of HS256 (RFC 7518, 3.2).
pub const SECRET_MIN_BYTES: usize = 32;

/// So many of them must differ: 32 random bytes have about 30, a hundred hexadecimal digits 16, a word again and again few.
const SECRET_MIN_DIFFERENT: usize = 10;

const ISSUER: &str = "boxoffice";
const AUDIENCE: &str = "boxoffice-api";
const KIND: &str = "access";

/// How far ahead the clock of another signer may be.
const LEEWAY: Duration = Duration::from_secs(10);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    typ: String,
    /// The user.
    pub sub: UserId,
    /// The sign-in.
    pub sid: SessionId,
    /// Seconds since the epoch at which it ends.
    pub exp: i64,
    iat: i64,
    /// Seconds since the epoch before which it is refused; our own tokens have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// The key ring: the first key signs, every key verifies, so that a key can be changed without signing anybody out.
#[derive(Clone)]
pub struct Keys(Arc<Vec<Key>>);

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// A secret can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// It is too short.
    #[error("the token secret is too weak ({has} bytes, need {SECRET_MIN_BYTES} or more)")]
    Short {
        /// How many bytes it has.
        has: usize,
    },
    /// It repeats itself.
    #[error("the token secret is too weak ({has} different bytes, need {SECRET_MIN_DIFFERENT} or more)")]
    Monotonous {
        /// How many different bytes it has.
        has: usize,
    },
}

impl Keys {
    /// A ring of these secrets, the signing one first.
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
            // The key's name is derived from it, so that every process names it alike without telling anything of it.
            let digest = Sha256::new().chain_update(b"boxoffice key id").chain_update(secret).finalize();
            let id = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
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

    /// A token for a sign-in, and when it ends.
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

    /// 256 bits, 43 letters, that follow from a text and a key: without the key they look drawn at random. One for each key
    /// of the ring, the signing one's first.
    pub fn derive(&self, purpose: &str, text: &str) -> Result<Vec<String>, jsonwebtoken::errors::Error> {
        let message = format!("{purpose}\0{text}"); // no token is a message of this form
        let of = |key: &Key| jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, Algorithm::HS256);
        self.0.iter().map(of).collect()
    }

    /// What a token says, if one of our keys signed it for us, and it has begun and not ended. No detail of a refusal leaves
    /// here.
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let kid = decode_header(token).ok()?.kid?;
        let key = self.0.iter().find(|key| key.id == kid)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.required_spec_claims = HashSet::from(["exp", "iss", "aud", "sub"].map(String::from));
        rules.validate_exp = false; // `exp` and `nbf` against our clock below: the library would ask the machine's
        let claims = decode::<Claims>(token, &key.decoding, &rules).ok()?.claims;
        let has_begun = claims.nbf.is_none_or(|nbf| nbf <= now.plus(LEEWAY).seconds());
        (claims.typ == KIND && has_begun && claims.exp > now.seconds()).then_some(claims)
    }
}
