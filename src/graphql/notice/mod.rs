//! All GraphQL about notices: the object, the inbox, marking read.
//! Not here: the live stream (`live`), and the texts of notices (`notification::words`).
//!
//! A notice stays with the user it was sent to. Its event, booking and entry are shown only if the viewer may see them
//! now: the user may have another role by now, or the viewer may be a client program that only may read notices.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{ComplexObject, Context, ID, InputObject, Object, Result, SimpleObject};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::access::Action;
use crate::domain_event::{DomainEvent, UnreadableDomainEvent};
use crate::entity::{event, event_change, notice};
use crate::event::store;
use crate::graphql::Services;
use crate::graphql::booking::{Booking, me, seen, sees};
use crate::graphql::error::{IntoUserError, UserError, db_fault, int};
use crate::graphql::event::Event;
use crate::graphql::guard::{May, acting};
use crate::graphql::load::{ChangesOf, Load, ReadUpTo, failed};
use crate::graphql::page::{Args, Cursor, connection};
use crate::graphql::scalar::DateTime;
use crate::graphql::stream_cursor::Log;
use crate::graphql::waitlist::WaitlistEntry;
use crate::id::EntryId;
use crate::notification::{read, words};
use crate::page::PAGE_MAX;
use crate::relay::history;
use crate::status::{Audience, EventField, NoticeKind};

pub mod live;

/// A message to one user about something that happened.
pub struct Notice {
    row: notice::Model,
    kind: NoticeKind,
    audience: Audience,
    domain_event: DomainEvent,
}

impl Notice {
    /// Reads a stored notice.
    fn decode(row: notice::Model) -> Result<Self, UnreadableDomainEvent> {
        let known = NoticeKind::of(&row.kind).zip(Audience::of(&row.audience));
        let (kind, audience) = known.ok_or(UnreadableDomainEvent::Newer)?;
        let domain_event = DomainEvent::read(&row.cause, row.v, &row.data)?;
        Ok(Self { row, kind, audience, domain_event })
    }

