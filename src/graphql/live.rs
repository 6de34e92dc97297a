//! Subscriptions: every live field, its opening frame, its resumption, and the check of rights on every message.
//! Not here: the socket (`http::websocket`), and what is streamed (`notification`, `relay::history`, `booking::watch`).
//!
//! Two kinds. *Logs* (notices, bookings) are never merged: each stream reads the table from its cursor and is only woken
//! by the bus, so a lost wake-up delays and never loses. *States* (availability, position) may skip to the newest.

use std::time::Duration;

use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject, Subscription};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
use super::waitlist::WaitlistEntry;
use crate::access::{Action, Actor};
use crate::account::session::Unauthenticated;
use crate::booking::{availability, list};
use crate::ctx::Ctx;
use crate::fact::{Fact, Recorded};
use crate::id::{BookingId, EntryId, EventId};
use crate::notification::read;
use crate::relay::history::{self, About};
use crate::status::WaitlistStatus;

/// Messages a stream holds ready for a slow reader; beyond that it waits for them, in the table.
const READY: usize = 16;

/// Rows read from a log at once.
const CHUNK: u64 = 100;

/// How long a log stream trusts the bus before comparing what it heard with what was published.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where a log stream goes on: which log, which history, behind which number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCursor {
    log: char,
    epoch: String,
    seq: i64,
}

impl LogCursor {
    /// Behind a user's notice with this number.
    pub fn notices(epoch: &str, seq: i64) -> Self {
        Self { log: 'n', epoch: epoch.to_owned(), seq }
    }

    /// Behind the fact with this number.
    pub fn facts(epoch: &str, seq: i64) -> Self {
        Self { log: 'f', epoch: epoch.to_owned(), seq }
    }

    /// As clients see it: opaque, versioned.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("1:{}:{}:{}", self.log, self.epoch, self.seq))
    }

    /// Reads it; refused when it is none, or of the other log.
    pub fn decode(text: &str, log: char) -> Result<Self> {
        let unknown = || Fault::BadUserInput.error("after is not a cursor of this stream.");
        if text.len() > 128 {
            return Err(unknown());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| unknown())?;
        let text = String::from_utf8(bytes).map_err(|_| unknown())?;
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["1", kind, epoch, seq] if *kind == log.to_string() => {
                let seq = seq.parse().ok().filter(|seq| *seq >= 0).ok_or_else(unknown)?;
                Ok(Self { log, epoch: (*epoch).to_owned(), seq })
            }
            _ => Err(unknown()),
        }
    }

    /// Where to start: behind the client's cursor when it belongs to this history, else at the head and with `resync`.
    fn start(after: Option<String>, head: Self) -> Result<(Self, bool)> {
        match after.map(|text| Self::decode(&text, head.log)).transpose()? {
            None => Ok((head, false)),
            Some(cursor) if cursor.epoch == head.epoch && cursor.seq <= head.seq => Ok((cursor, false)),
            Some(_) => Ok((head, true)),
        }
    }
}

/// One message of `noticeReceived`. A value without an id: what it carries has its own.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct NoticeFrame {
    /// Pass it as `after` to go on behind this message.
    cursor: String,
    /// True in the opening message when `after` is not of this history: fetch `notices` anew and go on from `cursor`.
    resync: bool,
    /// The notice; null in the opening message, and in one that tells that notices were marked read.
    notice: Option<Notice>,
}

#[ComplexObject]
impl NoticeFrame {
    /// How many of your notices are unread now.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let (last, read) = read::head(acting(ctx)?.db.read(), me(ctx)?).await.map_err(|e| db_fault(&e))?;
        Ok(int(last - read))
    }
}

/// What happened to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum BookingChange {
    /// It was placed.
    Created,
    /// Its places are the customer's.
    Confirmed,
    /// It no longer claims places.
    Cancelled,
}

