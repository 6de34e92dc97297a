//! How a booking happens: check the request, hand it to the desk, and what the desk does with a batch of them.
//! Not here: collecting requests into batches (`desk`) and deciding who gets what (`allocate`).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::allocate::{Floor, Outcome, Wish, allocate};
use super::desk::Desk;
use super::settle::Ledger;
use super::{Error, ITEMS_MAX, PLACES_MAX, floor};
use crate::access::Action;
use crate::ctx::Ctx;
use crate::db::{DbError, Lane, Tx};
use crate::id::{BookingId, EntryId, EventId, SlotId, TicketTypeId, UserId};
use crate::idempotency::{self, Key, Recall, Stored};
use crate::money::{Currency, MAX_PRICE_MINOR, Money};
use crate::status::{EventStatus, Fulfilment};
use crate::text::{Fields, Invalid};

/// The name idempotency keys of this verb are kept under.
const OPERATION: &str = "createBooking";

/// What a customer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Places at which event.
    pub event: EventId,
    /// At which of its dates; may be left out when there is one.
    pub slot: Option<SlotId>,
    /// Which kinds of places, and how many of each; empty: `quantity` of the only kind.
    pub items: Vec<(TicketTypeId, i64)>,
    /// How many places of the only kind.
    pub quantity: Option<i64>,
    /// What to do when fewer are free.
    pub fulfilment: Fulfilment,
    /// What all places asked for are expected to cost, as decimal text in the event's currency. Not in the fingerprint of
    /// orders that leave it out: those are what they were before there was such a thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<String>,
}

/// An order that was checked as far as it can be without the database.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who.
    pub user: UserId,
    /// What.
    pub order: Order,
    /// The client's key and the fingerprint of the order.
    pub key: Option<(String, String)>,
}

/// What an order led to. Ids and numbers: this is what a repeated request is answered from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The booking; none: nothing was free.
    pub booking: Option<BookingId>,
    /// Places in the line.
    pub entries: Vec<EntryId>,
    /// Places booked.
    pub booked: i64,
    /// Places asked for that are being waited for.
    pub queued: i64,
    /// Places asked for.
    pub requested: i64,
}

/// Places an order.
pub async fn place(ctx: &Ctx, desk: &Desk, order: Order, key: Option<String>) -> Result<Placed, Error> {
    ctx.allow(Action::BookPlaces)?;
    let user = ctx.actor.user_id().ok_or(crate::ctx::Denied::SignIn)?;
    let mut fields = Fields::default();
    check(&order, &mut fields);
    if key.as_deref().is_some_and(|key| !idempotency::is_valid_key(key)) {
        fields.refuse("idempotencyKey", "must be 1 to 255 visible ASCII characters");
    }
    fields.finish(|| Some(()))?;
    let key = key.map(|key| (key, idempotency::fingerprint(&order)));
    desk.submit(Request { user, order, key }).await
}

/// Everything that is wrong with an order whatever event it is for.
fn check(order: &Order, fields: &mut Fields) {
    let range = format!("must be between 1 and {PLACES_MAX}");
    let is_positive = |quantity: i64| (1..=PLACES_MAX).contains(&quantity);
    match (order.items.as_slice(), order.quantity) {
        ([], None) => return fields.refuse("quantity", "say how many places: quantity, or items"),
        ([], Some(quantity)) if is_positive(quantity) => return,
        ([], Some(_)) => return fields.refuse("quantity", range),
        (_, Some(_)) => fields.refuse("quantity", "give quantity or items, not both"),
        (_, None) => {}
    }
    if order.items.len() > ITEMS_MAX {
        return fields.refuse("items", format!("must not be more than {ITEMS_MAX}"));
    }
    let mut kinds = HashSet::new();
    for (at, (kind, quantity)) in order.items.iter().enumerate() {
        if !is_positive(*quantity) {
            fields.refuse(format!("items.{at}.quantity"), range.clone());
        }
        if !kinds.insert(kind) {
            fields.refuse(format!("items.{at}.ticketTypeId"), "name each ticket type once");
        }
    }
    if order.items.iter().all(|(_, quantity)| is_positive(*quantity))
        && !is_positive(order.items.iter().map(|(_, quantity)| quantity).sum())
    {
        fields.refuse("items", format!("must be {PLACES_MAX} places in all at most"));
    }
}

