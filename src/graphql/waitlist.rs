//! All GraphQL about waitlists as a customer sees them: the entry, joining, confirming, leaving, and own entries.
//! Not here: the rules (`crate::booking`), and the whole waitlist of an event (`sales`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription};
use futures_util::Stream;

use super::Services;
use super::account::User;
use super::booking::{me, sees};
use super::error::{IntoUserError, UserError, db_fault, int, stored};
use super::event::{Event, TicketType};
use super::guard::{May, acting};
use super::load::{AvailabilityOf, Load, PositionOf, failed};
use super::page::{Args, Cursor, connection, id};
use super::scalar::{DateTime, id_of, id_or_nobody};
use super::stream::{gone, still_may, stream};
use crate::access::Action;
use crate::booking::change_set::ASIDE;
use crate::booking::{availability, list, waitlist};
use crate::ctx::Ctx;
use crate::engine::fault::Fault;
use crate::entity::waitlist_entry;
use crate::id::EntryId;
use crate::status::WaitlistStatus;

/// A customer's entry in a waitlist.
#[derive(Clone)]
pub struct WaitlistEntry(pub waitlist_entry::Model);

/// A customer's entry in the waitlist of an event. Visible to its customer, to OWNER, MANAGER and
/// DOOR_STAFF of the organizer, and to ADMIN.
#[Object]
impl WaitlistEntry {
    /// Opaque id of the entry.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Event that the entry waits for.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.event_id).await.map_err(failed)?.map(Event))
    }

    /// Ticket type that the entry waits for.
    async fn ticket_type(&self, ctx: &Context<'_>) -> Result<Option<TicketType>> {
        let load = ctx.data::<Load>()?;
        let found = load.load_one(self.0.ticket_type_id).await.map_err(failed)?;
        let event = load.load_one(self.0.event_id).await.map_err(failed)?;
        let currency = event.map(|event| event.currency).unwrap_or_default();
        Ok(found.map(|row| TicketType { row, currency }))
    }

    /// Current status of the entry.
    async fn status(&self) -> WaitlistStatus {
        self.0.status
    }

    /// Position in the waitlist; 1 is the front. Null behind position 1,000 (see `positionAtLeast`), and when the entry
    /// no longer waits.
    async fn position(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.place(ctx).await?.filter(|position| *position <= list::POSITION_MAX).map(int))
    }

    /// Lower bound of the position: the same as `position` up to 1,000, and 1,001 for every entry behind. Null when the
    /// entry no longer waits.
    async fn position_at_least(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.place(ctx).await?.map(int))
    }

    /// Reason why the entry gets no tickets for now; null when it is not paused, and when it no longer waits. A paused
    /// entry keeps its position.
    async fn pause(&self, ctx: &Context<'_>) -> Result<Option<WaitlistPause>> {
        if self.0.status != WaitlistStatus::Waiting {
            return Ok(None);
        }
        let event = ctx.data::<Load>()?.load_one(AvailabilityOf(self.0.event_id)).await.map_err(failed)?;
        let is_in_turn = event.is_none_or(|event| event.terms == self.0.terms);
        Ok(match self.0.terms {
            _ if is_in_turn => None,
            ASIDE => Some(WaitlistPause::TicketsGivenBack),
            _ => Some(WaitlistPause::EventChanged),
        })
    }

    /// Number of tickets that the entry still waits for.
    async fn quantity(&self) -> i32 {
        int(self.0.quantity)
    }

    /// Number of tickets that the entry was given so far. Each time, a new booking was made of them.
    async fn granted(&self) -> i32 {
        int(self.0.granted)
    }

    /// True if the entry takes fewer tickets when fewer are free, and then waits for the rest.
    async fn accepts_part(&self) -> bool {
        self.0.accepts_part != 0
    }

    /// Customer who waits.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        // A viewer who may see an entry (`booking::sees`) is its customer, the event's seller or an admin: each may
        // reach the customer.
        Ok(ctx.data::<Load>()?.load_one(self.0.user_id).await.map_err(failed)?.map(User::customer))
    }

    /// Time of joining the waitlist.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

impl WaitlistEntry {
    async fn place(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        if self.0.status != WaitlistStatus::Waiting {
            return Ok(None);
        }
        ctx.data::<Load>()?.load_one(PositionOf(self.0.id)).await.map_err(failed)
    }
}

/// Reason why a waitlist entry gets no tickets for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum WaitlistPause {
    /// Start, time zone, venue or price of the event changed after the customer joined. `confirmWaitlistEntry` accepts
    /// the change and ends the pause.
    EventChanged,
    /// A booking of the customer was cancelled, and the returned tickets go to other customers. The pause ends when
    /// they are sold, when the capacity is raised, or with `confirmWaitlistEntry`.
    TicketsGivenBack,
}

/// A page of waitlist entries.
pub type WaitlistEntryConnection = Connection<Cursor<EntryId>, WaitlistEntry, EmptyFields, EmptyFields>;

/// Queries about waitlist entries.
#[derive(Default)]
pub struct WaitlistQuery;

#[Object]
impl WaitlistQuery {
    /// Your waitlist entries, newest first, including those that no longer wait. Needs CUSTOMER; null otherwise.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn my_waitlist_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<WaitlistEntryConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = list::entries_of(acting(ctx)?.db.read(), me(ctx)?, &paging).await.map_err(|e| db_fault(&e))?;
        Ok(Some(connection(page, EmptyFields, |row| row.id, WaitlistEntry)))
    }
}

