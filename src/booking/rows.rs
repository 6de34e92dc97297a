//! The rows a change set writes, a type per statement.
//! Not here: how they come about (`change_set`).

use crate::clock::Timestamp;
use crate::db::record;
use crate::id::{BookingId, BookingItemId, EntryId, EventId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::{BookingStatus, CancelReason, WaitlistStatus};

record! {
    /// A new booking.
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
    /// A line of a new booking.
    pub(super) struct ItemRow {
        id: BookingItemId,
        booking_id: BookingId,
        ticket_type_id: TicketTypeId,
        quantity: i64,
        unit_price_minor: i64,
    }
}

record! {
    /// A new place in the waitlist.
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
    /// An entry that got tickets.
    pub(super) struct Served {
        id: EntryId,
        granted: i64,
    }
}

record! {
    /// An entry that ended without tickets.
    pub(super) struct Ended {
        id: EntryId,
        status: WaitlistStatus,
    }
}

record! {
    /// A booking that no longer claims tickets.
    pub(super) struct Cancelled {
        id: BookingId,
        cancel_reason: CancelReason,
    }
}

record! {
    /// An entry that agreed to other terms, or is set aside.
    pub(super) struct Agreed {
        id: EntryId,
        terms: i64,
    }
}

record! {
    /// By how much the counters of a quota change, and what is open then.
    pub(super) struct QuotaDelta {
        id: QuotaId,
        sold: i64,
        held: i64,
        capacity: i64,
        waiting: i64,
        open: i64,
    }
}

record! {
    /// A quota that has nothing left to give back.
    pub(super) struct SoldOut {
        quota_id: QuotaId,
        terms: i64,
    }
}

record! {
    /// An event's revision and line as they are left.
    pub(super) struct StockRow {
        event_id: EventId,
        revision: i64,
        waitlist_tail: i64,
    }
}

record! {
    /// A reference that may be taken.
    pub(super) struct Reference {
        reference: String,
    }
}
