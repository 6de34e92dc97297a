//! Opaque tokens: random, shown once, stored as a hash. Their prefix names their kind, so that a secret scanner
//! recognises one in a file.
//! Not here: signed tokens (`token`), and the validity of any token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::id::{ApiTokenId, RandomSource};

/// Prefix of API tokens.
pub const API_TOKEN: &str = "bo_";

/// Prefix of refresh tokens.
const REFRESH_TOKEN: &str = "bor_";

/// Returns the stored form of a secret: SHA-256 in hex. A plain digest is enough, because 256 random bits cannot be
/// guessed.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn secret_text(random: &RandomSource) -> String {
    URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// Draws a new refresh token.
pub fn refresh_token(random: &RandomSource) -> String {
    format!("{REFRESH_TOKEN}{}", secret_text(random))
}

/// Returns the refresh token with this random part.
pub fn refresh_token_of(random: &str) -> String {
    format!("{REFRESH_TOKEN}{random}")
}

/// Returns true if a text has the form of a refresh token; no other text is worth a lookup.
pub fn is_refresh_token(text: &str) -> bool {
    let rest = text.strip_prefix(REFRESH_TOKEN);
    rest.is_some_and(|rest| rest.len() == 43 && URL_SAFE_NO_PAD.decode(rest).is_ok())
}

/// Draws a new API token with this id. Returns the whole token and its secret part. The id in the token finds the row,
/// so that the secret need not be an index.
pub fn api_token(id: ApiTokenId, random: &RandomSource) -> (String, String) {
    let secret = secret_text(random);
    (format!("{API_TOKEN}{}{secret}", URL_SAFE_NO_PAD.encode(id.0.as_bytes())), secret)
}

/// Parses an API token into its id and its secret.
pub fn parse_api_token(text: &str) -> Option<(ApiTokenId, String)> {
    let rest = text.strip_prefix(API_TOKEN)?;
    let (id, secret) = rest.split_at_checked(22)?;
    let id = Uuid::from_slice(&URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    (secret.len() == 43).then(|| (ApiTokenId(id), secret.to_owned()))
}
