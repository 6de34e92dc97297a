//! Subscriptions: every live field, its opening frame, its resumption, and the check of rights on every message.
//! Not here: the socket (`http::websocket`), and what is streamed (`notification`, `relay::history`, `booking::watch`).
//!
//! Two kinds. *Logs* (notices, bookings) are never merged: each stream reads the table from its cursor and is only woken
//! by the bus, so a lost wake-up delays and never loses. *States* (availability, position) may skip to the newest.

use std::time::Duration;

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject, Subscription};
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Services;
use super::availability::Availability;
use super::booking::{Booking, me};
use super::error::{db_fault, int};
use super::fault::Fault;
use super::guard::{May, acting, denied};
use super::notice::Notice;
use super::scalar::{DateTime, id_of};
use super::stream_cursor::Log;
use super::waitlist::WaitlistEntry;
use crate::access::{Action, Actor};
use crate::account::session::Unauthenticated;
use crate::booking::availability;
use crate::booking::list::{self, Which};
use crate::ctx::Ctx;
use crate::domain_event::{DomainEvent, Recorded, UnreadableDomainEvent};
use crate::id::{BookingId, EntryId, EventId};
use crate::notification::read;
use crate::relay::history::{self, About};
use crate::status::WaitlistStatus;

/// Messages a stream holds ready for a slow reader; beyond that it waits for them, in the table.
const READY: usize = 16;

/// Rows read from a log at once.
const CHUNK: u64 = 100;

/// How long a stream waits before it says that a newer release has to go on with it.
const NEWER_WAIT: Duration = Duration::from_secs(1);

/// How long a log stream trusts the bus before comparing what it heard with what was published.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One message of `noticeReceived`. A value without an id: what it carries has its own.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct NoticeUpdate {
    /// Pass it as `after` to go on behind this message.
    cursor: String,
    /// True in the opening message when `after` is not of this history: fetch `notices` anew and go on from `cursor`.
    resync: bool,
    /// The notice; null in the opening message, and in one that tells that notices were marked read.
    notice: Option<Notice>,
}

#[ComplexObject]
impl NoticeUpdate {
    /// How many of your notices are unread now.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let head = read::head(acting(ctx)?.db.read(), me(ctx)?).await.map_err(|e| db_fault(&e))?;
        Ok(int(head.unread()))
    }
}

/// What happened to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum BookingChange {
    /// It was placed.
    Created,
    /// Its tickets are the customer's.
    Confirmed,
    /// It no longer claims tickets.
    Cancelled,
}

/// One message of `bookingChanged` and `eventBookingChanged`. A value without an id: what it carries has its own.
#[derive(SimpleObject)]
pub struct BookingUpdate {
    /// Pass it as `after` to go on behind this message.
    cursor: String,
    /// True in the opening message when `after` is not of this history: fetch the list anew and go on from `cursor`.
    resync: bool,
    /// What happened; null in the opening message.
    change: Option<BookingChange>,
    /// When it happened; null in the opening message.
    occurred_at: Option<DateTime>,
    /// The booking as it is now; null in the opening message, and when it is no longer yours to see.
    booking: Option<Booking>,
}

