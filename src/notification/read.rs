//! Reading notices: pages, what came after a number, and marking them read.
//! Not here: waiting for new ones (`graphql`), and the words.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{self, DbError, Lane, MaybeDb};
use crate::entity::{inbox, notice};
use crate::id::UserId;
use crate::page::{Page, Paging};

/// Notices of a user behind number `after`, in order.
pub async fn since(
    c: &impl ConnectionTrait,
    user: UserId,
    after: i64,
    limit: u64,
) -> Result<Vec<notice::Model>, DbError> {
    let query = notice::Entity::find()
        .filter(notice::Column::UserId.eq(user))
        .filter(notice::Column::Seq.gt(after))
        .order_by_asc(notice::Column::Seq)
        .limit(limit);
    Ok(query.all(c).await?)
}

/// One page of a user's notices, newest first.
pub async fn page(
    c: &impl ConnectionTrait,
    user: UserId,
    paging: &Paging<i64>,
) -> Result<Page<notice::Model>, DbError> {
    let query = notice::Entity::find().filter(notice::Column::UserId.eq(user));
    let mut cursor = query.cursor_by(notice::Column::Seq);
    cursor.desc();
    paging.run(cursor, c).await
}

/// How a user's inbox stands: the newest number and up to which they read.
pub async fn head(c: &impl ConnectionTrait, user: UserId) -> Result<(i64, i64), DbError> {
    let row = inbox::Entity::find_by_id(user).one(c).await?;
    Ok(row.map_or((0, 0), |row| (row.last_seq, row.read_seq)))
}

/// How these users' inboxes stand, in no order; those who were never told anything are missing.
pub async fn heads(c: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<inbox::Model>, DbError> {
    Ok(inbox::Entity::find().filter(inbox::Column::UserId.is_in(users.iter().copied())).all(c).await?)
}

/// A user's notices behind number `after` up to `up_to`, newest first.
pub async fn between(
    c: &impl ConnectionTrait,
    user: UserId,
    after: i64,
    up_to: i64,
    limit: u64,
) -> Result<Vec<notice::Model>, DbError> {
    let query = notice::Entity::find()
        .filter(notice::Column::UserId.eq(user))
        .filter(notice::Column::Seq.gt(after))
        .filter(notice::Column::Seq.lte(up_to))
        .order_by_desc(notice::Column::Seq)
        .limit(limit);
    Ok(query.all(c).await?)
}

/// Notices that were marked read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Number up to which they were read before.
    pub from: i64,
    /// Number up to which they are read now.
    pub to: i64,
}

/// Why marking failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl MaybeDb for Error {
    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::Denied(_) => None,
        }
    }
}

/// Marks the actor's notices read up to number `up_to`; never back.
pub async fn mark_read(ctx: &Ctx, up_to: i64) -> Result<Marked, Error> {
    ctx.allow(Action::ReadNotices)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let (_, from) = head(&tx, user).await?;
            // Not beyond the last one there is: those to come are unread.
            let sql = "UPDATE inbox SET read_seq = CASE WHEN $2 < last_seq THEN $2 ELSE last_seq END
                       WHERE user_id = $1 AND read_seq < $2 AND read_seq < last_seq";
            db::run(&tx, sql, [user.into(), up_to.into()]).await?;
            let (_, to) = head(&tx, user).await?;
            Ok(Marked { from, to })
        })
        .await
}
