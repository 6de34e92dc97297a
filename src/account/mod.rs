//! Accounts: users, their credentials, and the sessions and tokens that stand for them.
//! Not here: the permissions of a signed-in user (`access`).

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

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
pub mod team;
pub mod throttle;
pub mod token;

/// Refusals and failures of the account verbs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor is not allowed to do this.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// At least one input field is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalids),
    /// An account with this address exists already.
    #[error("there is already an account with this e-mail address")]
    EmailTaken,
    /// There is no such account, or the password is wrong; the same answer for both.
    #[error("e-mail address or password is wrong")]
    BadCredentials,
    /// The current password given for a change of password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The refresh token is unknown, has expired or was used before, or its session has ended.
    #[error("this session has ended; sign in again")]
    SessionEnded,
    /// The viewer has no such session.
    #[error("there is no such session")]
    SessionNotFound,
    /// The viewer has no such token.
    #[error("there is no such token")]
    TokenNotFound,
    /// There is no such organizer, or the actor is not a member of it.
    #[error("there is no such organizer")]
    OrganizerNotFound,
    /// There is no such member, or the actor may not see the team.
    #[error("there is no such member")]
    MembershipNotFound,
    /// There is no such invitation, or it is to another address.
    #[error("there is no such invitation")]
    InvitationNotFound,
    /// The invitation was answered or revoked, or has expired.
    #[error("the invitation has ended")]
    InvitationOver,
    /// The account is a member of the organizer already.
    #[error("this account is already a member")]
    AlreadyMember {
        /// Input field that names the account.
        field: &'static str,
    },
    /// The organizer would have no owner left.
    #[error("the organizer needs an owner: make another member an owner first")]
    LastOwner,
    /// There is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// Too many attempts were made.
    #[error("too many attempts; try again in {} s", .wait.as_millis().div_ceil(1_000))]
    Throttled {
        /// Time until the next attempt is admitted.
        wait: std::time::Duration,
        /// Name of the counter that is over its limit; for the log only.
        counter: &'static str,
    },
    /// Hashing or signing failed.
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

/// Parses an e-mail address: one `@`, at most 254 characters. Returns it trimmed, and its key in lower case. A domain
/// with letters beyond ASCII becomes its A-labels in both (`münchen.example`: `xn--mnchen-3ya.example`), according to
/// UTS 46, so that both spellings are one account; the look-alike of a domain is another domain.
///
/// Letters beyond ASCII before the `@` are refused, because look-alikes would make two accounts of one address.
pub fn email(text: &str) -> Result<(String, String), Invalid> {
    let wrong = || Invalid::new("email", "must be an e-mail address such as grace@example.org");
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let local_ok = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    if !local_ok || domain.len() > 1_000 {
        return Err(wrong());
    }
    let domain_key = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| wrong())?;
    let shown = format!("{local}@{}", if domain.is_ascii() { domain } else { &domain_key });
    if shown.len() > 254 || !domain_key.contains('.') {
        return Err(wrong());
    }
    Ok((shown, format!("{}@{domain_key}", local.to_ascii_lowercase())))
}

/// Checks a new password: 10 to 200 characters after normalisation. Its length is what counts (OWASP); there are no
/// composition rules.
pub fn new_password(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.len() > password::BYTES_MAX {
        return Err(Invalid::new(field, "must not be longer than 200 characters"));
    }
    match password::normalized(text).chars().count() {
        0..10 => Err(Invalid::new(field, "must have at least 10 characters")),
        10..=200 => Ok(()),
        _ => Err(Invalid::new(field, "must not be longer than 200 characters")),
    }
}
