//! Who has which place and who waits for one; and the answers kept for repeated requests.
//! Not here: counters (quota, stock) and what was told to whom (notices).

crate::step!(
    "
CREATE TABLE booking (
    id            @uuid NOT NULL PRIMARY KEY,
    reference     TEXT NOT NULL UNIQUE,        -- EVT-7K3F9Q: what people read out; no look-alike letters
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

-- Whom an event's news concern, person by person, once it was called off too.
CREATE INDEX booking_by_audience ON booking (event_id, user_id, id);

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
    position_key        @int NOT NULL,                                  -- order in the waitlist, from stock.waitlist_tail
    created_at     @int NOT NULL,
    updated_at     @int NOT NULL
) @table;

-- The waitlist itself: its head, and how many stand before somebody.
CREATE INDEX waitlist_line ON waitlist_entry (quota_id, position_key) WHERE status = 'WAITING';

-- One open entry per user and type.
CREATE UNIQUE INDEX waitlist_open ON waitlist_entry (user_id, ticket_type_id) WHERE status = 'WAITING';

-- My entries; an organizer's view of an event's line.
CREATE INDEX waitlist_by_user ON waitlist_entry (user_id, id);
CREATE INDEX waitlist_by_event ON waitlist_entry (event_id, position_key);

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