    /// Reads a stored notice. A damaged one is logged and becomes `None`, because one broken row must not hide all
    /// others.
    pub fn unless_damaged(row: notice::Model) -> Result<Option<Self>, UnreadableDomainEvent> {
        let (user, seq) = (row.user_id, row.seq);
        match Self::decode(row) {
            Err(UnreadableDomainEvent::Damaged(error)) => {
                tracing::error!(%user, seq, error, "a damaged notice is left out of the inbox");
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    fn entry(&self) -> Option<EntryId> {
        match self.domain_event {
            DomainEvent::WaitlistJoined { entry, .. }
            | DomainEvent::WaitlistPromoted { entry, .. }
            | DomainEvent::WaitlistLeft { entry, .. } => Some(entry),
            _ => None,
        }
    }
}

/// A message to one user about a change, such as a new booking. A user gets exactly one notice per change.
#[Object]
impl Notice {
    /// Opaque id of the notice; the same on every device and after every reconnect.
    async fn id(&self) -> ID {
        let mut bytes = b"Notice:".to_vec();
        bytes.extend_from_slice(self.row.domain_event_id.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// Number of the notice; the notices of a user are numbered from 1 without gaps.
    async fn number(&self) -> i32 {
        int(self.row.seq)
    }

    /// True if the notice was marked read, on any device.
    async fn read(&self, ctx: &Context<'_>) -> Result<bool> {
        let read = ctx.data::<Load>()?.load_one(ReadUpTo(self.row.user_id)).await.map_err(failed)?;
        Ok(read.is_some_and(|read| self.row.seq <= read))
    }

    /// Kind of the notice.
    async fn kind(&self) -> NoticeKind {
        self.kind
    }

    /// Text to show to the user, in English; times are in words and in the event's time zone.
    async fn text(&self, ctx: &Context<'_>) -> Result<String> {
        let load = ctx.data::<Load>()?;
        let event = match self.row.event_id {
            Some(id) => load.load_one(id).await.map_err(failed)?,
            None => None,
        };
        let booking = match self.row.booking_id {
            Some(id) => load.load_one(id).await.map_err(failed)?,
            None => None,
        };
        let changes = self.changed(ctx).await?;
        let changes: Vec<words::Change<'_>> = changes.iter().filter_map(words_of).collect();
        let names = words::Names {
            event: event.as_ref().map(|event| event.title.as_str()),
            reference: booking.as_ref().map(|booking| booking.reference.as_str()),
            changes: &changes,
            locality: event.as_ref().map(locality).unwrap_or_default(),
        };
        Ok(words::render(&self.domain_event, self.audience, &names))
    }

    /// Time of the change that the notice is about.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }

    /// Event the notice is about; null when there is none that you may see.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        let Some(id) = self.row.event_id else { return Ok(None) };
        let found = ctx.data::<Load>()?.load_one(id).await.map_err(failed)?;
        let acting = acting(ctx)?;
        Ok(found.filter(|row| crate::event::may_see(acting, row)).map(Event))
    }

    /// Booking the notice is about, or your first one if there are several; null when there is none that you may see
    /// now.
    async fn booking(&self, ctx: &Context<'_>) -> Result<Option<Booking>> {
        match self.row.booking_id {
            Some(id) => seen(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Waitlist entry the notice is about; null when there is none that you may see now.
    async fn waitlist_entry(&self, ctx: &Context<'_>) -> Result<Option<WaitlistEntry>> {
        let Some(id) = self.entry() else { return Ok(None) };
        let Some(row) = ctx.data::<Load>()?.load_one(id).await.map_err(failed)? else { return Ok(None) };
        Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(WaitlistEntry(row)))
    }

    /// Changes of an event, with old and new values, in a notice of the kind EVENT_UPDATED. Empty for other kinds.
    async fn changes(&self, ctx: &Context<'_>) -> Result<Vec<EventChange>> {
        let rows = self.changed(ctx).await?;
        let event = match self.row.event_id {
            Some(id) if !rows.is_empty() => ctx.data::<Load>()?.load_one(id).await.map_err(failed)?,
            _ => None,
        };
        let locality = event.as_ref().map(locality).unwrap_or_default();
        let all: Vec<words::Change<'_>> = rows.iter().filter_map(words_of).collect();
        let told = |one: &words::Change<'_>| EventChange {
            field: one.field,
            old: one.old.to_owned(),
            new: one.new.to_owned(),
            text: words::change(one, &all, locality),
        };
        Ok(all.iter().map(told).collect())
    }
}

impl Notice {
    /// Returns the stored changes of the update that the notice is about; none for other kinds.
    async fn changed(&self, ctx: &Context<'_>) -> Result<Vec<event_change::Model>> {
        let DomainEvent::EventUpdated { change, .. } = &self.domain_event else { return Ok(Vec::new()) };
        Ok(ctx.data::<Load>()?.load_one(ChangesOf(*change)).await.map_err(failed)?.unwrap_or_default())
    }
}

fn words_of(row: &event_change::Model) -> Option<words::Change<'_>> {
    Some(words::Change { field: store::field(&row.field)?, old: &row.old_value, new: &row.new_value })
}

fn locality(event: &event::Model) -> words::Locality<'_> {
    words::Locality { zone: &event.time_zone, currency: &event.currency }
}

/// Change of one field of an event. The old and the new value are text: times in RFC 3339, prices as decimal numbers.
/// A value without an id.
#[derive(SimpleObject)]
pub struct EventChange {
    /// Field that changed.
    field: EventField,
    /// Value before the update.
    old: String,
    /// Value after the update.
    new: String,
    /// The change in words, with times in the event's time zone:
    /// `Starts at: Sat 5 June 2027, 19:00 → Sun 6 June 2027, 20:00`.
    text: String,
}

/// Fields of the inbox beside its page.
pub struct Inbox;

#[Object]
impl Inbox {
    /// Number of your notices, read and unread.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(head(ctx).await?.last))
    }

    /// Number of your unread notices.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(head(ctx).await?.unread()))
    }

    /// Cursor behind your newest notice: pass it as `after` to `noticeReceived` to get every later notice.
    async fn stream_cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let history = history::head(acting(ctx)?.db.read()).await.map_err(|error| db_fault(&error))?;
        let cursors = ctx.data::<Services>()?.cursors.of(Log::Notices(me(ctx)?), &history.epoch);
        cursors.seal(head(ctx).await?.last)
    }
}

