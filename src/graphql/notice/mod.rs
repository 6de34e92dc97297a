//! All GraphQL about notices: the object, the inbox, marking read.
//! Not here: the live stream (`live`), and the words (`notification::words`).
//!
//! A notice stays with whoever was told. What it is about is shown to those who may see it now: its reader may have another
//! role since, or be a program that reads notices and nothing else.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
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
use crate::status::EventField;

pub mod live;

/// What a notice is about. New kinds may be added: show unknown ones by their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum NoticeKind {
    /// Your account was opened.
    UserRegistered,
    /// An event is on sale.
    EventPublished,
    /// An event you booked, or wait for, changed.
    EventUpdated,
    /// An event you booked, or waited for, was called off; your bookings of it are cancelled and you no longer wait.
    EventCancelled,
    /// Somebody booked your event.
    BookingCreated,
    /// Your booking is confirmed.
    BookingConfirmed,
    /// A booking of yours, or of your event, was cancelled.
    BookingCancelled,
    /// You are on the waitlist.
    WaitlistJoined,
    /// The waitlist gave you tickets.
    WaitlistPromoted,
    /// You are no longer on the waitlist.
    WaitlistLeft,
    /// Tickets of an event changed.
    AvailabilityChanged,
}

impl From<&DomainEvent> for NoticeKind {
    fn from(domain_event: &DomainEvent) -> Self {
        match domain_event {
            DomainEvent::UserRegistered { .. } => Self::UserRegistered,
            DomainEvent::EventPublished { .. } => Self::EventPublished,
            DomainEvent::EventUpdated { .. } => Self::EventUpdated,
            DomainEvent::EventCancelled { .. } => Self::EventCancelled,
            DomainEvent::BookingCreated { .. } => Self::BookingCreated,
            DomainEvent::BookingConfirmed { .. } => Self::BookingConfirmed,
            DomainEvent::BookingCancelled { .. } => Self::BookingCancelled,
            DomainEvent::WaitlistJoined { .. } => Self::WaitlistJoined,
            DomainEvent::WaitlistPromoted { .. } => Self::WaitlistPromoted,
            DomainEvent::WaitlistLeft { .. } => Self::WaitlistLeft,
            DomainEvent::AvailabilityChanged { .. } => Self::AvailabilityChanged,
        }
    }
}

/// What one user was told, once.
pub struct Notice {
    row: notice::Model,
    domain_event: DomainEvent,
}

impl Notice {
    /// Reads a stored notice.
    fn decode(row: notice::Model) -> Result<Self, UnreadableDomainEvent> {
        let domain_event = DomainEvent::read(&row.kind, row.v, &row.data)?;
        Ok(Self { row, domain_event })
    }

