//! How sign-ins go on and end: refresh tokens, revocations, throttling, tokens for integrations.
//! Not here: users and their sessions (the first step).

crate::step!(
    "
-- When a session was last renewed; coarse, because nothing is written when a request only reads.
ALTER TABLE session ADD COLUMN seen_at @int;

-- What renews a session without the password: used once, then replaced. Kept after that, so that a second use is noticed.
CREATE TABLE refresh_token (
    hash       TEXT NOT NULL PRIMARY KEY,      -- SHA-256 in hex; the token itself is nowhere
    session_id @uuid NOT NULL REFERENCES session (id),
    created_at @int NOT NULL,
    expires_at @int NOT NULL,
    used_at    @int                            -- set: replaced by the next one
) @table;

CREATE INDEX refresh_token_by_session ON refresh_token (session_id);
CREATE INDEX refresh_token_by_end ON refresh_token (expires_at);

-- Sign-ins and API tokens whose rights have changed or ended. Every process reads the newest rows a few times a second and
-- forgets what it remembers of them; old rows are deleted.
CREATE TABLE revocation (
    subject_id @uuid NOT NULL,                 -- a session or an API token
    at         @int NOT NULL,
    PRIMARY KEY (subject_id, at)
) @table;

CREATE INDEX revocation_by_time ON revocation (at);

-- Failures of sign-ins of late, a row per counter; shared by all processes.
CREATE TABLE throttle (
    key      TEXT NOT NULL PRIMARY KEY,        -- digest of the counter's subject: neither account nor network can be read from it
    failures @int NOT NULL,
    last_at  @int NOT NULL                     -- time of the last failure; the row is deleted some time after it
) @table;

CREATE INDEX throttle_by_age ON throttle (last_at);

-- Networks an account was opened, signed in or renewed from; there strangers do not throttle it.
CREATE TABLE known_network (
    key     TEXT NOT NULL PRIMARY KEY,         -- digest of account and network
    seen_at @int NOT NULL                      -- to the day; the row is deleted some time after it
) @table;

CREATE INDEX known_network_by_age ON known_network (seen_at);

-- What programs of a user sign in with. Shown once, kept as a hash.
CREATE TABLE api_token (
    id         @uuid NOT NULL PRIMARY KEY,
    user_id    @uuid NOT NULL REFERENCES users (id),
    name       TEXT NOT NULL,                  -- what its user calls it
    hash       TEXT NOT NULL,                  -- SHA-256 of its secret in hex
    scopes     @int NOT NULL,                  -- a bit per scope
    created_at @int NOT NULL,
    expires_at @int NOT NULL,
    used_at    @int,                           -- to the hour
    revoked_at @int
) @table;

CREATE INDEX api_token_by_user ON api_token (user_id, id);
",
    "
DROP TABLE api_token;
DROP TABLE known_network;
DROP TABLE throttle;
DROP TABLE revocation;
DROP TABLE refresh_token;
ALTER TABLE session DROP COLUMN seen_at;
"
);
