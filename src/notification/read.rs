//! Reading notices: pages, notices after a number, and marking notices as read.
//! Not here: waiting for new ones (`graphql`), and their text (`words`).

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{self, DbError, MaybeDb, Priority};
use crate::domain_event::{DomainEvent, VERSION};
use crate::entity::{inbox, notice};
use crate::id::UserId;
use crate::page::{Page, Paging};
use crate::status::NoticeKind;

/// Returns the notices of a user after number `after`, in order.
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

/// Returns one page of a user's notices, newest first, up to the newest one that this release can read.
pub async fn page(
    c: &impl ConnectionTrait,
    user: UserId,
    paging: &Paging<i64>,
) -> Result<Page<notice::Model>, DbError> {
    let last = head(c, user).await?.last;
    let query = notice::Entity::find().filter(notice::Column::UserId.eq(user)).filter(notice::Column::Seq.lte(last));
    let mut cursor = query.cursor_by(notice::Column::Seq);
    cursor.desc();
    paging.run(cursor, c).await
}

/// State of a user's inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the newest notice such that this release can read it and all before it.
    pub last: i64,
    /// Number up to which notices were marked as read.
    pub read: i64,
}

impl Head {
    /// Returns the number of notices not marked as read.
    pub fn unread(self) -> i64 {
        (self.last - self.read).max(0)
    }
}

#[derive(FromQueryResult)]
struct HeadRow {
    last_seq: i64,
    read_seq: i64,
    newer_seq: Option<i64>,
}

/// Returns the condition of notices that a later release wrote. The index `notice_newer` has the same condition: a new
/// kind or version needs a migration that recreates the index.
fn newer() -> String {
    let kinds: Vec<&str> = NoticeKind::ALL.iter().map(|kind| kind.word()).collect();
    format!(
        "(n.v > {VERSION} OR n.kind NOT IN ('{}') OR n.cause NOT IN ('{}'))",
        kinds.join("', '"),
        DomainEvent::KINDS.join("', '")
    )
}

/// Returns the state of a user's inbox. It ends before the first notice of a later release: no notice from there on is
/// shown, counted or marked as read until a process of that release does so.
pub async fn head(c: &impl ConnectionTrait, user: UserId) -> Result<Head, DbError> {
    let sql = format!(
        "SELECT i.last_seq, i.read_seq, (SELECT n.seq FROM notice n WHERE n.user_id = i.user_id AND {}
                                         ORDER BY n.seq LIMIT 1) AS newer_seq
         FROM inbox i WHERE i.user_id = $1",
        newer()
    );
    let row: Option<HeadRow> = db::one(c, &sql, [user.into()]).await?;
    Ok(row.map_or(Head::default(), |row| Head {
        last: row.newer_seq.map_or(row.last_seq, |newer| row.last_seq.min(newer - 1)),
        read: row.read_seq,
    }))
}

/// Returns the inboxes of these users, in no order; users without any notice are missing.
pub async fn heads(c: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<inbox::Model>, DbError> {
    Ok(inbox::Entity::find().filter(inbox::Column::UserId.is_in(users.iter().copied())).all(c).await?)
}

/// Returns a user's notices after number `after` up to `up_to`, newest first.
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

/// Range of notices that were marked as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Number up to which notices were read before.
    pub from: i64,
    /// Number up to which notices are read now.
    pub to: i64,
}

/// Reason marking failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor lacks permission.
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

/// Marks the actor's notices as read up to number `up_to`; the number never falls.
pub async fn mark_read(ctx: &Ctx, up_to: i64) -> Result<Marked, Error> {
    ctx.allow(Action::ReadNotices)?;
    let user = ctx.user()?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let Head { last, read: from } = head(&tx, user).await?;
            // Not beyond the last notice that can be shown: later ones are unread.
            let up_to = up_to.min(last);
            let sql = "UPDATE inbox SET read_seq = CASE WHEN $2 < last_seq THEN $2 ELSE last_seq END
                       WHERE user_id = $1 AND read_seq < $2 AND read_seq < last_seq";
            db::run(&tx, sql, [user.into(), up_to.into()]).await?;
            let to = head(&tx, user).await?.read;
            Ok(Marked { from, to })
        })
        .await
}
