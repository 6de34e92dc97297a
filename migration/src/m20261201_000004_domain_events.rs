//! Domain events: the append-only record, its numbering, and the position of each consumer.
//! Not here: what follows from a domain event (jobs, notices).

crate::step!(
    "
-- Written by the verb, in the verb's transaction, as its last statement. Never changed afterwards but for `seq`.
CREATE TABLE domain_event (
    pos          @serial,                      -- insertion order; never a cursor: rows appear at commit, not in this order
    id           @uuid NOT NULL UNIQUE,        -- made before the transaction: tells after an unclear commit whether it happened
    seq          @int UNIQUE,                  -- contiguous, given by the relay in commit order; null: not relayed yet
    kind         TEXT NOT NULL,
    v            @int NOT NULL,                -- version of `data`
    occurred_at  @int NOT NULL,
    actor_id     @uuid,                        -- user who caused it; null: the service itself
    event_id     @uuid,                        -- event it is about, so that streams need not read `data`
    organizer_id @uuid,
    user_id      @uuid,                        -- the customer concerned
    data         TEXT NOT NULL                 -- JSON of ids and numbers; never names, addresses or free text
) @table;

-- Domain events without a number yet.
CREATE INDEX domain_event_unnumbered ON domain_event (pos) WHERE seq IS NULL;

-- Streams: my bookings; an organizer's bookings.
CREATE INDEX domain_event_by_user ON domain_event (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX domain_event_by_organizer ON domain_event (organizer_id, seq) WHERE organizer_id IS NOT NULL;

-- The numbering's single row; its lock elects the relay of a round.
CREATE TABLE stream_head (
    one   @int NOT NULL PRIMARY KEY CHECK (one = 1),
    last  @int NOT NULL,                       -- last number given
    epoch TEXT NOT NULL                        -- changes when the database is restored from a backup: older cursors are refused
) @hot;

-- How far each consumer has read. Moved in the transaction of the consumer's own effects.
CREATE TABLE consumer (
    name TEXT NOT NULL PRIMARY KEY,
    last @int NOT NULL
) @hot;

INSERT INTO consumer (name, last) VALUES ('reactions', 0);

-- Domain events whose reaction failed: kept with the error, shown to operators, retried by them. The cursor has moved on.
CREATE TABLE parked_domain_event (
    consumer        TEXT NOT NULL,
    domain_event_id @uuid NOT NULL,
    seq             @int NOT NULL,
    error           TEXT NOT NULL,
    parked_at       @int NOT NULL,
    PRIMARY KEY (consumer, domain_event_id)
) @table;
",
    "
DROP TABLE parked_domain_event;
DROP TABLE consumer;
DROP TABLE stream_head;
DROP TABLE domain_event;
"
);
