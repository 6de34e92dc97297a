//! Notices: the numbered inbox of each user, its notices, and the record of deliveries.
//! Not here: their texts, which are rendered when read or sent.

crate::step!(
    "
-- One row per user with notices. Its lock orders that user's notices: commit order is `seq` order.
CREATE TABLE inbox (
    user_id  @uuid NOT NULL PRIMARY KEY,
    last_seq @int NOT NULL,                    -- number of the newest notice
    read_seq @int NOT NULL DEFAULT 0           -- everything up to here was acknowledged
) @hot;

CREATE TABLE notice (
    user_id    @uuid NOT NULL,
    seq        @int NOT NULL,                  -- contiguous per user, from 1
    domain_event_id @uuid NOT NULL,            -- first cause; further ones stand in notice_cause
    kind       TEXT NOT NULL,                  -- of the notice, chosen by the reaction
    audience   TEXT NOT NULL,                  -- side it addresses: one cause reads differently to a customer and an organizer
    cause      TEXT NOT NULL,                  -- kind of the first cause
    v          @int NOT NULL,                  -- version of `data`
    data       TEXT NOT NULL,                  -- JSON of the first cause: ids and numbers; texts are rendered per locale
    event_id   @uuid,
    booking_id @uuid,
    created_at @int NOT NULL,
    PRIMARY KEY (user_id, seq)
) @table;

-- One notice per domain event and user, whatever is retried.
CREATE UNIQUE INDEX notice_once ON notice (domain_event_id, user_id);

-- Further causes of a notice that tells of several domain events at once. None of them becomes another notice of its user.
CREATE TABLE notice_cause (
    user_id         @uuid NOT NULL,
    domain_event_id @uuid NOT NULL,
    seq             @int NOT NULL,             -- number of the notice
    PRIMARY KEY (user_id, domain_event_id)
) @table;

-- One message to one recipient on one channel.
CREATE TABLE delivery (
    domain_event_id @uuid NOT NULL,
    user_id      @uuid NOT NULL,
    channel      TEXT NOT NULL CHECK (channel IN ('log', 'email')),
    state        TEXT NOT NULL CHECK (state IN ('sent', 'rejected', 'skipped')),
    attempts     @int NOT NULL,
    delivered_at @int NOT NULL,
    PRIMARY KEY (domain_event_id, user_id, channel)
) @table;

-- The oldest deliveries.
CREATE INDEX delivery_by_age ON delivery (delivered_at);

-- The end of an inbox for this release: the first notice of a kind or version it does not know. Empty until a later release
-- runs beside it; a release with new kinds creates it anew with them (`notification::read`).
CREATE INDEX notice_newer ON notice (user_id, seq) WHERE v > 2 OR kind NOT IN ('USER_REGISTERED', 'EVENT_UPDATED',
    'EVENT_CANCELLED', 'BOOKING_CREATED', 'BOOKING_CONFIRMED', 'BOOKING_CANCELLED', 'WAITLIST_JOINED', 'WAITLIST_PROMOTED',
    'WAITLIST_LEFT') OR cause NOT IN ('user.registered', 'event.published', 'event.updated', 'event.cancelled',
    'booking.created', 'booking.confirmed', 'booking.cancelled', 'waitlist.joined', 'waitlist.promoted', 'waitlist.left',
    'availability.changed');
",
    "
DROP TABLE delivery;
DROP TABLE notice_cause;
DROP TABLE notice;
DROP TABLE inbox;
"
);
