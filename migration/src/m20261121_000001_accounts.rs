//! Who there is: users, the organizers they act for, their sessions; and what the database says of itself.
//! Not here: what they own (events) or did (bookings, domain events).

crate::step!(
    "
-- What the database knows about itself; one row per word.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) @table;

-- The oldest release that may still open this database; older binaries refuse to start. Raised by contracting steps only.
INSERT INTO meta (name, value) VALUES ('min_compatible', '1');

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
    created_at @int NOT NULL
) @table;

-- Who acts for which organizer. One row each at first; a team is more rows, not a new column.
CREATE TABLE membership (
    user_id      @uuid NOT NULL REFERENCES users (id),
    organizer_id @uuid NOT NULL REFERENCES organizer (id),
    created_at   @int NOT NULL,
    PRIMARY KEY (user_id, organizer_id)
) @table;

-- Whom to tell when something happens at an organizer's events.
CREATE INDEX membership_by_organizer ON membership (organizer_id, user_id);

-- One sign-in. An access token names its session, so ending the row ends the token.
CREATE TABLE session (
    id         @uuid NOT NULL PRIMARY KEY,
    user_id    @uuid NOT NULL REFERENCES users (id),
    created_at @int NOT NULL,
    revoked_at @int                            -- set: every token of this session is refused
) @table;

CREATE INDEX session_by_user ON session (user_id);
",
    "
DROP TABLE session;
DROP TABLE membership;
DROP TABLE organizer;
DROP TABLE users;
DROP TABLE meta;
"
);
