//! The subscription to notices.
//! Not here: the parts all streams share (`graphql::stream`), and inboxes (`notification`).

use async_graphql::{ComplexObject, Context, Result, SimpleObject, Subscription};
use futures_util::Stream;

use super::Notice;
use crate::access::Action;
use crate::graphql::Services;
use crate::graphql::booking::me;
use crate::graphql::error::{db_fault, int};
use crate::graphql::guard::{May, acting};
use crate::graphql::stream::{CHUNK, gone, history_head, newer, still_may, stream};
use crate::graphql::stream_cursor::Log;
use crate::notification::read;

/// One message of `noticeReceived`. A value without an id; its notice has one.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct NoticeUpdate {
    /// Cursor of this message; pass it as `after` to resume behind it.
    cursor: String,
    /// True in the opening message when the stream cannot resume from `after`, for example after a restored backup:
    /// fetch `notices` again; the stream goes on from `cursor`.
    resync: bool,
    /// The new notice; null in the opening message, and in a message sent because notices were marked read.
    notice: Option<Notice>,
}

#[ComplexObject]
impl NoticeUpdate {
    /// Current number of your unread notices.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let head = read::head(acting(ctx)?.db.read(), me(ctx)?).await.map_err(|e| db_fault(&e))?;
        Ok(int(head.unread()))
    }
}

/// Subscriptions to notices.
#[derive(Default)]
pub struct NoticeSubscription;

#[Subscription]
impl NoticeSubscription {
    /// Your notices as they arrive, without a gap or a duplicate across reconnects. The opening message has no notice.
    /// With `after`, all notices since that cursor follow first. A later message without a notice means that notices
    /// were marked read on some device. Needs a signed-in user.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn notice_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Cursor of the last message, or `streamCursor` of `notices`; the stream resumes behind it.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<NoticeUpdate>> + use<>> {
        let user = me(ctx)?;
        let services = ctx.data::<Services>()?.clone();
        let ctx = acting(ctx)?.clone();
        let mut inbox = services.bus.watch_inbox(user); // before the table is read
        let epoch = history_head(&ctx).await?.epoch;
        let read::Head { last: newest, read: mut known } =
            read::head(ctx.db.read(), user).await.map_err(|e| db_fault(&e))?;
        let cursors = services.cursors.of(Log::Notices(user), &epoch);
        let (start, resync) = cursors.start(after, newest)?;
        Ok(stream(move |out| async move {
            out.send(Ok(NoticeUpdate { cursor: cursors.seal(start)?, resync, notice: None })).await.map_err(gone)?;
            let mut last = start;
            loop {
                let rows = read::since(ctx.db.read(), user, last, CHUNK).await.map_err(|e| db_fault(&e))?;
                let full = rows.len() as u64 == CHUNK;
                if rows.is_empty() {
                    // Woken without a new notice: notices may have been marked read, on this or another device.
                    let now = read::head(ctx.db.read(), user).await.map_err(|e| db_fault(&e))?.read;
                    if now != known {
                        known = now;
                        still_may(&services, &ctx, Action::ReadNotices).await?;
                        let cursor = cursors.seal(last)?;
                        out.send(Ok(NoticeUpdate { cursor, resync: false, notice: None })).await.map_err(gone)?;
                    }
                }
                for row in rows {
                    let seq = row.seq;
                    let Ok(notice) = Notice::unless_damaged(row) else { return Err(newer().await) };
                    last = seq;
                    let Some(notice) = notice else { continue };
                    still_may(&services, &ctx, Action::ReadNotices).await?;
                    let frame = NoticeUpdate { cursor: cursors.seal(seq)?, resync: false, notice: Some(notice) };
                    out.send(Ok(frame)).await.map_err(gone)?;
                }
                if !full {
                    inbox.changed().await;
                }
            }
        }))
    }
}
