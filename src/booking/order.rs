//! Orders, and the transaction that decides a batch of them.
//! Not here: checks without the database (`create`), batches (`batcher`) and the allocation (`allocate`).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::allocate::{AllocationRequest, Inventory, Outcome, allocate};
use super::change_set::ChangeSet;
use super::inventory::{self, Part};
use super::{Error, QUANTITY_MAX};
use crate::ctx::Ctx;
use crate::db::{DbError, Priority, Tx};
use crate::id::{BookingId, EntryId, EventId, SlotId, TicketTypeId, UserId};
use crate::idempotency::{Answers, Keyed, Recall};
use crate::money::{Currency, MAX_PRICE_MINOR, Money};
use crate::status::{EventStatus, Fulfilment};
use crate::text::{Fields, Invalid};

/// Name under which idempotency keys of this operation are stored.
pub(super) const OPERATION: &str = "createBooking";

/// Order of a customer for tickets of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Event the tickets are for.
    pub event: EventId,
    /// Slot the tickets are for; optional if the event has only one.
    pub slot: Option<SlotId>,
    /// Quantity per ticket type; empty for `quantity` of the only ticket type.
    pub items: Vec<(TicketTypeId, i64)>,
    /// Quantity of the only ticket type.
    pub quantity: Option<i64>,
    /// Rule for fewer free tickets than asked for.
    pub fulfilment: Fulfilment,
    /// Total the customer expects for all tickets asked for, as decimal text in the event's currency.
    pub expected_total: Option<String>,
}

/// Order that was checked as far as possible without the database.
#[derive(Debug, Clone)]
pub struct Request {
    /// Customer who places the order.
    pub user: UserId,
    /// The order as submitted.
    pub order: Order,
    /// Idempotency key of the client, with the fingerprint of the order.
    pub key: Option<Keyed>,
}

/// Result of an order. Ids and numbers only, because a repeated request is answered from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The booking; `None` if no ticket was free.
    pub booking: Option<BookingId>,
    /// New waitlist entries.
    pub entries: Vec<EntryId>,
    /// Number of tickets booked.
    pub booked: i64,
    /// Number of tickets that the waitlist entries wait for.
    pub queued: i64,
    /// Number of tickets asked for.
    pub requested: i64,
}

/// Decides a batch of requests in one transaction: lock, read, allocate, write, commit. Returns one answer per request,
/// in their order. If it returns an error, nothing was written.
pub(crate) async fn place_all(ctx: &Ctx, requests: &[Request]) -> Result<Vec<Result<Placed, Error>>, DbError> {
    let tx_body = |tx: Tx| async move { place_in(&tx, ctx, requests).await };
    ctx.db.write(Priority::Interactive, tx_body).await
}

async fn place_in(tx: &Tx, ctx: &Ctx, requests: &[Request]) -> Result<Vec<Result<Placed, Error>>, DbError> {
    let parts: Vec<Part> = requests.iter().flat_map(|request| parts(&request.order)).collect();
    let may_queue: Vec<(UserId, EventId)> = requests
        .iter()
        .filter(|request| request.order.fulfilment == Fulfilment::PartialAndWaitlist)
        .map(|request| (request.user, request.order.event))
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    let inventories = inventory::lock(tx, &parts, &may_queue, ctx.now()).await?;
    // Keys are also read under the lock: a repeated request waits for the first one and then finds its answer.
    let stored = Answers::of(tx, requests.iter().filter_map(|request| request.key.as_ref())).await?;

    let mut answers: Vec<Option<Result<Placed, Error>>> = Vec::with_capacity(requests.len());
    let mut allocation_requests: HashMap<EventId, (Vec<usize>, Vec<AllocationRequest>)> = HashMap::new();
    for (at, request) in requests.iter().enumerate() {
        match allocation_request(ctx, request, &inventories, &stored) {
            Ok(Step::AllocationRequest(allocation_request)) => {
                let of_event = allocation_requests.entry(request.order.event).or_default();
                of_event.0.push(at);
                of_event.1.push(allocation_request);
                answers.push(None);
            }
            Ok(Step::Known(placed)) => answers.push(Some(Ok(placed))),
            Err(error) => answers.push(Some(Err(error))),
        }
    }

    let mut change_set = ChangeSet::besides(ctx);
    // In the order of the event ids, so that the same requests and seed give the same references.
    let mut events: Vec<&Inventory> = inventories.values().collect();
    events.sort_by_key(|inventory| inventory.event);
    for before in events {
        let Some((positions, allocation_requests)) = allocation_requests.get(&before.event) else { continue };
        let allocation = allocate(before.clone(), allocation_requests);
        change_set.promote(&allocation.inventory, &allocation.promotions);
        for ((at, allocation_request), outcome) in positions.iter().zip(allocation_requests).zip(&allocation.outcomes) {
            let answer = enter(&mut change_set, &allocation.inventory, &requests[*at], allocation_request, outcome);
            answers[*at] = Some(answer);
        }
        change_set.count(before, &allocation.inventory, !allocation.promotions.is_empty());
    }
    change_set.write(tx).await?;
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::Internal))).collect())
}