/// Sends what `produce` makes until it ends or nobody listens any more.
pub(super) fn stream<T, F>(produce: impl FnOnce(mpsc::Sender<Result<T>>) -> F) -> impl Stream<Item = Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(READY);
    let produced = produce(sender.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            outcome = produced => {
                if let Err(error) = outcome {
                    let _ = sender.send(Err(error)).await;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// The listener went away; there is nobody to tell.
pub(super) fn gone<T>(_: mpsc::error::SendError<T>) -> async_graphql::Error {
    async_graphql::Error::new("the listener went away")
}

/// Asks again, before a message leaves, whether its reader may still have it: the session lives, and its rights are those the
/// fields of the message will be asked for with.
pub(super) async fn still_may(services: &Services, ctx: &Ctx, action: Action) -> Result<()> {
    let shown = ctx.actor_now();
    let actor: Actor = services.sessions.refresh(&shown).await.map_err(|refusal| match refusal {
        Unauthenticated::Invalid => Fault::Unauthenticated.error("Your session ended; sign in again."),
        Unauthenticated::Unavailable => Fault::Overloaded.error("Your session cannot be checked now; subscribe again."),
    })?;
    if actor != shown {
        return Err(Fault::Forbidden.error("Your rights have changed: subscribe again."));
    }
    ctx.allow(action).map_err(denied)
}

async fn history_head(ctx: &Ctx) -> Result<history::Head> {
    history::head(ctx.db.read()).await.map_err(|error| db_fault(&error))
}

fn change_of(domain_event: &DomainEvent) -> Option<(BookingChange, BookingId)> {
    match *domain_event {
        DomainEvent::BookingCreated { booking, .. } => Some((BookingChange::Created, booking)),
        DomainEvent::BookingConfirmed { booking, .. } => Some((BookingChange::Confirmed, booking)),
        DomainEvent::BookingCancelled { booking, .. } => Some((BookingChange::Cancelled, booking)),
        _ => None,
    }
}

/// Refuses to go on when the next entry of a log is of a later release. A process of that release has to serve it, so the
/// client subscribes again with the cursor before it; the wait keeps clients that do so at once from asking without pause.
async fn newer() -> async_graphql::Error {
    tokio::time::sleep(NEWER_WAIT).await;
    Fault::Overloaded.error("The next message needs a newer release than this process has: subscribe again.")
}

/// The stream of domain events about bookings, of a customer or an organizer.
async fn bookings(
    ctx: &Context<'_>,
    log: Log,
    about: About,
    action: Action,
    after: Option<String>,
    only: Option<EventId>,
) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
    let services = ctx.data::<Services>()?.clone();
    let ctx = acting(ctx)?.clone();
    let mut heard = services.bus.listen(); // before the table is read: what comes in between is heard
    let head = history_head(&ctx).await?;
    // Not the head of the history: that would move with everything that happens to others.
    let newest = history::newest(ctx.db.read(), about, head.last).await.map_err(|error| db_fault(&error))?;
    let cursors = services.cursors.of(log, &head.epoch);
    let (start, resync) = cursors.start(after, newest)?;
    Ok(stream(move |out| async move {
        let opening =
            BookingUpdate { cursor: cursors.seal(start)?, resync, change: None, occurred_at: None, booking: None };
        out.send(Ok(opening)).await.map_err(gone)?;
        let mut last = start;
        let mut known = head.last;
        loop {
            let rows = history::since(ctx.db.read(), about, last, CHUNK as i64).await.map_err(|e| db_fault(&e))?;
            let full = rows.len() as u64 == CHUNK;
            for row in rows {
                let is_asked_for = only.is_none() || row.event_id == only;
                let recorded = match row.read() {
                    Ok(recorded) => recorded,
                    // Stops before it: what it says of a booking is not for this release to tell, nor to leave out.
                    Err(UnreadableDomainEvent::Newer) if is_asked_for => return Err(newer().await),
                    // Parked by the relay, for an operator to see.
                    Err(UnreadableDomainEvent::Newer | UnreadableDomainEvent::Damaged(_)) => {
                        last = row.seq;
                        continue;
                    }
                };
                last = row.seq;
                let Some((change, booking)) = change_of(&recorded.domain_event).filter(|_| is_asked_for) else {
                    continue;
                };
                still_may(&services, &ctx, action).await?;
                // A booking may have another customer by now, and its event another organizer.
                let booking = list::visible(&ctx, Which::Id(booking)).await.map_err(|e| db_fault(&e))?;
                let frame = BookingUpdate {
                    cursor: cursors.seal(recorded.seq)?,
                    resync: false,
                    change: Some(change),
                    occurred_at: Some(DateTime(recorded.occurred_at)),
                    booking: booking.map(Booking),
                };
                out.send(Ok(frame)).await.map_err(gone)?;
            }
            if !full {
                known = known.max(last);
                known = concerned(&mut heard, &services, about, known).await;
            }
        }
    }))
}

/// Waits until there may be a domain event about somebody behind `known`; returns up to where nothing else needs to be looked at.
async fn concerned(
    heard: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<Recorded>>,
    services: &Services,
    about: About,
    mut known: i64,
) -> i64 {
    loop {
        let domain_event = tokio::select! {
            domain_event = heard.recv() => domain_event,
            () = tokio::time::sleep(LOOK_EVERY) => {
                // Nothing heard: was anything published meanwhile?
                let head = services.bus.head();
                if head > known {
                    return head;
                }
                continue;
            }
        };
        match domain_event {
            Ok(domain_event) if domain_event.seq <= known => {}
            Ok(domain_event) => {
                let gap = domain_event.seq > known + 1;
                known = domain_event.seq;
                let concerns = match about {
                    About::Anything => true,
                    About::Customer(user) => domain_event.domain_event.about().user == Some(user),
                    About::Organizer(organizer) => domain_event.domain_event.about().organizer == Some(organizer),
                };
                if concerns || gap {
                    return known;
                }
            }
            Err(RecvError::Lagged(_)) => return known,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Everything that can be watched live.
#[derive(Default)]
pub struct LiveSubscription;

/// What can be watched live, one field per operation. States begin with how they stand now, logs with a cursor to go on
/// from.
#[Subscription(name = "Subscription")]
impl LiveSubscription {
    /// Your notices, as they come. Begins with a message that only carries the cursor; with `after`, everything since
    /// follows first. No gap and no duplicate, through any reconnect. A message without a notice tells that some were
    /// marked read, on any device. Needs a signed-in user.
    #[graphql(guard = "May(Action::ReadNotices)")]
    async fn notice_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last message you saw.")] after: Option<String>,
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
                    // Woken without a new notice: some may have been marked read, here or on another device.
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

    /// Each change of status of your bookings, in order. Begins with a message that only carries the cursor. Needs
    /// CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last message you saw.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
        let user = me(ctx)?;
        bookings(ctx, Log::Bookings(user), About::Customer(user), Action::BookTickets, after, None).await
    }

    /// Each change of status of bookings of your events, in order. Begins with a message that only carries the cursor.
    /// Needs ORGANIZER.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn event_booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last message you saw.")] after: Option<String>,
        #[graphql(desc = "Only bookings of this event.")] event_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
        let organizer = acting(ctx)?.actor.signed_in().and_then(|user| user.organizer);
        let organizer = organizer.ok_or_else(|| Fault::Forbidden.error("You act for no organizer."))?;
        let only: Option<EventId> = event_id.as_ref().map(super::scalar::id_or_nobody).transpose()?;
        let action = Action::ReadSalesOf(organizer);
        bookings(ctx, Log::Sales(organizer), About::Organizer(organizer), action, after, only).await
    }

    /// How the tickets of events stand: now, and whenever that changes, a message per event. May skip to the newest, never
    /// goes back. Name one event or several. No account needed.
    async fn availability_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "One event.")] event_id: Option<ID>,
        #[graphql(desc = "Several events, 50 at most; refused as a whole when one of them is not there.")]
        event_ids: Option<Vec<ID>>,
    ) -> Result<impl Stream<Item = Result<Availability>> + use<>> {
        super::availability::changes(ctx, event_id, event_ids).await
    }

    /// Your waitlist entry: now, and whenever it moves, until it ends. May skip to the newest. Needs its CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn waitlist_entry_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which waitlist entry.")] entry_id: ID,
    ) -> Result<impl Stream<Item = Result<WaitlistEntry>> + use<>> {
        let services = ctx.data::<Services>()?.clone();
        let ctx = acting(ctx)?.clone();
        let absent = || Fault::NotFound.error("There is no such waitlist entry.");
        let id: EntryId = id_of(&entry_id)?.ok_or_else(absent)?;
        let find = async |ctx: &Ctx| list::visible_entry(ctx, id).await.map_err(|e| db_fault(&e));
        let entry = find(&ctx).await?.ok_or_else(absent)?;
        let owner = Action::OwnThingOf(entry.user_id);
        ctx.allow(owner).map_err(|_| absent())?;
        let mut availability_hub = services.availability_hub.watch(entry.event_id); // before the table is read
        Ok(stream(move |out| async move {
            let mut sent: Option<(crate::entity::waitlist_entry::Model, Option<i64>, i64)> = None;
            let mut known = (None, 0);
            let figures = availability::of(ctx.db.read(), &[entry.event_id], ctx.now()).await;
            let mut shown = figures.map_err(|e| db_fault(&e))?.into_iter().next().ok_or_else(absent)?;
            loop {
                // Read once per revision for all watchers: what has not moved there needs no statement of its own.
                let front = services.availability_hub.front(&ctx, &shown).await.map_err(|e| db_fault(&e))?;
                let standing = front.get(&id).copied();
                if sent.is_none() || standing.is_none() || (standing, shown.terms) != known {
                    known = (standing, shown.terms);
                    let found = list::entries_by_ids(ctx.db.read(), &[id]).await.map_err(|e| db_fault(&e))?;
                    let found = found.into_iter().next().ok_or_else(absent)?;
                    ctx.allow(Action::OwnThingOf(found.user_id)).map_err(|_| absent())?; // it may be another customer's by now
                    // Positions beyond the front are not told, so they cannot change.
                    let state = (found, standing.map(|standing| standing.position()), shown.terms);
                    if sent.as_ref() != Some(&state) {
                        out.send(Ok(WaitlistEntry(state.0.clone()))).await.map_err(gone)?;
                        // By its status: a position may be gone already when the entry was still read as waiting.
                        let ended = state.0.status != WaitlistStatus::Waiting;
                        sent = Some(state);
                        if ended {
                            return Ok(());
                        }
                    }
                }
                shown = availability_hub.newer_than(&shown).await;
                still_may(&services, &ctx, owner).await?;
            }
        }))
    }
}
