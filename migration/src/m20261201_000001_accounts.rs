//! Accounts: users, organizers, sessions and tokens, throttling; and what the database records about itself.
//! Not here: what accounts own (events) or did (bookings, domain events).

crate::step!(
    "
-- Properties of the database itself, one row each.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) @table;

-- The oldest release that may still open this database; older binaries refuse to start. Raised by contracting steps only.
INSERT INTO meta (name, value) VALUES ('min_compatible', '1');

-- A counter without meaning, changed to prove that the database takes a write. Processes share it: one that finds it locked
-- leaves the proof to the other.
INSERT INTO meta (name, value) VALUES ('readiness', '0');

-- `users`, not `user`: that word is reserved in PostgreSQL.
CREATE TABLE users (
    id            @uuid NOT NULL PRIMARY KEY,
    email         TEXT NOT NULL,               -- as typed, for display and mail; erasure overwrites it in place
    email_key     TEXT NOT NULL UNIQUE,        -- lower case: one account per address whatever its case
    name          TEXT NOT NULL,               -- display name; erasure overwrites it in place
    role          TEXT NOT NULL CHECK (role IN ('CUSTOMER', 'ORGANIZER', 'ADMIN')),
    password_hash TEXT NOT NULL,               -- argon2id PHC string, carries its own parameters
    disabled_at   @int,                        -- set: may not sign in, sessions are refused
    created_at    @int NOT NULL
) @table;

-- The account that sells. Users act for it; events and figures belong to it, not to a person.
CREATE TABLE organizer (
    id         @uuid NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,                  -- shown beside each event
    slug       TEXT NOT NULL UNIQUE,           -- readable address; fixed once given
    created_at @int NOT NULL
) @table;

-- Users that act for an organizer, each with a role. A user acts for up to 16 organizers.
CREATE TABLE membership (
    id           @uuid NOT NULL PRIMARY KEY,
    user_id      @uuid NOT NULL REFERENCES users (id),
    organizer_id @uuid NOT NULL REFERENCES organizer (id),
    role         TEXT NOT NULL CHECK (role IN ('OWNER', 'MANAGER', 'DOOR_STAFF', 'VIEWER')),
    created_at   @int NOT NULL,
    UNIQUE (user_id, organizer_id)
) @table;

-- The audience of news about an organizer's events.
CREATE INDEX membership_by_organizer ON membership (organizer_id, user_id);

-- Invitations to act for an organizer. Addressed to an e-mail address, which may have no account yet.
CREATE TABLE membership_invitation (
    id           @uuid NOT NULL PRIMARY KEY,
    organizer_id @uuid NOT NULL REFERENCES organizer (id),
    email        TEXT NOT NULL,                -- as typed, for display
    email_key    TEXT NOT NULL,                -- as in users
    role         TEXT NOT NULL CHECK (role IN ('OWNER', 'MANAGER', 'DOOR_STAFF', 'VIEWER')),
    status       TEXT NOT NULL CHECK (status IN ('PENDING', 'ACCEPTED', 'DECLINED', 'REVOKED')),
    invited_by   @uuid NOT NULL REFERENCES users (id),
    created_at   @int NOT NULL,
    expires_at   @int NOT NULL,                -- from then on it cannot be accepted; the row is deleted some time after it
    ended_at     @int                          -- time of the acceptance, refusal or revocation
) @table;

-- One open invitation per address and organizer; another one renews it.
CREATE UNIQUE INDEX membership_invitation_open ON membership_invitation (organizer_id, email_key) WHERE status = 'PENDING';

-- Open invitations of an account's address.
CREATE INDEX membership_invitation_by_email ON membership_invitation (email_key, id) WHERE status = 'PENDING';

CREATE INDEX membership_invitation_by_end ON membership_invitation (expires_at);

-- One sign-in. An access token names its session, so ending the row ends the token.
CREATE TABLE session (
    id         @uuid NOT NULL PRIMARY KEY,
    user_id    @uuid NOT NULL REFERENCES users (id),
    created_at @int NOT NULL,
    seen_at    @int,                           -- last renewal; coarse, because a request that only reads writes nothing
    revoked_at @int                            -- set: every token of this session is refused
) @table;

CREATE INDEX session_by_user ON session (user_id);

-- Sessions in the order of their last renewal, so that abandoned ones are deleted.
CREATE INDEX session_by_seen ON session (seen_at);

-- Single-use tokens that renew a session without the password. Kept after their use, so that a second use is noticed.
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

-- Recent failures of sign-ins, a row per counter; shared by all processes.
CREATE TABLE throttle (
    key      TEXT NOT NULL PRIMARY KEY,        -- digest of the counter's subject: neither account nor network can be read from it
    failures @int NOT NULL,
    last_at  @int NOT NULL                     -- time of the last failure; the row is deleted some time after it
) @table;

CREATE INDEX throttle_by_age ON throttle (last_at);

-- Networks an account was created, signed in or renewed from; failures from elsewhere do not throttle it there.
CREATE TABLE known_network (
    key     TEXT NOT NULL PRIMARY KEY,         -- digest of account and network
    seen_at @int NOT NULL                      -- to the day; the row is deleted some time after it
) @table;

CREATE INDEX known_network_by_age ON known_network (seen_at);

-- Tokens that a user's programs sign in with. Shown once, kept as a hash.
CREATE TABLE api_token (
    id         @uuid NOT NULL PRIMARY KEY,
    user_id    @uuid NOT NULL REFERENCES users (id),
    name       TEXT NOT NULL,                  -- name given by its user
    hash       TEXT NOT NULL,                  -- SHA-256 of its secret in hex
    scopes     @int NOT NULL,                  -- a bit per scope
    created_at @int NOT NULL,
    expires_at @int NOT NULL,
    used_at    @int,                           -- to the hour
    revoked_at @int
) @table;

CREATE INDEX api_token_by_user ON api_token (user_id, id);

-- Tokens in the order of their end, so that old ones are deleted.
CREATE INDEX api_token_by_end ON api_token (expires_at);
",
    "
DROP TABLE api_token;
DROP TABLE known_network;
DROP TABLE throttle;
DROP TABLE revocation;
DROP TABLE refresh_token;
DROP TABLE session;
DROP TABLE membership_invitation;
DROP TABLE membership;
DROP TABLE organizer;
DROP TABLE users;
DROP TABLE meta;
"
);
