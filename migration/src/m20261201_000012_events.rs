//! Finding events: the words of a search, the price of a filter, and indexes that answer a list without reading events.
//! Not here: how words are normalised (`event::search`); events that stand here already are indexed by the sweep.

crate::step!(
    "
-- The cheapest of the event's ticket types, repeated here because lists filter by it.
ALTER TABLE event ADD COLUMN cheapest_minor @int NOT NULL DEFAULT 0;

UPDATE event SET cheapest_minor = coalesce((SELECT min(t.price_minor) FROM ticket_type t WHERE t.event_id = event.id), 0);

-- Version of the rules its words were made by; 0: it has none yet. The sweep indexes events of older versions anew.
ALTER TABLE event ADD COLUMN search_version @int NOT NULL DEFAULT 0;

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

-- Lists and counts of the catalog, whatever the filter: everything they ask stands in the index.
DROP INDEX event_by_time;
DROP INDEX event_by_publication;
CREATE INDEX event_by_time ON event (status, starts_at, id, ends_at, currency, cheapest_minor);
CREATE INDEX event_by_publication ON event (status, published_at, id, starts_at, ends_at, currency, cheapest_minor);

-- The catalog of one organizer.
CREATE INDEX event_of_organizer ON event (organizer_id, status, starts_at, id, ends_at, currency, cheapest_minor);

-- Everything of one organizer, newest publication first.
CREATE INDEX event_of_organizer_by_publication ON event (organizer_id, published_at, id);

-- Everything there is, for admins.
CREATE INDEX event_by_start ON event (starts_at, id);
CREATE INDEX event_by_any_publication ON event (published_at, id);

-- An event's bookings in one status, newest first: a rare status among many bookings.
CREATE INDEX booking_by_status ON booking (event_id, status, id);

-- People who wait or waited for an event, person by person, as its news reach them.
CREATE INDEX waitlist_by_audience ON waitlist_entry (event_id, user_id, id);
",
    "
DROP INDEX waitlist_by_audience;
DROP INDEX booking_by_status;
DROP INDEX event_by_any_publication;
DROP INDEX event_by_start;
DROP INDEX event_of_organizer_by_publication;
DROP INDEX event_of_organizer;
DROP INDEX event_by_publication;
DROP INDEX event_by_time;
CREATE INDEX event_by_time ON event (status, starts_at, id);
CREATE INDEX event_by_publication ON event (status, published_at, id);
DROP TABLE event_word;
DROP INDEX event_by_search_version;
ALTER TABLE event DROP COLUMN search_version;
ALTER TABLE event DROP COLUMN cheapest_minor;
"
);
