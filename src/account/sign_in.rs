//! Sign-in: exchanges an e-mail address and a password for a session.
//! Not here: the counters of attempts (`throttle`), and the tokens that stand for a session (`token`, `refresh`).

use super::password::{self, Hasher};
use super::refresh::{self, Refresh};
use super::session::Opened;
use super::throttle::{Attempt, Throttle};
use super::{Error, email, store};
use crate::ctx::Ctx;
use crate::db::{DbError, Priority};
use crate::entity::users;
use crate::id::{NodeId, SessionId, UserId};

/// Opens a session for the account with this address and password.
///
/// An unknown address, a wrong password and a disabled account take the same work, are throttled alike and get the same
/// answer.
pub async fn sign_in(
    ctx: &Ctx,
    hasher: &Hasher,
    throttle: &Throttle,
    address: &str,
    password: String,
) -> Result<(Opened, Refresh), Error> {
    let key = email(address).ok().map(|(_, key)| key);
    let attempt = throttle.password(ctx, key.as_deref().unwrap_or("no address")).await?;
    let outcome = judged(ctx, hasher, &attempt, key, password).await;
    attempt.closed(ctx, outcome).await
}

async fn judged(
    ctx: &Ctx,
    hasher: &Hasher,
    attempt: &Attempt,
    key: Option<String>,
    password: String,
) -> Result<(Opened, Refresh), Error> {
    // A text that no account can have as its password is not worth hashing: it may be megabytes long.
    if password.len() > password::BYTES_MAX {
        return Err(failed("password_too_long", None));
    }
    // A second round if the account was changed meanwhile: perhaps another sign-in only renewed its hash.
    for _ in 0..2 {
        let found = match &key {
            Some(key) => store::by_email(ctx.db.read(), key).await?,
            None => None,
        };
        let stored = found.as_ref().map(|user| user.password_hash.clone());
        let verified = hasher.verify(password.clone(), stored).await?;
        let Some(user) = found else {
            return Err(failed(if key.is_some() { "unknown_account" } else { "no_address" }, None));
        };
        if !verified {
            return Err(failed("wrong_password", Some(user.id)));
        }
        if user.disabled_at.is_some() {
            return Err(failed("account_disabled", Some(user.id)));
        }
        let renewed = match hasher.is_outdated(&user.password_hash) {
            true => Some(hasher.hash(password.clone()).await?),
            false => None,
        };
        if let Some(opened) = open(ctx, attempt, &user, renewed).await? {
            return Ok(opened);
        }
    }
    Err(DbError::Overloaded.into()) // overtaken twice by changes of the same account
}

/// Logs a failed sign-in. The reason is for operators; the client gets the same answer for all reasons. Neither the
/// address that was tried nor the address of the client is logged.
fn failed(reason: &'static str, user: Option<UserId>) -> Error {
    tracing::info!(reason, user = user.map(|user| user.to_global_id()), "sign-in failed");
    Error::BadCredentials
}

/// Opens the session. Returns None if the stored hash is no longer the verified one, or if the account is disabled.
async fn open(
    ctx: &Ctx,
    attempt: &Attempt,
    user: &users::Model,
    renewed: Option<String>,
) -> Result<Option<(Opened, Refresh)>, Error> {
    let now = ctx.now();
    let session: SessionId = ctx.id();
    let token = refresh::begin(ctx);
    let (renewed, first) = (&renewed, &token.token);
    let opened = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            // Hashing takes time. If the password was changed or the account disabled meanwhile, no session is opened.
            if !store::hold(&tx, user.id, &user.password_hash).await? {
                return Ok::<_, Error>(None);
            }
            store::insert_session(&tx, session, user.id, now).await?;
            refresh::first(&tx, session, first, now).await?;
            attempt.succeeded(&tx, now).await?;
            if let Some(hash) = renewed {
                store::replace_hash(&tx, user.id, &user.password_hash, hash).await?;
            }
            Ok(Some(Opened { user: user.id, session }))
        })
        .await?;
    Ok(opened.map(|opened| (opened, token)))
}
