//! Conditions under which newcomers can book an event, for statements that read or filter by it.
//! Not here: how many tickets are open (`quota.open`, counted by `booking`).

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition};

use crate::clock::Micros;
use crate::entity::event::Column;
use crate::status::EventStatus;

/// Statuses whose open tickets count. Those of a draft can be booked once it is published; nobody else sees it.
const STATUSES: [EventStatus; 2] = [EventStatus::Draft, EventStatus::Published];

/// Whether the time and status of event `e` allow bookings at instant `$2`.
pub const BOOKABLE: &str = "e.status IN ('DRAFT', 'PUBLISHED') AND e.starts_at > $2";

/// Events with at least one ticket that a newcomer can book at `now`.
pub fn has_places(now: Micros) -> Condition {
    let open = Expr::cust("EXISTS (SELECT 1 FROM quota q WHERE q.event_id = event.id AND q.open > 0)");
    Condition::all().add(Column::Status.is_in(STATUSES)).add(Column::StartsAt.gt(now)).add(open)
}

/// The others.
pub fn has_no_places(now: Micros) -> Condition {
    has_places(now).not()
}
