//! Going on without the password: a refresh token against a new one and a new access token.
//! Not here: opening a session (`sign_in`), ending it (`sign_out`).
//!
//! RFC 9700, 4.14.2: each token is used once. One that comes a second time is in two hands, so the whole session ends. But
//! answers get lost and tabs race, so within a few seconds the second use gets the very same successor, as long as nobody
//! used that: a successor is derived from its predecessor with the service's key, not drawn. Whoever stole a token gains
//! nothing by it: two hands then hold one successor, and the second use of that ends the session.

use std::time::Duration;

use sea_orm::FromQueryResult;

use super::sign_up::Opened;
use super::token::Keys;
use super::{Error, revocation, secret};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Lane, Tx};
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
    pub expires_at: Micros,
}

#[derive(FromQueryResult)]
struct TokenRow {
    session_id: SessionId,
    user_id: UserId,
    used_at: Option<Micros>,
}

/// What became of a token that was shown.
enum Shown {
    Good(Opened),
    Refused,
    /// In two hands: the session is to end.
    Twice(SessionId),
}

/// The first token of a session, in the transaction that opens it.
pub async fn first(tx: &Tx, session: SessionId, token: &str, now: Micros) -> Result<(), DbError> {
    insert(tx, session, token, now).await.map(drop)
}

/// Says what a new session's first token is.
pub fn begin(ctx: &Ctx) -> Refresh {
    Refresh { token: secret::refresh_token(&ctx.chance), expires_at: ctx.now().plus(LIFETIME) }
}

/// Exchanges a refresh token. The session must live and its user be enabled.
pub async fn refresh(ctx: &Ctx, keys: &Keys, token: &str) -> Result<(Opened, Refresh), Error> {
    if !secret::is_refresh_token(token) {
        return Err(Error::SessionEnded);
    }
    let next = secret::refresh_token_of(&keys.derive("refresh token", token)?);
    let now = ctx.now();
    let (next, shown) = (&next, token);
    let shown = ctx.db.write(Lane::Interactive, |tx| async move { exchange(&tx, shown, next, now).await }).await?;
    match shown {
        Shown::Good(opened) => Ok((opened, Refresh { token: next.clone(), expires_at: now.plus(LIFETIME) })),
        Shown::Refused => Err(Error::SessionEnded),
        Shown::Twice(session) => {
            tracing::warn!(session = %session, "a refresh token was used twice; its session ends");
            ctx.db.write(Lane::Interactive, |tx| async move { end(&tx, session, now).await }).await?;
            Err(Error::SessionEnded)
        }
    }
}

async fn exchange(tx: &Tx, token: &str, next: &str, now: Micros) -> Result<Shown, DbError> {
    // The swap decides who is first; everybody else sees below what they left.
    let sql = "UPDATE refresh_token SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
    let first = db::run(tx, sql, [secret::hash(token).into(), now.into()]).await? == 1;
    let sql = "SELECT r.session_id, s.user_id, r.used_at FROM refresh_token r
               JOIN session s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
               WHERE r.hash = $1 AND s.revoked_at IS NULL AND u.disabled_at IS NULL";
    let Some(row): Option<TokenRow> = db::one(tx, sql, [secret::hash(token).into()]).await? else {
        return Ok(Shown::Refused);
    };
    let opened = Opened { user: row.user_id, session: row.session_id };
    if first {
        insert(tx, row.session_id, next, now).await?;
        let sql = "UPDATE session SET seen_at = $2 WHERE id = $1";
        db::run(tx, sql, [row.session_id.into(), now.into()]).await?;
        return Ok(Shown::Good(opened));
    }
    let Some(used_at) = row.used_at else { return Ok(Shown::Refused) }; // too old
    let unused = "SELECT count(*) AS n FROM refresh_token WHERE hash = $1 AND used_at IS NULL";
    let repeated = used_at > now.minus(GRACE) && db::number(tx, unused, [secret::hash(next).into()]).await? == 1;
    Ok(if repeated { Shown::Good(opened) } else { Shown::Twice(row.session_id) })
}

async fn insert(tx: &Tx, session: SessionId, token: &str, now: Micros) -> Result<u64, DbError> {
    let sql = "INSERT INTO refresh_token (hash, session_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    let binds = [secret::hash(token).into(), session.into(), now.into(), now.plus(LIFETIME).into()];
    db::run(tx, sql, binds).await
}

/// Ends one session.
pub(super) async fn end(tx: &Tx, session: SessionId, now: Micros) -> Result<bool, DbError> {
    let sql = "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let ended = db::run(tx, sql, [session.into(), now.into()]).await? == 1;
    if ended {
        revocation::revoke(tx, session.0, now).await?;
    }
    Ok(ended)
}
