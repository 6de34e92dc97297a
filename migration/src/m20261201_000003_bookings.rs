//! Bookings and waitlist entries; and the outcomes kept for repeated requests.
//! Not here: counters (quota, stock) and notices.

crate::step!(
    "
CREATE TABLE booking (
    id            @uuid NOT NULL PRIMARY KEY,
    reference     TEXT NOT NULL UNIQUE,        -- EVT-7K3F9Q: read out by customers, so without look-alike letters
    event_id      @uuid NOT NULL REFERENCES event (id),
    slot_id       @uuid NOT NULL,              -- of the event; no reference: deleting a draft would search all bookings
    user_id       @uuid NOT NULL REFERENCES users (id),
    status        TEXT NOT NULL CHECK (status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED', 'CANCELLED', 'REJECTED', 'EXPIRED')),
    entry_id      @uuid,                       -- the waitlist entry it was promoted from; null: booked directly
    cancel_reason TEXT CHECK (cancel_reason IN ('BY_CUSTOMER', 'BY_ORGANIZER', 'EVENT_CANCELLED')),
    created_at    @int NOT NULL,
    updated_at    @int NOT NULL
) @table;

-- My bookings, newest first: ids are time-ordered.
CREATE INDEX booking_by_user ON booking (user_id, id);

-- An organizer's list of an event's bookings.
CREATE INDEX booking_by_event ON booking (event_id, id);

-- An event's bookings in one status, newest first: a rare status among many bookings.
CREATE INDEX booking_by_status ON booking (event_id, status, id);

-- The audience of an event's news, customer by customer, also once it was called off.
CREATE INDEX booking_by_audience ON booking (event_id, user_id, id);

-- The next live bookings of an event: calling it off, and telling its customers.
CREATE INDEX booking_live ON booking (event_id, user_id, id)
    WHERE status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED');

CREATE TABLE booking_item (
    id               @uuid NOT NULL PRIMARY KEY,
    booking_id       @uuid NOT NULL REFERENCES booking (id),
    ticket_type_id   @uuid NOT NULL,           -- of the booking's event; see booking.slot_id
    quantity         @int NOT NULL CHECK (quantity > 0),
    unit_price_minor @int NOT NULL CHECK (unit_price_minor >= 0)   -- as it was when booked: later price changes do not reach back
) @table;

CREATE INDEX booking_item_by_booking ON booking_item (booking_id);

-- A waitlist entry.
CREATE TABLE waitlist_entry (
    id             @uuid NOT NULL PRIMARY KEY,
    event_id       @uuid NOT NULL REFERENCES event (id),
    ticket_type_id @uuid NOT NULL,             -- of the event; see booking.slot_id
    quota_id       @uuid NOT NULL,             -- the waitlist is per quota: types that share tickets share a waitlist
    user_id        @uuid NOT NULL REFERENCES users (id),
    status         TEXT NOT NULL CHECK (status IN ('WAITING', 'FULFILLED', 'LEFT', 'CLOSED')),
    quantity       @int NOT NULL CHECK (quantity >= 0),            -- tickets still wanted
    granted        @int NOT NULL DEFAULT 0 CHECK (granted >= 0),   -- tickets already promoted to bookings
    accepts_part   @int NOT NULL CHECK (accepts_part IN (0, 1)),   -- 1: takes fewer tickets than wanted when that is what is free
    asked          @int NOT NULL,                                  -- tickets of the order behind it, booked ones included: a repetition is recognised by it
    position_key   @int NOT NULL,                                  -- order on the waitlist, from stock.waitlist_tail
    terms          @int NOT NULL,              -- stock.terms its customer agreed to: the entry is in turn while both are equal; -1: passed over until tickets the customer gave back are sold
    created_at     @int NOT NULL,
    updated_at     @int NOT NULL
) @table;

-- The entries of a quota by position: its front, and the number of entries before another.
CREATE INDEX waitlist_by_position ON waitlist_entry (quota_id, position_key) WHERE status = 'WAITING';

-- The entries in turn, front first.
CREATE INDEX waitlist_front ON waitlist_entry (quota_id, terms, position_key) WHERE status = 'WAITING';

-- Open entries of a customer at an event; a customer may have several.
CREATE INDEX waitlist_open ON waitlist_entry (user_id, event_id) WHERE status = 'WAITING';

-- Open entries for a ticket type, to end them once its slot has begun.
CREATE INDEX waitlist_of_type ON waitlist_entry (ticket_type_id) WHERE status = 'WAITING';

-- Open entries of an event, whatever the quota.
CREATE INDEX waitlist_waiting ON waitlist_entry (event_id, position_key) WHERE status = 'WAITING';

-- A customer's entries; an organizer's view of an event's waitlist.
CREATE INDEX waitlist_by_user ON waitlist_entry (user_id, id);
CREATE INDEX waitlist_by_event ON waitlist_entry (event_id, position_key);

-- Customers with entries at an event, one by one, as its news reach them.
CREATE INDEX waitlist_by_audience ON waitlist_entry (event_id, user_id, id);

-- The first answer to a keyed request, written in that request's own transaction. Kept at least 24 hours.
CREATE TABLE idempotency (
    user_id     @uuid NOT NULL,
    key         TEXT NOT NULL,
    operation   TEXT NOT NULL,                 -- the mutation: one key serves one kind of request
    fingerprint TEXT NOT NULL,                 -- SHA-256 of the input: another input under the same key is refused
    outcome     TEXT NOT NULL,                 -- JSON of ids and numbers; the payload is resolved anew
    created_at  @int NOT NULL,
    PRIMARY KEY (user_id, key)
) @table;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
",
    "
DROP TABLE idempotency;
DROP TABLE waitlist_entry;
DROP TABLE booking_item;
DROP TABLE booking;
"
);
