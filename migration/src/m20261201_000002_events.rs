//! Events: their slots, quotas and ticket types, the words of a search, and the narrow rows that count tickets.
//! Not here: bookings and the waitlist, which only refer to these.

crate::step!(
    "
CREATE TABLE event (
    id           @uuid NOT NULL PRIMARY KEY,
    organizer_id @uuid NOT NULL REFERENCES organizer (id),
    slug         TEXT NOT NULL UNIQUE,         -- readable address; fixed once given
    title        TEXT NOT NULL,
    description  TEXT NOT NULL,
    venue        TEXT NOT NULL,
    time_zone    TEXT NOT NULL,                -- IANA name: local times of a venue survive changes of daylight saving rules
    currency     TEXT NOT NULL,                -- ISO 4217; one per event, so sums never mix
    status       TEXT NOT NULL CHECK (status IN ('DRAFT', 'PUBLISHED', 'CANCELLED', 'ARCHIVED')),
    confirmation TEXT NOT NULL CHECK (confirmation IN ('AUTO', 'APPROVAL', 'PAYMENT', 'APPROVAL_THEN_PAYMENT')),
    starts_at    @int NOT NULL,                -- of its first slot; repeated here because browsing sorts and pages by it
    ends_at      @int NOT NULL,                -- of its last slot; decides when the event is over
    cheapest_minor @int NOT NULL DEFAULT 0,    -- lowest price of its ticket types; repeated here because lists filter by it
    search_version @int NOT NULL DEFAULT 0,    -- version of the rules its words were made by; the sweep indexes older versions anew
    created_at   @int NOT NULL,
    updated_at   @int NOT NULL,
    published_at @int,
    CHECK (ends_at > starts_at)
) @table;

-- Lists and counts of the catalog, whatever the filter: every column they read stands in the index.
CREATE INDEX event_by_time ON event (status, starts_at, id, ends_at, currency, cheapest_minor);

CREATE INDEX event_by_publication ON event (status, published_at, id, starts_at, ends_at, currency, cheapest_minor);

-- An organizer's own list.
CREATE INDEX event_by_organizer ON event (organizer_id, starts_at, id);

-- The catalog of one organizer.
CREATE INDEX event_of_organizer ON event (organizer_id, status, starts_at, id, ends_at, currency, cheapest_minor);

-- Everything of one organizer, newest publication first.
CREATE INDEX event_of_organizer_by_publication ON event (organizer_id, published_at, id);

-- All events, for administrators.
CREATE INDEX event_by_start ON event (starts_at, id);

CREATE INDEX event_by_any_publication ON event (published_at, id);

CREATE INDEX event_by_search_version ON event (search_version);

-- The words of titles and venues, normalised; a search asks for their beginnings.
CREATE TABLE event_word (
    listed   @int NOT NULL CHECK (listed IN (0, 1)), -- 1: the event is published; the past grows, and searches of the catalog must not pass it
    word     TEXT @bytes NOT NULL,
    event_id @uuid NOT NULL REFERENCES event (id),
    PRIMARY KEY (listed, word, event_id)
) @table;

-- Whether an event has another word that is asked for; replacing the words of an event.
CREATE INDEX event_word_by_event ON event_word (event_id, word);

-- One bookable date and time. A simple event has one.
CREATE TABLE slot (
    id        @uuid NOT NULL PRIMARY KEY,
    event_id  @uuid NOT NULL REFERENCES event (id),
    starts_at @int NOT NULL,
    ends_at   @int NOT NULL,
    CHECK (ends_at > starts_at)
) @table;

CREATE INDEX slot_by_event ON slot (event_id, starts_at);

-- The tickets that one or more ticket types share. Narrow and hot: every sale updates it, so nothing else stands here.
CREATE TABLE quota (
    id       @uuid NOT NULL PRIMARY KEY,
    event_id @uuid NOT NULL,                   -- no foreign key on hot rows: the event exists before its quota and is never deleted while sold
    capacity @int NOT NULL,
    sold     @int NOT NULL DEFAULT 0,          -- tickets of confirmed bookings
    held     @int NOT NULL DEFAULT 0,          -- tickets with a deadline: holds, pending bookings, offers
    open     @int NOT NULL DEFAULT 0,          -- free tickets that no entry in turn is given first; written by each commit that changes occupancy
    waiting  @int NOT NULL DEFAULT 0,          -- tickets that open waitlist entries still want
    revision @int NOT NULL DEFAULT 0,          -- stock.revision of its last change
    CHECK (sold >= 0 AND held >= 0 AND sold + held <= capacity),
    CHECK (open >= 0 AND waiting >= 0)
) @hot;

CREATE INDEX quota_by_event ON quota (event_id);

-- Quotas with a waitlist, for ending those of events that have begun.
CREATE INDEX quota_waiting ON quota (event_id) WHERE waiting > 0;

-- A category of tickets at a price.
CREATE TABLE ticket_type (
    id          @uuid NOT NULL PRIMARY KEY,
    event_id    @uuid NOT NULL REFERENCES event (id),
    slot_id     @uuid NOT NULL REFERENCES slot (id),
    quota_id    @uuid NOT NULL REFERENCES quota (id),
    name        TEXT NOT NULL,
    price_minor @int NOT NULL CHECK (price_minor >= 0),
    position    @int NOT NULL DEFAULT 0        -- order of display
) @table;

CREATE INDEX ticket_type_by_event ON ticket_type (event_id, position);

-- Deleting a slot or quota asks whether a type still names it.
CREATE INDEX ticket_type_by_slot ON ticket_type (slot_id);

CREATE INDEX ticket_type_by_quota ON ticket_type (quota_id);

-- The lock root: a transaction that changes occupancy of an event locks this row first. No foreign key points here or from here,
-- because a foreign key check would take the same lock from another direction.
CREATE TABLE stock (
    event_id    @uuid NOT NULL PRIMARY KEY,
    revision    @int NOT NULL DEFAULT 0,       -- rises by one per commit that changes availability
    waitlist_tail @int NOT NULL DEFAULT 0,     -- last position key given on the waitlist
    terms       @int NOT NULL DEFAULT 0,       -- rises when day, venue or price of a published event change: earlier entries ask their customers first
    next_expiry @int                           -- earliest deadline among held tickets; null: none
) @hot;

-- Values that an update changed, old and new. Apart from the domain_event, because domain events are immutable and these texts may name people.
CREATE TABLE event_change (
    id        @uuid NOT NULL,                  -- the update; a domain event refers to it
    event_id  @uuid NOT NULL REFERENCES event (id),
    field     TEXT NOT NULL,
    old_value TEXT NOT NULL,
    new_value TEXT NOT NULL,
    PRIMARY KEY (id, field)
) @table;

-- Changes of an event, for its deletion.
CREATE INDEX event_change_by_event ON event_change (event_id);
",
    "
DROP TABLE event_change;
DROP TABLE stock;
DROP TABLE ticket_type;
DROP TABLE quota;
DROP TABLE slot;
DROP TABLE event_word;
DROP TABLE event;
"
);