    /// Reads a stored notice; `None` when it is damaged, which is logged: one broken row must not hide all others.
    pub fn unless_damaged(row: notice::Model) -> Result<Option<Self>, UnreadableDomainEvent> {
        let (user, seq) = (row.user_id, row.seq);
        match Self::decode(row) {
            Err(UnreadableDomainEvent::Damaged(error)) => {
                tracing::error!(%user, seq, error, "a notice cannot be read and is left out");
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

/// What one user was told: exactly one per thing that happened, numbered without gaps.
#[Object]
impl Notice {
    /// Opaque id; the same on every device and after every reconnect.
    async fn id(&self) -> ID {
        let mut bytes = b"Notice:".to_vec();
        bytes.extend_from_slice(self.row.domain_event_id.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// Your notices are numbered from 1 without gaps.
    async fn number(&self) -> i32 {
        int(self.row.seq)
    }

    /// Whether it was marked read, on any of your devices.
    async fn read(&self, ctx: &Context<'_>) -> Result<bool> {
        let read = ctx.data::<Load>()?.load_one(ReadUpTo(self.row.user_id)).await.map_err(failed)?;
        Ok(read.is_some_and(|read| self.row.seq <= read))
    }

    /// What it is about.
    async fn kind(&self) -> NoticeKind {
        NoticeKind::from(&self.domain_event)
    }

    /// Sentences that can be shown, in English; times are in words and in the event's time zone.
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
        Ok(words::render(&self.domain_event, &names))
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }

    /// The event it is about; null when you may not see it.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        let Some(id) = self.row.event_id else { return Ok(None) };
        let found = ctx.data::<Load>()?.load_one(id).await.map_err(failed)?;
        let acting = acting(ctx)?;
        Ok(found.filter(|row| crate::event::may_see(acting, row)).map(Event))
    }

    /// The booking it is about; of several, your first. Null when you may not see it, or not any more.
    async fn booking(&self, ctx: &Context<'_>) -> Result<Option<Booking>> {
        match self.row.booking_id {
            Some(id) => seen(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The waitlist entry it is about; null when you may not see it, or not any more.
    async fn waitlist_entry(&self, ctx: &Context<'_>) -> Result<Option<WaitlistEntry>> {
        let Some(id) = self.entry() else { return Ok(None) };
        let Some(row) = ctx.data::<Load>()?.load_one(id).await.map_err(failed)? else { return Ok(None) };
        Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(WaitlistEntry(row)))
    }

    /// Of an updated event: what changed, old and new. Empty otherwise.
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
    /// The stored changes of the update it is about; none when it is about something else.
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

/// One field that an update of an event changed. Times are RFC 3339, prices decimals. A value without an id.
#[derive(SimpleObject)]
pub struct EventChange {
    /// Which field.
    field: EventField,
    /// Before.
    old: String,
    /// After.
    new: String,
    /// The change in words, times in the event's time zone: `Starts at: Sat 5 June 2027, 19:00 → Sun 6 June 2027, 20:00`.
    text: String,
}

/// What the inbox can tell besides its page.
pub struct Inbox;

#[Object]
impl Inbox {
    /// How many notices there are, read and unread.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(head(ctx).await?.last))
    }

    /// How many were not marked read.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(head(ctx).await?.unread()))
    }

    /// Where the inbox ends now: pass it as `after` to `noticeReceived` and nothing is missed in between.
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
    /// What you were told, newest first. Needs a signed-in user.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn notices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<Option<NoticeConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = read::page(acting(ctx)?.db.read(), me(ctx)?, &paging).await.map_err(|e| db_fault(&e))?;
        // None of them is of a later release: the page ends before the first that is.
        let rows = page.rows.into_iter().filter_map(|row| Notice::unless_damaged(row).ok().flatten()).collect();
        let page = crate::page::Page { rows, has_previous: page.has_previous, has_next: page.has_next };
        Ok(Some(connection(page, Inbox, |notice: &Notice| notice.row.seq, |notice| notice)))
    }
}

/// Up to where notices were read.
#[derive(InputObject)]
pub struct MarkNoticesReadInput {
    /// Number of the last one read; everything before counts as read too.
    up_to: i32,
}

/// Outcome of `markNoticesRead`.
#[derive(SimpleObject, Default)]
#[graphql(complex)]
pub struct MarkNoticesReadPayload {
    #[graphql(skip)]
    marked: Option<read::Marked>,
    /// Up to which number notices are read now; never goes back.
    read_up_to: Option<i32>,
    /// How many are still unread.
    unread_count: Option<i32>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

#[ComplexObject]
impl MarkNoticesReadPayload {
    /// The notices that this marked read, newest first, 100 at most: caches learn of their `read`.
    async fn notices(&self, ctx: &Context<'_>) -> Result<Vec<Notice>> {
        let Some(read::Marked { from, to }) = self.marked else { return Ok(Vec::new()) };
        let rows = read::between(acting(ctx)?.db.read(), me(ctx)?, from, to, PAGE_MAX).await;
        // None of them is of a later release: nothing behind the first that is can be marked read.
        let rows = rows.map_err(|e| db_fault(&e))?.into_iter();
        Ok(rows.filter_map(|row| Notice::unless_damaged(row).ok().flatten()).collect())
    }
}

/// Mutations about notices.
#[derive(Default)]
pub struct NoticeMutation;

#[Object]
impl NoticeMutation {
    /// Marks your notices read up to a number, on all your devices. Needs a signed-in user.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn mark_notices_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Up to where.")] input: MarkNoticesReadInput,
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
