//! Creates a booking: checks an order and submits it to the batcher.
//! Not here: the transaction (`order`), and the decision (`allocate`).

use std::collections::HashSet;

use super::batcher::Batcher;
use super::order::{OPERATION, Order, Placed, Request};
use super::{Error, ITEMS_MAX, QUANTITY_MAX};
use crate::access::Action;
use crate::ctx::Ctx;
use crate::idempotency::{self, Keyed};
use crate::text::Fields;

/// Places an order and returns its result.
#[tracing::instrument(level = "debug", skip_all, fields(event = %order.event))]
pub async fn create(ctx: &Ctx, batcher: &Batcher, order: Order, key: Option<String>) -> Result<Placed, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.user()?;
    let mut fields = Fields::default();
    check(&order, &mut fields);
    if key.as_deref().is_some_and(|key| !idempotency::is_valid_key(key)) {
        fields.refuse("idempotencyKey", "must be 1 to 255 visible ASCII characters");
    }
    fields.finish(|| Some(()))?;
    let key = Keyed::of(user, key, OPERATION, &order);
    batcher.submit(Request { user, order, key }).await
}

/// Checks an order as far as that does not depend on the event.
fn check(order: &Order, fields: &mut Fields) {
    let range = format!("must be between 1 and {QUANTITY_MAX}");
    let is_positive = |quantity: i64| (1..=QUANTITY_MAX).contains(&quantity);
    match (order.items.as_slice(), order.quantity) {
        ([], None) => return fields.refuse("quantity", "say how many tickets: quantity, or items"),
        ([], Some(quantity)) if is_positive(quantity) => return,
        ([], Some(_)) => return fields.refuse("quantity", range),
        (_, Some(_)) => fields.refuse("quantity", "give quantity or items, not both"),
        (_, None) => {}
    }
    if order.items.len() > ITEMS_MAX {
        return fields.refuse("items", format!("must not be more than {ITEMS_MAX}"));
    }
    let mut ticket_types = HashSet::new();
    for (at, (ticket_type, quantity)) in order.items.iter().enumerate() {
        if !is_positive(*quantity) {
            fields.refuse(format!("items.{at}.quantity"), range.clone());
        }
        if !ticket_types.insert(ticket_type) {
            fields.refuse(format!("items.{at}.ticketTypeId"), "name each ticket type once");
        }
    }
    if order.items.iter().all(|(_, quantity)| is_positive(*quantity))
        && !is_positive(order.items.iter().map(|(_, quantity)| quantity).sum())
    {
        fields.refuse("items", format!("must be {QUANTITY_MAX} tickets in all at most"));
    }
}
