//! All GraphQL about the waitlist as a customer sees it: the entry, joining, leaving, my entries.
//! Not here: rules (`crate::booking`), and an event's whole line (`sales`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription};
use futures_util::Stream;

use super::Services;
use super::account::User;
use super::booking::{me, sees};
use super::error::{IntoUserError, UserError, db_fault, int, stored};
use super::event::{Event, TicketType};
use super::guard::{May, acting};
use super::load::{AvailabilityOf, Load, PositionOf, TypesOf, failed};
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

/// A waitlist entry.
#[derive(Clone)]
pub struct WaitlistEntry(pub waitlist_entry::Model);

/// A waitlist entry for an event. Seen by its customer, the event's organizer and admins.
#[Object]
impl WaitlistEntry {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// The event.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.event_id).await.map_err(failed)?.map(Event))
    }

    /// The kind of place waited for.
    async fn ticket_type(&self, ctx: &Context<'_>) -> Result<Option<TicketType>> {
        let load = ctx.data::<Load>()?;
        let types = load.load_one(TypesOf(self.0.event_id)).await.map_err(failed)?.unwrap_or_default();
        let event = load.load_one(self.0.event_id).await.map_err(failed)?;
        let currency = event.map(|event| event.currency).unwrap_or_default();
        let kind = types.into_iter().find(|kind| kind.id == self.0.ticket_type_id);
        Ok(kind.map(|row| TicketType { row, currency }))
    }

    /// Where it stands.
    async fn status(&self) -> WaitlistStatus {
        self.0.status
    }

    /// Place in the waitlist, 1 for its head, up to 1,000; null beyond that (see `positionAtLeast`) and when it no longer
    /// waits.
    async fn position(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.place(ctx).await?.filter(|position| *position <= list::POSITION_MAX).map(int))
    }

    /// The least its place in the waitlist can be: `position` where that is known, 1,001 beyond; null when it no longer waits.
    async fn position_at_least(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.place(ctx).await?.map(int))
    }

    /// Reason why tickets pass it over for now; null when it is in turn, or no longer waits. It keeps its place in the waitlist.
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

    /// Tickets still wanted.
    async fn quantity(&self) -> i32 {
        int(self.0.quantity)
    }

    /// Tickets the waitlist has given so far, as bookings of their own.
    async fn granted(&self) -> i32 {
        int(self.0.granted)
    }

    /// Whether fewer tickets than wanted are taken when that is what is free; the rest keeps waiting.
    async fn accepts_part(&self) -> bool {
        self.0.accepts_part != 0
    }

    /// Who waits.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        // Whoever sees an entry (`booking::sees`) is its customer, sells the event, or is an admin: all may reach the customer.
        Ok(ctx.data::<Load>()?.load_one(self.0.user_id).await.map_err(failed)?.map(User::customer))
    }

    /// When it was opened.
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

/// Why an entry is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum WaitlistPause {
    /// Day, venue or price of the event changed after the entry was made: `confirmWaitlistEntry` says yes to them.
    EventChanged,
    /// The customer gave tickets back and is not served with the same ones: until these are sold, or
    /// `confirmWaitlistEntry` asks for them after all.
    TicketsGivenBack,
}

/// A page of tickets in lines.
pub type WaitlistEntryConnection = Connection<Cursor<EntryId>, WaitlistEntry, EmptyFields, EmptyFields>;

/// Queries about the waitlist.
#[derive(Default)]
pub struct WaitlistQuery;

#[Object]
impl WaitlistQuery {
    /// Your waitlist entries, newest first; those that ended too. Needs CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn my_waitlist_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<Option<WaitlistEntryConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = list::entries_of(acting(ctx)?.db.read(), me(ctx)?, &paging).await.map_err(|e| db_fault(&e))?;
        Ok(Some(connection(page, EmptyFields, |row| row.id, WaitlistEntry)))
    }
}

/// What to wait for.
#[derive(InputObject)]
pub struct JoinWaitlistInput {
    /// For which event.
    event_id: ID,
    /// For which kind of place; may be left out when there is one.
    ticket_type_id: Option<ID>,
    /// How many tickets; 1 to 100.
    quantity: i32,
    /// Whether fewer will do for now; the rest keeps waiting.
    #[graphql(default)]
    accepts_part: bool,
    /// A text of your choice that makes repeating this request safe; kept for at least 24 hours.
    idempotency_key: Option<String>,
}

/// Which entry to confirm.
#[derive(InputObject)]
pub struct ConfirmWaitlistEntryInput {
    /// Which entry.
    entry_id: ID,
}

/// Which line to leave.
#[derive(InputObject)]
pub struct LeaveWaitlistInput {
    /// Which entry.
    entry_id: ID,
}

/// Outcome of joining or leaving a waitlist.
#[derive(SimpleObject, Default)]
pub struct WaitlistPayload {
    /// The entry as it is now; null when the request was refused.
    waitlist_entry: Option<WaitlistEntry>,
    /// The event as it is now, with its availability; null when the request was refused.
    event: Option<Event>,
    /// Why it was refused; empty on success.
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
            // A repeated request may find it with another customer.
            let entry = sees(ctx, entry.user_id, entry.event_id).await?.then_some(WaitlistEntry(entry));
            WaitlistPayload { waitlist_entry: entry, event, user_errors: Vec::new() }
        }
        Err(error) => WaitlistPayload { user_errors: error.into_user_error()?, ..Default::default() },
    }))
}

/// Mutations about the waitlist.
#[derive(Default)]
pub struct WaitlistMutation;

#[Object]
impl WaitlistMutation {
    /// Waits for tickets of a full event. First come, first served; nobody overtakes. While an entry is paused, joining
    /// again confirms it. Needs CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn join_waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to wait for.")] input: JoinWaitlistInput,
    ) -> Result<Option<WaitlistPayload>> {
        let join = waitlist::Join {
            event: id_or_nobody(&input.event_id)?,
            ticket_type: input.ticket_type_id.as_ref().map(id_or_nobody).transpose()?,
            quantity: input.quantity.into(),
            accepts_part: input.accepts_part,
        };
        payload(ctx, waitlist::join(acting(ctx)?, join, input.idempotency_key).await).await
    }

    /// Puts an entry that is paused back in turn, where it stands: a yes to the event as it is now. Needs its CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn confirm_waitlist_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entry.")] input: ConfirmWaitlistEntryInput,
    ) -> Result<Option<WaitlistPayload>> {
        payload(ctx, waitlist::confirm(acting(ctx)?, id_or_nobody(&input.entry_id)?).await).await
    }

    /// Leaves a waitlist; who stands behind may be served at once. Needs its CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn leave_waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which line.")] input: LeaveWaitlistInput,
    ) -> Result<Option<WaitlistPayload>> {
        payload(ctx, waitlist::leave(acting(ctx)?, id_or_nobody(&input.entry_id)?).await).await
    }
}

/// Subscriptions to waitlist entries.
#[derive(Default)]
pub struct WaitlistSubscription;

#[Subscription]
impl WaitlistSubscription {
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