async fn head(ctx: &Context<'_>) -> Result<read::Head> {
    read::head(acting(ctx)?.db.read(), me(ctx)?).await.map_err(|error| db_fault(&error))
}

/// A page of notices.
pub type NoticeConnection = Connection<Cursor<i64>, Notice, Inbox, EmptyFields>;

/// Queries about notices.
#[derive(Default)]
pub struct NoticeQuery;

#[Object]
impl NoticeQuery {
    /// Your notices, newest first. Needs a signed-in user; null otherwise.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn notices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<NoticeConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = read::page(acting(ctx)?.db.read(), me(ctx)?, &paging).await.map_err(|e| db_fault(&e))?;
        // No row is of a later release: the page ends before the first such row.
        let rows = page.rows.into_iter().filter_map(|row| Notice::unless_damaged(row).ok().flatten()).collect();
        let page = crate::page::Page { rows, has_previous: page.has_previous, has_next: page.has_next };
        Ok(Some(connection(page, Inbox, |notice: &Notice| notice.row.seq, |notice| notice)))
    }
}

/// Notices to mark read.
#[derive(InputObject)]
pub struct MarkNoticesReadInput {
    /// Number of the last notice to mark read; all notices before it are marked read too.
    up_to: i32,
}

/// Outcome of `markNoticesRead`.
#[derive(SimpleObject, Default)]
#[graphql(complex)]
pub struct MarkNoticesReadPayload {
    #[graphql(skip)]
    marked: Option<read::Marked>,
    /// Number of the last notice marked read, on any device; it never falls. Null when the request was refused.
    read_up_to: Option<i32>,
    /// Number of notices that are still unread; null when the request was refused.
    unread_count: Option<i32>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

#[ComplexObject]
impl MarkNoticesReadPayload {
    /// Notices that this request marked read, newest first, at most 100. With them a cache updates `Notice.read`.
    async fn notices(&self, ctx: &Context<'_>) -> Result<Vec<Notice>> {
        let Some(read::Marked { from, to }) = self.marked else { return Ok(Vec::new()) };
        let rows = read::between(acting(ctx)?.db.read(), me(ctx)?, from, to, PAGE_MAX).await;
        // No row is of a later release: notices from the first such row on cannot be marked read.
        let rows = rows.map_err(|e| db_fault(&e))?.into_iter();
        Ok(rows.filter_map(|row| Notice::unless_damaged(row).ok().flatten()).collect())
    }
}

/// Mutations about notices.
#[derive(Default)]
pub struct NoticeMutation;

#[Object]
impl NoticeMutation {
    /// Marks your notices read up to a number, for all your devices. Needs a signed-in user.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn mark_notices_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Notices to mark read.")] input: MarkNoticesReadInput,
    ) -> Result<Option<MarkNoticesReadPayload>> {
        Ok(Some(match read::mark_read(acting(ctx)?, input.up_to.into()).await {
            Ok(marked) => {
                ctx.data::<Services>()?.bus.wake_reader(me(ctx)?, marked.to);
                MarkNoticesReadPayload {
                    marked: Some(marked),
                    read_up_to: Some(int(marked.to)),
                    unread_count: Some(int(head(ctx).await?.unread())),
                    user_errors: Vec::new(),
                }
            }
            Err(error) => MarkNoticesReadPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }
}
