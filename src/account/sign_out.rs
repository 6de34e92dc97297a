//! Sign-out: ends one or all of a user's own sessions, and lists them.
//! Not here: ending the sessions of other users (`administer`).

use super::{Error, refresh, revocation};
use crate::access::Action;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::entity::session;
use crate::id::{SessionId, UserId};
use crate::page::{Page, Paging};

/// Ends one of the viewer's own sessions. Ending an ended session changes nothing.
#[tracing::instrument(level = "debug", skip_all, fields(session = %id))]
pub async fn end(ctx: &Ctx, id: SessionId) -> Result<SessionId, Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let now = ctx.now();
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let sql = "SELECT count(*) AS n FROM session WHERE id = $1 AND user_id = $2";
            if db::number(&tx, sql, [id.into(), user.into()]).await? == 0 {
                return Err(Error::SessionNotFound);
            }
            refresh::end(&tx, id, now).await?;
            Ok(id)
        })
        .await
}

/// Ends every session of the viewer except `but`. Returns the number of sessions ended.
pub async fn end_all(ctx: &Ctx, but: Option<SessionId>) -> Result<u64, Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let now = ctx.now();
    ctx.db.write(Priority::Interactive, |tx| async move { Ok(end_all_of(&tx, user, but, now).await?) }).await
}

/// Ends every session of a user except `but`. Returns the number of sessions ended.
pub(super) async fn end_all_of(tx: &Tx, user: UserId, but: Option<SessionId>, now: Timestamp) -> Result<u64, DbError> {
    let but = but.unwrap_or(SessionId(uuid::Uuid::nil()));
    let sql = "UPDATE session SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND id <> $3";
    let ended = db::run(tx, sql, [user.into(), now.into(), but.into()]).await?;
    revocation::revoke_all(tx, user, now).await?;
    Ok(ended)
}

/// Returns a page of the viewer's live sessions: those that can still be renewed.
pub async fn list(ctx: &Ctx, paging: Paging<SessionId>) -> Result<Page<session::Model>, Error> {
    use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let live = Condition::all()
        .add(session::Column::UserId.eq(user))
        .add(session::Column::RevokedAt.is_null())
        .add(session::Column::SeenAt.gt(ctx.now().minus(refresh::LIFETIME)));
    let mine = session::Entity::find().filter(live);
    Ok(paging.run(mine.cursor_by(session::Column::Id), ctx.db.read()).await?)
}