/// Tickets to wait for.
#[derive(InputObject)]
pub struct JoinWaitlistInput {
    /// Id of the event.
    event_id: ID,
    /// Id of the ticket type; may be left out when the event has one ticket type.
    ticket_type_id: Option<ID>,
    /// Number of tickets; 1 to 100.
    quantity: i32,
    /// True to take fewer tickets when fewer are free, and then to wait for the rest.
    #[graphql(default)]
    accepts_part: bool,
    /// Text of your choice: a repeated request with the same key returns the first outcome. 1 to 255 visible ASCII
    /// characters; the service keeps it for at least 24 hours.
    idempotency_key: Option<String>,
}

/// Waitlist entry to confirm.
#[derive(InputObject)]
pub struct ConfirmWaitlistEntryInput {
    /// Id of the waitlist entry.
    entry_id: ID,
}

/// Waitlist entry to leave.
#[derive(InputObject)]
pub struct LeaveWaitlistInput {
    /// Id of the waitlist entry.
    entry_id: ID,
}

/// Outcome of `joinWaitlist`, `confirmWaitlistEntry` and `leaveWaitlist`.
#[derive(SimpleObject, Default)]
pub struct WaitlistPayload {
    /// The entry after the change; null when the request was refused.
    waitlist_entry: Option<WaitlistEntry>,
    /// The event with its availability after the change; null when the request was refused.
    event: Option<Event>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

async fn payload(
    ctx: &Context<'_>,
    outcome: Result<EntryId, crate::booking::Error>,
) -> Result<Option<WaitlistPayload>> {
    Ok(Some(match outcome {
        Ok(id) => {
            let load = ctx.data::<Load>()?;
            let entry = stored(load.load_one(id).await.map_err(failed)?)?;
            let event = load.load_one(entry.event_id).await.map_err(failed)?.map(Event);
            // When a request is repeated, the entry may belong to another customer by now.
            let entry = sees(ctx, entry.user_id, entry.event_id).await?.then_some(WaitlistEntry(entry));
            WaitlistPayload { waitlist_entry: entry, event, user_errors: Vec::new() }
        }
        Err(error) => WaitlistPayload { user_errors: error.into_user_error()?, ..Default::default() },
    }))
}

/// Mutations about waitlist entries.
#[derive(Default)]
pub struct WaitlistMutation;

#[Object]
impl WaitlistMutation {
    /// Joins the waitlist of an event without available tickets. Entries get tickets in the order of joining; paused
    /// entries are passed over. Joining again ends the pause of your entry, as `confirmWaitlistEntry` does. Needs
    /// CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn join_waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Tickets to wait for.")] input: JoinWaitlistInput,
    ) -> Result<Option<WaitlistPayload>> {
        let join = waitlist::Join {
            event: id_or_nobody(&input.event_id)?,
            ticket_type: input.ticket_type_id.as_ref().map(id_or_nobody).transpose()?,
            quantity: input.quantity.into(),
            accepts_part: input.accepts_part,
        };
        payload(ctx, waitlist::join(acting(ctx)?, join, input.idempotency_key).await).await
    }

    /// Ends the pause of a waitlist entry: the customer accepts the event as it is now. The entry keeps its position
    /// and may get tickets at once. Needs CUSTOMER (own entries).
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn confirm_waitlist_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Waitlist entry to confirm.")] input: ConfirmWaitlistEntryInput,
    ) -> Result<Option<WaitlistPayload>> {
        payload(ctx, waitlist::confirm(acting(ctx)?, id_or_nobody(&input.entry_id)?).await).await
    }

    /// Leaves a waitlist. The entries behind move up and may get tickets at once. Needs CUSTOMER (own entries).
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn leave_waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Waitlist entry to leave.")] input: LeaveWaitlistInput,
    ) -> Result<Option<WaitlistPayload>> {
        payload(ctx, waitlist::leave(acting(ctx)?, id_or_nobody(&input.entry_id)?).await).await
    }
}

/// Subscriptions to waitlist entries.
#[derive(Default)]
pub struct WaitlistSubscription;

#[Subscription]
impl WaitlistSubscription {
    /// One waitlist entry of yours: its current state, then newer states until the entry no longer waits. States in
    /// between may be skipped. Needs CUSTOMER (own entries).
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn waitlist_entry_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the waitlist entry.")] entry_id: ID,
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
                // Read once per revision for all watchers: an entry that has not moved needs no statement of its own.
                let front = services.availability_hub.front(&ctx, &shown).await.map_err(|e| db_fault(&e))?;
                let standing = front.get(&id).copied();
                if sent.is_none() || standing.is_none() || (standing, shown.terms) != known {
                    known = (standing, shown.terms);
                    let found = list::entries_by_ids(ctx.db.read(), &[id]).await.map_err(|e| db_fault(&e))?;
                    let found = found.into_iter().next().ok_or_else(absent)?;
                    ctx.allow(Action::OwnThingOf(found.user_id)).map_err(|_| absent())?; // the owner may have changed
                    // Positions behind the front are not sent, so they cannot change here.
                    let state = (found, standing.map(|standing| standing.position()), shown.terms);
                    if sent.as_ref() != Some(&state) {
                        out.send(Ok(WaitlistEntry(state.0.clone()))).await.map_err(gone)?;
                        // Decided by the status: the position may be gone while the entry was still read as waiting.
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
