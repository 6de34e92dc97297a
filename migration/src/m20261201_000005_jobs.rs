//! Jobs: work outside the database that follows from domain events, with attempts and a lease.
//! Not here: the policies of the queues, which are code (`src/queue`).

crate::step!(
    "
CREATE TABLE job (
    id           @serial,
    queue        TEXT NOT NULL CHECK (queue IN ('emails', 'notifications', 'tickets')),
    kind         TEXT NOT NULL,
    args         TEXT NOT NULL,                -- JSON of ids
    state        TEXT NOT NULL CHECK (state IN ('available', 'running', 'succeeded', 'dead', 'cancelled')),
    run_at       @int NOT NULL,                -- in the future: scheduled, or waiting for its next attempt
    attempt      @int NOT NULL DEFAULT 0,      -- attempts begun
    max_attempts @int NOT NULL CHECK (max_attempts > 0),
    first_wait_ms @int NOT NULL DEFAULT 2000 CHECK (first_wait_ms >= 0), -- wait after the first failed attempt
    waits_double @int NOT NULL DEFAULT 1 CHECK (waits_double IN (0, 1)), -- 1: each wait is twice the one before
    crashes      @int NOT NULL DEFAULT 0,      -- leases that ran out; a job that keeps killing its worker ends as dead
    lease_until  @int,                         -- running: after this moment another worker may take it
    lease_token  @uuid,                        -- fence: only the holder of the present token may finish the job
    unique_key   TEXT,                         -- (kind, key) is done at most once
    domain_event_id @uuid,                     -- the cause
    progress     TEXT,                         -- durable cursor of a job that works in chunks
    last_error   TEXT,
    created_at   @int NOT NULL,
    finished_at  @int
) @table;

-- By queue and kind, as workers claim: the jobs of one are found without reading those of the others.
CREATE INDEX job_due ON job (queue, kind, run_at, id) WHERE state = 'available';
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'running';
CREATE UNIQUE INDEX job_once ON job (kind, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_by_domain_event ON job (domain_event_id) WHERE domain_event_id IS NOT NULL;

-- Jobs that ended, by time: each way of ending is kept for a time of its own.
CREATE INDEX job_ended ON job (state, finished_at) WHERE finished_at IS NOT NULL;
",
    "
DROP TABLE job;
"
);
