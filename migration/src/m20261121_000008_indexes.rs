//! Indexes of what is still open, so that ending it in chunks does not pass everything ended before.
//! Not here: indexes a table was made with.

crate::step!(
    "
-- The next live bookings of an event: calling it off, and telling its customers.
CREATE INDEX booking_live ON booking (event_id, user_id, id)
    WHERE status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED');

-- The next who still wait, whatever the quota.
CREATE INDEX waitlist_waiting ON waitlist_entry (event_id, position_key) WHERE status = 'WAITING';
",
    "
DROP INDEX waitlist_waiting;
DROP INDEX booking_live;
"
);