/// Decides a batch of requests in one transaction: lock, read, allocate, write, commit. One answer per request, in
/// their order; an error of the whole means nothing was written.
pub(crate) async fn place_all(ctx: &Ctx, requests: &[Request]) -> Result<Vec<Result<Placed, Error>>, DbError> {
    let tx_body = |tx: Tx| async move { place_in(&tx, ctx, requests).await };
    ctx.db.write(Lane::Interactive, tx_body).await
}

async fn place_in(tx: &Tx, ctx: &Ctx, requests: &[Request]) -> Result<Vec<Result<Placed, Error>>, DbError> {
    let events: Vec<EventId> = requests.iter().map(|request| request.order.event).collect();
    let may_queue: Vec<(UserId, EventId)> = requests
        .iter()
        .filter(|request| request.order.fulfilment == Fulfilment::PartialAndWaitlist)
        .map(|request| (request.user, request.order.event))
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    let floors = floor::lock(tx, &events, &may_queue, ctx.now()).await?;
    // Keys are read under the lock too: a repeated request waits for the first one and then finds its answer.
    let stored = stored_answers(tx, requests).await?;

    let mut answers: Vec<Option<Result<Placed, Error>>> = Vec::with_capacity(requests.len());
    let mut wishes: HashMap<EventId, (Vec<usize>, Vec<Wish>)> = HashMap::new();
    for (at, request) in requests.iter().enumerate() {
        match wish(ctx, request, &floors, &stored) {
            Ok(Step::Wish(wish)) => {
                let of_event = wishes.entry(request.order.event).or_default();
                of_event.0.push(at);
                of_event.1.push(wish);
                answers.push(None);
            }
            Ok(Step::Known(placed)) => answers.push(Some(Ok(placed))),
            Err(error) => answers.push(Some(Err(error))),
        }
    }

    let mut ledger = Ledger::besides(ctx);
    // In the order of their ids, so that the same requests and seed give the same references.
    let mut events: Vec<&Floor> = floors.values().collect();
    events.sort_by_key(|floor| floor.event);
    for before in events {
        let Some((places, wishes)) = wishes.get(&before.event) else { continue };
        let allocation = allocate(before.clone(), wishes);
        ledger.promote(&allocation.floor, &allocation.promotions);
        for ((at, wish), outcome) in places.iter().zip(wishes).zip(&allocation.outcomes) {
            let answer = enter(&mut ledger, &allocation.floor, &requests[*at], wish, outcome);
            answers[*at] = Some(answer);
        }
        ledger.count(before, &allocation.floor, !allocation.promotions.is_empty());
    }
    ledger.write(tx).await?;
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::Internal))).collect())
}

enum Step {
    Wish(Wish),
    Known(Placed),
}

async fn stored_answers(tx: &Tx, requests: &[Request]) -> Result<HashMap<(UserId, String), Stored>, DbError> {
    let keys: Vec<Key> = requests
        .iter()
        .filter_map(|request| request.key.as_ref().map(|(key, _)| Key { user_id: request.user, key: key.clone() }))
        .collect();
    let stored = idempotency::look_up(tx, &keys).await?;
    Ok(stored.into_iter().map(|stored| ((stored.user_id, stored.key.clone()), stored)).collect())
}