/// Returns the parts of the inventory that an order is about.
fn parts(order: &Order) -> Vec<Part> {
    match order.items.as_slice() {
        [] => vec![Part::Any(order.event)],
        items => items.iter().map(|(ticket_type, _)| Part::Type(order.event, *ticket_type)).collect(),
    }
}

enum Step {
    AllocationRequest(AllocationRequest),
    Known(Placed),
}

/// Checks a request as far as that does not depend on free tickets, and turns it into an allocation request. A repeated
/// request gets its stored answer.
fn allocation_request(
    ctx: &Ctx,
    request: &Request,
    inventories: &HashMap<EventId, Inventory>,
    stored: &Answers,
) -> Result<Step, Error> {
    match request.key.as_ref().and_then(|key| stored.recall(key)) {
        Some(Recall::Same(placed)) => return Ok(Step::Known(placed)),
        Some(Recall::Reused) => return Err(Error::KeyReused),
        None => {}
    }
    let order = &request.order;
    let inventory = inventories.get(&order.event).ok_or(Error::EventNotFound)?;
    match inventory.status {
        EventStatus::Draft => return Err(Error::EventNotFound), // a draft does not exist for customers
        EventStatus::Cancelled | EventStatus::Archived => return Err(Error::NotOnSale(inventory.status)),
        EventStatus::Published => {}
    }
    let items = match (order.items.as_slice(), order.quantity, inventory.only_type) {
        ([], Some(quantity), Some(only)) => vec![(only, quantity)],
        ([], _, _) => return Err(Invalid::new("items", "this event has several ticket types: name them").into()),
        (items, _, _) => items.to_vec(),
    };
    let mut fields = Fields::default();
    let mut slots = HashSet::new();
    for (at, (ticket_type, _)) in items.iter().enumerate() {
        match inventory.ticket_type(*ticket_type) {
            Some(ticket_type) if ticket_type.begun => return Err(Error::EventOver),
            Some(ticket_type) => _ = slots.insert(ticket_type.slot),
            None => fields.refuse(format!("items.{at}.ticketTypeId"), "there is no such ticket type at this event"),
        }
    }
    if slots.len() > 1 {
        fields.refuse("items", "one booking is for one date");
    }
    if order.slot.is_some_and(|slot| slots.iter().any(|other| *other != slot)) {
        fields.refuse("slotId", "the tickets are for another date");
    }
    fields.finish(|| Some(()))?;
    if let Some(expected) = &order.expected_total {
        costs(inventory, &items, expected)?;
    }
    let entries = items.iter().map(|_| ctx.id()).collect();
    Ok(Step::AllocationRequest(AllocationRequest { user: request.user, items, fulfilment: order.fulfilment, entries }))
}

/// Refuses an order if its total differs from the total the customer expected.
fn costs(inventory: &Inventory, items: &[(TicketTypeId, i64)], expected: &str) -> Result<(), Error> {
    let currency = Currency::parse(&inventory.currency).ok_or(Error::Internal)?;
    let expected = Money::parse_up_to(expected, currency, MAX_PRICE_MINOR * QUANTITY_MAX).map_err(|error| {
        Invalid::new("expectedTotal", format!("{error} ({} has {} decimals)", currency.code(), currency.exponent()))
    })?;
    let price = |ticket_type| inventory.ticket_type(ticket_type).map_or(0, |ticket_type| ticket_type.price_minor);
    let minor = items
        .iter()
        .map(|(ticket_type, quantity)| quantity.saturating_mul(price(*ticket_type)))
        .fold(0, i64::saturating_add);
    match minor == expected.minor {
        true => Ok(()),
        false => Err(Error::OtherTotal { total: Money { minor, currency } }),
    }
}

/// Adds the outcome of an allocation request to the change set and returns the answer.
fn enter(
    change_set: &mut ChangeSet,
    inventory: &Inventory,
    request: &Request,
    allocation_request: &AllocationRequest,
    outcome: &Outcome,
) -> Result<Placed, Error> {
    let (booked, queued) = match outcome {
        Outcome::Refused { available, requested } => {
            return Err(Error::NotEnoughTickets { available: *available, requested: *requested });
        }
        Outcome::Repeated { waiting } => return Err(Error::WaitingForTheSame { waiting: *waiting }),
        Outcome::Granted { booked, queued } => (booked, queued),
    };
    let requested: i64 = allocation_request.items.iter().map(|(_, quantity)| quantity).sum();
    let tickets: i64 = booked.iter().map(|(_, quantity)| quantity).sum();
    let placed = Placed {
        booking: change_set.book(inventory, allocation_request.user, booked, None, Some(allocation_request.user)),
        entries: queued.iter().map(|queued| change_set.queue(inventory, queued)).collect(),
        booked: tickets,
        queued: if queued.is_empty() { 0 } else { requested - tickets },
        requested,
    };
    change_set.answer(request.key.as_ref(), &placed);
    Ok(placed)
}
