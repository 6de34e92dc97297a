//! Opaque tokens: random, shown once, kept as a hash. Their first letters say what they are, so that a scanner that finds
//! one in a file knows it.
//! Not here: signed tokens (`token`), and what any of them is worth.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::id::{ApiTokenId, RandomSource};

/// How API tokens begin.
pub const API_TOKEN: &str = "bo_";

/// How refresh tokens begin.
const REFRESH_TOKEN: &str = "bor_";

/// What is kept of a secret: SHA-256 in hex. Enough, because there is nothing to guess in 256 random bits.
pub fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret_text(random: &RandomSource) -> String {
    URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// A new refresh token.
pub fn refresh_token(random: &RandomSource) -> String {
    format!("{REFRESH_TOKEN}{}", secret_text(random))
}

/// The refresh token whose random part this is.
pub fn refresh_token_of(random: &str) -> String {
    format!("{REFRESH_TOKEN}{random}")
}

/// Whether a text may be a refresh token; nothing else is worth looking up.
pub fn is_refresh_token(text: &str) -> bool {
    let rest = text.strip_prefix(REFRESH_TOKEN);
    rest.is_some_and(|rest| rest.len() == 43 && URL_SAFE_NO_PAD.decode(rest).is_ok())
}

/// A new API token of this id: the whole, and what of it is secret. The id inside finds the row without its secret being
/// an index.
pub fn api_token(id: ApiTokenId, random: &RandomSource) -> (String, String) {
    let secret = secret_text(random);
    (format!("{API_TOKEN}{}{secret}", URL_SAFE_NO_PAD.encode(id.0.as_bytes())), secret)
}

/// The id and the secret in an API token.
pub fn parse_api_token(text: &str) -> Option<(ApiTokenId, String)> {
    let rest = text.strip_prefix(API_TOKEN)?;
    let (id, secret) = rest.split_at_checked(22)?;
    let id = Uuid::from_slice(&URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    (secret.len() == 43).then(|| (ApiTokenId(id), secret.to_owned()))
}
