//! Exchanges a refresh token for a new access token and a rotated refresh token.
//! Not here: opening a session (`sign_in`) and ending it (`sign_out`).
//!
//! RFC 9700, 4.14.2: each token is used once. A token that is used a second time is in the hands of two clients, so the
//! whole session ends. But answers get lost and browser tabs race. Within a few seconds, a second use therefore gets
//! the very same successor, as long as that successor has not been used. For this the successor is not drawn at random
//! but derived from its predecessor with a key of the service. A thief of a token gains nothing by it: two clients then
//! hold one successor, and its second use ends the session.
//!
//! Only tokens that never existed are throttled (`throttle`), so that no client can keep others from renewing.

use std::time::Duration;

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::session::Opened;
use super::throttle::{KnownNetwork, Throttle};
use super::token::Keys;
use super::{Error, revocation, secret};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::id::{SessionId, UserId};

/// Lifetime of a refresh token: a user who does not come back for a month signs in again.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Time in which a used token still gets the same answer again.
const GRACE: Duration = Duration::from_secs(10);

/// A refresh token and its expiry.
#[derive(Clone)]
pub struct Refresh {
    /// The token; returned only to its user.
    pub token: String,
    /// Time at which the token expires.
    pub expires_at: Timestamp,
}

#[derive(FromQueryResult)]
struct TokenRow {
    session_id: SessionId,
    user_id: UserId,
    email_key: String,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
}

/// Outcome of an exchange.
enum Shown {
    /// The token is valid; its successor is returned.
    Good(Opened, String),
    Refused,
    /// The token was used twice: the session is to end.
    Twice(SessionId),
}

/// Stores the first token of a session, in the transaction that opens it.
pub async fn first(tx: &Tx, session: SessionId, token: &str, now: Timestamp) -> Result<(), DbError> {
    insert(tx, session, token, now).await.map(drop)
}

/// Draws the first token of a new session.
pub fn begin(ctx: &Ctx) -> Refresh {
    Refresh { token: secret::refresh_token(&ctx.random), expires_at: ctx.now().plus(LIFETIME) }
}

/// Exchanges a refresh token. The session must be live and its user enabled.
pub async fn refresh(ctx: &Ctx, keys: &Keys, throttle: &Throttle, token: &str) -> Result<(Opened, Refresh), Error> {
    let now = ctx.now();
    // First read without a lock, so that worthless tokens do not take time from the writers.
    let row = match secret::is_refresh_token(token) {
        true => find(ctx.db.read(), token).await?,
        false => None,
    };
    let Some(row) = row else {
        throttle.unknown_refresh_token(ctx).await?;
        return Err(Error::SessionEnded);
    };
    if !row.is_worth_something(now) {
        return Err(Error::SessionEnded);
    }
    let successors = keys.derive("refresh token", token)?;
    let successors: Vec<String> = successors.iter().map(|random| secret::refresh_token_of(random)).collect();
    let network = throttle.known_network(ctx, &row.email_key);
    let (successors, network) = (&successors, &network);
    let exchanged = |tx| async move { exchange(&tx, token, successors, network, now).await };
    match ctx.db.write(Priority::Interactive, exchanged).await? {
        Shown::Good(opened, next) => Ok((opened, Refresh { token: next, expires_at: now.plus(LIFETIME) })),
        Shown::Refused => Err(Error::SessionEnded),
        Shown::Twice(session) => {
            tracing::warn!(session = %session, "refresh token used twice; its session is ended");
            ctx.db.write(Priority::Interactive, |tx| async move { end(&tx, session, now).await }).await?;
            Err(Error::SessionEnded)
        }
    }
}

async fn find(c: &impl ConnectionTrait, token: &str) -> Result<Option<TokenRow>, DbError> {
    let sql = "SELECT r.session_id, s.user_id, u.email_key, r.expires_at, r.used_at, s.revoked_at, u.disabled_at
               FROM refresh_token r JOIN session s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
               WHERE r.hash = $1";
    db::one(c, sql, [secret::hash(token).into()]).await
}

impl TokenRow {
    /// Returns true if the token gets an answer or ends its session; false if it has no effect at all.
    fn is_worth_something(&self, now: Timestamp) -> bool {
        let lives = self.revoked_at.is_none() && self.disabled_at.is_none();
        lives && (self.used_at.is_some() || self.expires_at > now)
    }
}

async fn exchange(
    tx: &Tx,
    token: &str,
    successors: &[String],
    network: &KnownNetwork,
    now: Timestamp,
) -> Result<Shown, DbError> {
    // The update decides which exchange is first; every other one reads its result below.
    let sql = "UPDATE refresh_token SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    let first = db::run(tx, sql, [secret::hash(token).into(), now.into()]).await? == 1;
    let Some(row) = find(tx, token).await?.filter(|row| row.is_worth_something(now)) else {
        return Ok(Shown::Refused);
    };
    let opened = Opened { user: row.user_id, session: row.session_id };
    if let Some(next) = successors.first().filter(|_| first) {
        insert(tx, row.session_id, next, now).await?;
        let sql = "UPDATE session SET seen_at = $2 WHERE id = $1";
        db::run(tx, sql, [row.session_id.into(), now.into()]).await?;
        network.remember(tx, now).await?;
        return Ok(Shown::Good(opened, next.clone()));
    }
    // Within the grace period on both sides, because the clocks of two processes differ. A clock that was set back by
    // an hour does not extend the grace period to an hour.
    let Some(used_at) = row.used_at else { return Ok(Shown::Refused) };
    if used_at > now.minus(GRACE) && used_at < now.plus(GRACE) {
        // The first exchange may have used another signing key: keys are changed one process after the other.
        for next in successors {
            let unused = "SELECT count(*) AS n FROM refresh_token WHERE hash = $1 AND used_at IS NULL";
            if db::number(tx, unused, [secret::hash(next).into()]).await? == 1 {
                return Ok(Shown::Good(opened, next.clone()));
            }
        }
    }
    Ok(Shown::Twice(row.session_id))
}

async fn insert(tx: &Tx, session: SessionId, token: &str, now: Timestamp) -> Result<u64, DbError> {
    let sql = "INSERT INTO refresh_token (hash, session_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    let binds = [secret::hash(token).into(), session.into(), now.into(), now.plus(LIFETIME).into()];
    db::run(tx, sql, binds).await
}

/// Ends one session. Returns false if it had ended before.
pub(super) async fn end(tx: &Tx, session: SessionId, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let ended = db::run(tx, sql, [session.into(), now.into()]).await? == 1;
    if ended {
        revocation::revoke(tx, session.0, now).await?;
    }
    Ok(ended)
}
