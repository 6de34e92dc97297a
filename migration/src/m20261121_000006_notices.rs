//! What each person is told: the numbered inbox, its notices, and the change set of deliveries.
//! Not here: the words, which are rendered when read or sent.

crate::step!(
    "
-- One row per person who was ever told something. Its lock orders that person's notices: commit order is `seq` order.
CREATE TABLE inbox (
    user_id  @uuid NOT NULL PRIMARY KEY,
    last_seq @int NOT NULL,                    -- number of the newest notice
    read_seq @int NOT NULL DEFAULT 0           -- everything up to here was acknowledged
) @hot;

CREATE TABLE notice (
    user_id    @uuid NOT NULL,
    seq        @int NOT NULL,                  -- contiguous per person, from 1
    domain_event_id    @uuid NOT NULL,
    kind       TEXT NOT NULL,
    v          @int NOT NULL,                  -- version of `data`
    data       TEXT NOT NULL,                  -- JSON of ids and numbers; the words are rendered per locale
    event_id   @uuid,
    booking_id @uuid,
    created_at @int NOT NULL,
    PRIMARY KEY (user_id, seq)
) @table;

-- Seen once: one notice per domain_event and person, whatever is retried.
CREATE UNIQUE INDEX notice_once ON notice (domain_event_id, user_id);

-- One message to one recipient on one channel.
CREATE TABLE delivery (
    domain_event_id      @uuid NOT NULL,
    user_id      @uuid NOT NULL,
    channel      TEXT NOT NULL CHECK (channel IN ('log', 'email')),
    state        TEXT NOT NULL CHECK (state IN ('sent', 'rejected', 'skipped')),
    attempts     @int NOT NULL,
    delivered_at @int NOT NULL,
    PRIMARY KEY (domain_event_id, user_id, channel)
) @table;
",
    "
DROP TABLE delivery;
DROP TABLE notice;
DROP TABLE inbox;
"
);
