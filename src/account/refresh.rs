//! Going on without the password: a refresh token against a new one and a new access token.
//! Not here: opening a session (`sign_in`), ending it (`sign_out`).
//!
//! RFC 9700, 4.14.2: each token is used once. One that comes a second time is in two hands, so the whole session ends. But
//! answers get lost and tabs race, so within a few seconds the second use gets the very same successor, as long as nobody
//! used that: a successor is derived from its predecessor with a key of the service, not drawn. Whoever stole a token gains
//! nothing by it: two hands then hold one successor, and the second use of that ends the session.
//!
//! Only tokens that never existed are throttled (`throttle`), so that nobody keeps others from renewing.

use std::time::Duration;

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::sign_up::Opened;
use super::throttle::{KnownNetwork, Throttle};
use super::token::Keys;
use super::{Error, revocation, secret};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::id::{SessionId, UserId};

/// How long a refresh token is good: who does not come back for a month signs in again.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How long a used token still gets the answer it got.
const GRACE: Duration = Duration::from_secs(10);

/// A token to go on with, and when it ends.
#[derive(Clone)]
pub struct Refresh {
    /// The token; shown to its user and nobody else.
    pub token: String,
    /// When it ends.
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

/// What became of a token that was shown.
enum Shown {
    /// And what comes after it.
    Good(Opened, String),
    Refused,
    /// In two hands: the session is to end.
    Twice(SessionId),
}

/// The first token of a session, in the transaction that opens it.
pub async fn first(tx: &Tx, session: SessionId, token: &str, now: Timestamp) -> Result<(), DbError> {
    insert(tx, session, token, now).await.map(drop)
}

/// Says what a new session's first token is.
pub fn begin(ctx: &Ctx) -> Refresh {
    Refresh { token: secret::refresh_token(&ctx.random), expires_at: ctx.now().plus(LIFETIME) }
}

/// Exchanges a refresh token. The session must live and its user be enabled.
pub async fn refresh(ctx: &Ctx, keys: &Keys, throttle: &Throttle, token: &str) -> Result<(Opened, Refresh), Error> {
    let now = ctx.now();
    // Looked at first without a lock, so that nobody takes the writers' time with tokens that are worth nothing.
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
            tracing::warn!(session = %session, "a refresh token was used twice; its session ends");
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
    /// Whether it gets an answer, or ends its session.
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
    // The swap decides who is first; everybody else sees below what they left.
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
    // Within the grace on both sides: clocks of two processes differ, and one that was set back by an hour gives no hour.
    let Some(used_at) = row.used_at else { return Ok(Shown::Refused) };
    if used_at > now.minus(GRACE) && used_at < now.plus(GRACE) {
        // Whoever was first may have had another key for signing: keys are changed one process after the other.
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

/// Ends one session.
pub(super) async fn end(tx: &Tx, session: SessionId, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let ended = db::run(tx, sql, [session.into(), now.into()]).await? == 1;
    if ended {
        revocation::revoke(tx, session.0, now).await?;
    }
    Ok(ended)
}