/// One message of `bookingChanged` and `eventBookingChanged`. A value without an id: what it carries has its own.
#[derive(SimpleObject)]
pub struct BookingFrame {
    /// Pass it as `after` to go on behind this message.
    cursor: String,
    /// True in the opening message when `after` is not of this history: fetch the list anew and go on from `cursor`.
    resync: bool,
    /// What happened; null in the opening message.
    change: Option<BookingChange>,
    /// When it happened; null in the opening message.
    occurred_at: Option<DateTime>,
    /// The booking as it is now; null in the opening message.
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

fn change_of(fact: &Fact) -> Option<(BookingChange, BookingId)> {
    match *fact {
        Fact::BookingCreated { booking, .. } => Some((BookingChange::Created, booking)),
        Fact::BookingConfirmed { booking, .. } => Some((BookingChange::Confirmed, booking)),
        Fact::BookingCancelled { booking, .. } => Some((BookingChange::Cancelled, booking)),
        _ => None,
    }
}

/// The stream of facts about bookings, of a customer or an organizer.
async fn bookings(
    ctx: &Context<'_>,
    about: About,
    action: Action,
    after: Option<String>,
    only: Option<EventId>,
) -> Result<impl Stream<Item = Result<BookingFrame>> + use<>> {
    let services = ctx.data::<Services>()?.clone();
    let ctx = acting(ctx)?.clone();
    let mut heard = services.bus.listen(); // before the table is read: what comes in between is heard
    let head = history_head(&ctx).await?;
    let epoch = head.epoch;
    let (start, resync) = LogCursor::start(after, LogCursor::facts(&epoch, head.last))?;
    Ok(stream(move |out| async move {
        let opening = BookingFrame { cursor: start.encode(), resync, change: None, occurred_at: None, booking: None };
        out.send(Ok(opening)).await.map_err(gone)?;
        let mut last = start.seq;
        let mut known = last;
        loop {
            let rows = history::since(ctx.db.read(), about, last, CHUNK as i64).await.map_err(|e| db_fault(&e))?;
            let full = rows.len() as u64 == CHUNK;
            for row in rows {
                last = row.seq;
                // A fact of a later release is not for this stream to explain.
                let Ok(recorded) = row.read() else { continue };
                if only.is_some() && recorded.fact.about().event != only {
                    continue;
                }
                let Some((change, booking)) = change_of(&recorded.fact) else { continue };
                still_may(&services, &ctx, action).await?;
                let found = list::by_ids(ctx.db.read(), &[booking]).await.map_err(|e| db_fault(&e))?;
                let frame = BookingFrame {
                    cursor: LogCursor::facts(&epoch, recorded.seq).encode(),
                    resync: false,
                    change: Some(change),
                    occurred_at: Some(DateTime(recorded.occurred_at)),
                    booking: found.into_iter().next().map(Booking),
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

/// Waits until there may be a fact about somebody behind `known`; returns up to where nothing else needs to be looked at.
async fn concerned(
    heard: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<Recorded>>,
    services: &Services,
    about: About,
    mut known: i64,
) -> i64 {
    loop {
        let fact = tokio::select! {
            fact = heard.recv() => fact,
            () = tokio::time::sleep(LOOK_EVERY) => {
                // Nothing heard: was anything published meanwhile?
                let head = services.bus.head();
                if head > known {
                    return head;
                }
                continue;
            }
        };
        match fact {
            Ok(fact) if fact.seq <= known => {}
            Ok(fact) => {
                let gap = fact.seq > known + 1;
                known = fact.seq;
                let concerns = match about {
                    About::Anything => true,
                    About::Customer(user) => fact.fact.about().user == Some(user),
                    About::Organizer(organizer) => fact.fact.about().organizer == Some(organizer),
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
    ) -> Result<impl Stream<Item = Result<NoticeFrame>> + use<>> {
        let user = me(ctx)?;
        let services = ctx.data::<Services>()?.clone();
        let ctx = acting(ctx)?.clone();
        let mut inbox = services.bus.watch_inbox(user); // before the table is read
        let epoch = history_head(&ctx).await?.epoch;
        let (newest, mut known) = read::head(ctx.db.read(), user).await.map_err(|e| db_fault(&e))?;
        let (start, resync) = LogCursor::start(after, LogCursor::notices(&epoch, newest))?;
        Ok(stream(move |out| async move {
            out.send(Ok(NoticeFrame { cursor: start.encode(), resync, notice: None })).await.map_err(gone)?;
            let mut last = start.seq;
            loop {
                let rows = read::since(ctx.db.read(), user, last, CHUNK).await.map_err(|e| db_fault(&e))?;
                let full = rows.len() as u64 == CHUNK;
                if rows.is_empty() {
                    // Woken without a new notice: some may have been marked read, here or on another device.
                    let (_, now) = read::head(ctx.db.read(), user).await.map_err(|e| db_fault(&e))?;
                    if now != known {
                        known = now;
                        still_may(&services, &ctx, Action::ReadNotices).await?;
                        let cursor = LogCursor::notices(&epoch, last).encode();
                        out.send(Ok(NoticeFrame { cursor, resync: false, notice: None })).await.map_err(gone)?;
                    }
                }
                for row in rows {
                    last = row.seq;
                    still_may(&services, &ctx, Action::ReadNotices).await?;
                    let cursor = LogCursor::notices(&epoch, last).encode();
                    let frame = NoticeFrame { cursor, resync: false, notice: Some(Notice::new(row)?) };
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
    #[graphql(guard = "May(Action::BookPlaces)")]
    async fn booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last message you saw.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<BookingFrame>> + use<>> {
        bookings(ctx, About::Customer(me(ctx)?), Action::BookPlaces, after, None).await
    }

    /// Each change of status of bookings of your events, in order. Begins with a message that only carries the cursor.
    /// Needs ORGANIZER.
    #[graphql(guard = "May(Action::SeeSales)")]
    async fn event_booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last message you saw.")] after: Option<String>,
        #[graphql(desc = "Only bookings of this event.")] event_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<BookingFrame>> + use<>> {
        let organizer = acting(ctx)?.actor.signed_in().and_then(|user| user.organizer);
        let organizer = organizer.ok_or_else(|| Fault::Forbidden.error("You act for no organizer."))?;
        let only: Option<EventId> = event_id.as_ref().map(super::scalar::id_or_nobody).transpose()?;
        bookings(ctx, About::Organizer(organizer), Action::SeeSalesOf(organizer), after, only).await
    }

    /// How the places of events stand: now, and whenever that changes, a message per event. May skip to the newest, never
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

    /// Your place in a line: now, and whenever it moves, until it ends. May skip to the newest. Needs its CUSTOMER.
    #[graphql(guard = "May(Action::BookPlaces)")]
    async fn waitlist_entry_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which place in a line.")] entry_id: ID,
    ) -> Result<impl Stream<Item = Result<WaitlistEntry>> + use<>> {
        let services = ctx.data::<Services>()?.clone();
        let ctx = acting(ctx)?.clone();
        let absent = || Fault::NotFound.error("There is no such waitlist entry.");
        let id: EntryId = id_of(&entry_id)?.ok_or_else(absent)?;
        let find = async |ctx: &Ctx| list::visible_entry(ctx, id).await.map_err(|e| db_fault(&e));
        let entry = find(&ctx).await?.ok_or_else(absent)?;
        let owner = Action::OwnThingOf(entry.user_id);
        ctx.allow(owner).map_err(|_| absent())?;
        let mut board = services.board.watch(entry.event_id); // before the table is read
        Ok(stream(move |out| async move {
            let mut sent: Option<(crate::entity::waitlist_entry::Model, Option<i64>, i64)> = None;
            let mut known = (None, 0);
            let figures = availability::of(ctx.db.read(), &[entry.event_id], ctx.now()).await;
            let mut shown = figures.map_err(|e| db_fault(&e))?.into_iter().next().ok_or_else(absent)?;
            loop {
                // Read once per revision for all watchers: what has not moved there needs no statement of its own.
                let front = services.board.front(&ctx, &shown).await.map_err(|e| db_fault(&e))?;
                let standing = front.get(&id).copied();
                if sent.is_none() || standing.is_none() || (standing, shown.terms) != known {
                    known = (standing, shown.terms);
                    let found = list::entries_by_ids(ctx.db.read(), &[id]).await.map_err(|e| db_fault(&e))?;
                    let found = found.into_iter().next().ok_or_else(absent)?;
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
                shown = board.newer_than(&shown).await;
                still_may(&services, &ctx, owner).await?;
            }
        }))
    }
}
