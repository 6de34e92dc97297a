//! Accounts: who there is, how they prove it, and what a proof is worth.
//! Not here: what a signed-in user may do (`access`).

use crate::ctx::Denied;
use crate::db::{DbError, MaybeDb};
use crate::text::{Invalid, Invalids};

pub mod administer;
pub mod api_token;
pub mod change_password;
pub mod password;
pub mod refresh;
pub mod retention;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;
pub mod store;
pub mod throttle;
pub mod token;

/// Why an account verb refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Input fields are wrong, one at least.
    #[error(transparent)]
    Invalid(#[from] Invalids),
    /// Somebody has an account with this address already.
    #[error("there is already an account with this e-mail address")]
    EmailTaken,
    /// No such account, or not its password; the same answer for both.
    #[error("e-mail address or password is wrong")]
    BadCredentials,
    /// The refresh token is none, has ended, was used before, or its session has ended.
    #[error("this session has ended; sign in again")]
    SessionEnded,
    /// No such session of one's own.
    #[error("there is no such session")]
    SessionNotFound,
    /// No such token of one's own.
    #[error("there is no such token")]
    TokenNotFound,
    /// No such user.
    #[error("there is no such user")]
    UserNotFound,
    /// Too many attempts.
    #[error("too many attempts; try again in {} s", .wait.as_millis().div_ceil(1_000))]
    Throttled {
        /// The time to wait.
        wait: std::time::Duration,
        /// The counter that is over its limit; for the log only.
        counter: &'static str,
    },
    /// Hashing failed or has no room.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<jsonwebtoken::errors::Error> for Error {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Hashing(error.to_string())
    }
}

impl From<Invalid> for Error {
    fn from(only: Invalid) -> Self {
        Self::Invalid(only.into())
    }
}

impl MaybeDb for Error {
    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads an e-mail address: one `@`, ASCII, at most 254 characters. Returns it trimmed, and its key in lower case.
///
/// Letters beyond ASCII are refused, because look-alikes would make two accounts of one address.
pub fn email(text: &str) -> Result<(String, String), Invalid> {
    let wrong = || Invalid::new("email", "must be an e-mail address such as grace@example.org");
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let local_ok = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.len() > 254 || !local_ok || !domain.contains('.') || !domain.split('.').all(label_ok) {
        return Err(wrong());
    }
    Ok((text.to_owned(), text.to_ascii_lowercase()))
}

/// Checks a new password: 10 to 200 characters. Length is what counts (OWASP); no composition rules.
pub fn new_password(field: &'static str, text: &str) -> Result<(), Invalid> {
    match text.chars().count() {
        0..10 => Err(Invalid::new(field, "must have at least 10 characters")),
        10..=200 => Ok(()),
        _ => Err(Invalid::new(field, "must not be longer than 200 characters")),
    }
}