/// Everything that can refuse a request before anybody asks how many places are free.
fn wish(
    ctx: &Ctx,
    request: &Request,
    floors: &HashMap<EventId, Floor>,
    stored: &HashMap<(UserId, String), Stored>,
) -> Result<Step, Error> {
    if let Some((key, fingerprint)) = &request.key
        && let Some(stored) = stored.get(&(request.user, key.clone()))
    {
        return match stored.recall(OPERATION, fingerprint) {
            Recall::Same(placed) => Ok(Step::Known(placed)),
            Recall::Reused => Err(Error::KeyReused),
        };
    }
    let order = &request.order;
    let floor = floors.get(&order.event).ok_or(Error::EventNotFound)?;
    match floor.status {
        EventStatus::Draft => return Err(Error::EventNotFound), // a draft does not exist for customers
        EventStatus::Cancelled | EventStatus::Archived => return Err(Error::NotOnSale(floor.status)),
        EventStatus::Published if floor.begun => return Err(Error::EventOver),
        EventStatus::Published => {}
    }
    let items = match (order.items.as_slice(), order.quantity, floor.kinds.as_slice()) {
        ([], Some(quantity), [only]) => vec![(only.id, quantity)],
        ([], _, _) => return Err(Invalid::new("items", "this event has several ticket types: name them").into()),
        (items, _, _) => items.to_vec(),
    };
    let mut fields = Fields::default();
    let mut slots = HashSet::new();
    for (at, (kind, _)) in items.iter().enumerate() {
        match floor.kind(*kind) {
            Some(kind) => _ = slots.insert(kind.slot),
            None => fields.refuse(format!("items.{at}.ticketTypeId"), "there is no such ticket type at this event"),
        }
    }
    if slots.len() > 1 {
        fields.refuse("items", "one booking is for one date");
    }
    if order.slot.is_some_and(|slot| !floor.kinds.iter().any(|kind| kind.slot == slot)) {
        fields.refuse("slotId", "there is no such date at this event");
    } else if order.slot.is_some_and(|slot| slots.iter().any(|other| *other != slot)) {
        fields.refuse("slotId", "the tickets are for another date");
    }
    fields.finish(|| Some(()))?;
    if let Some(expected) = &order.expected_total {
        costs(floor, &items, expected)?;
    }
    let entries = items.iter().map(|_| ctx.id()).collect();
    Ok(Step::Wish(Wish { user: request.user, items, fulfilment: order.fulfilment, entries }))
}

/// Refuses an order whose places cost something else than its customer was shown.
fn costs(floor: &Floor, items: &[(TicketTypeId, i64)], expected: &str) -> Result<(), Error> {
    let currency = Currency::parse(&floor.currency).ok_or(Error::Internal)?;
    let expected = Money::parse_up_to(expected, currency, MAX_PRICE_MINOR * PLACES_MAX).map_err(|error| {
        Invalid::new("expectedTotal", format!("{error} ({} has {} decimals)", currency.code(), currency.exponent()))
    })?;
    let price = |kind| floor.kind(kind).map_or(0, |kind| kind.price_minor);
    let minor = items.iter().map(|(kind, quantity)| quantity.saturating_mul(price(*kind))).fold(0, i64::saturating_add);
    match minor == expected.minor {
        true => Ok(()),
        false => Err(Error::OtherTotal { total: Money { minor, currency } }),
    }
}

/// Enters what a wish got into the ledger and makes the answer.
fn enter(
    ledger: &mut Ledger,
    floor: &Floor,
    request: &Request,
    wish: &Wish,
    outcome: &Outcome,
) -> Result<Placed, Error> {
    let (booked, queued) = match outcome {
        Outcome::Refused { available, requested } => {
            return Err(Error::NotEnoughPlaces { available: *available, requested: *requested });
        }
        Outcome::Repeated { waiting } => return Err(Error::WaitingForTheSame { waiting: *waiting }),
        Outcome::Granted { booked, queued } => (booked, queued),
    };
    let requested: i64 = wish.items.iter().map(|(_, quantity)| quantity).sum();
    let places: i64 = booked.iter().map(|(_, quantity)| quantity).sum();
    let placed = Placed {
        booking: ledger.book(floor, wish.user, booked, None, Some(wish.user)),
        entries: queued.iter().map(|queued| ledger.queue(floor, queued)).collect(),
        booked: places,
        queued: if queued.is_empty() { 0 } else { requested - places },
        requested,
    };
    if let Some((key, fingerprint)) = &request.key {
        let now = ledger.now();
        ledger.answer(idempotency::answer(wish.user, key.clone(), OPERATION, fingerprint.clone(), &placed, now));
    }
    Ok(placed)
}
