//! Rows that a change set writes, a type per statement.
//! Not here: the values (`change_set`).

use crate::clock::Timestamp;
use crate::db::record;
use crate::id::{BookingId, BookingItemId, EntryId, EventId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::{BookingStatus, CancelReason, WaitlistStatus};

record! {
    /// Row of a new booking.
    pub(super) struct BookingRow {
        id: BookingId,
        reference: String,
        event_id: EventId,
        slot_id: SlotId,
        user_id: UserId,
        status: BookingStatus,
        entry_id: Option<EntryId>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

record! {
    /// Item of a new booking.
    pub(super) struct ItemRow {
        id: BookingItemId,
        booking_id: BookingId,
        ticket_type_id: TicketTypeId,
        quantity: i64,
        unit_price_minor: i64,
    }
}

record! {
    /// New entry of the waitlist.
    pub(super) struct EntryRow {
        id: EntryId,
        event_id: EventId,
        ticket_type_id: TicketTypeId,
        quota_id: QuotaId,
        user_id: UserId,
        status: WaitlistStatus,
        quantity: i64,
        granted: i64,
        accepts_part: i64,
        position_key: i64,
        terms: i64,
        asked: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

record! {
    /// Entry that was given tickets.
    pub(super) struct Served {
        id: EntryId,
        granted: i64,
    }
}

record! {
    /// Entry that ended without tickets.
    pub(super) struct Ended {
        id: EntryId,
        status: WaitlistStatus,
    }
}

record! {
    /// Booking that no longer claims tickets.
    pub(super) struct Cancelled {
        id: BookingId,
        cancel_reason: CancelReason,
    }
}

record! {
    /// Entry that agreed to other terms, or is set aside.
    pub(super) struct Agreed {
        id: EntryId,
        terms: i64,
    }
}

record! {
    /// Differences of a quota's counters, and its open tickets afterwards.
    pub(super) struct QuotaDelta {
        id: QuotaId,
        sold: i64,
        held: i64,
        capacity: i64,
        waiting: i64,
        open: i64,
        revision: i64,
    }
}

record! {
    /// Quota with no free tickets left.
    pub(super) struct SoldOut {
        quota_id: QuotaId,
        terms: i64,
    }
}

record! {
    /// Revision and last position key of an event after the change.
    pub(super) struct StockRow {
        event_id: EventId,
        revision: i64,
        waitlist_tail: i64,
    }
}

record! {
    /// Reference that may be taken.
    pub(super) struct Reference {
        reference: String,
    }
}
