//! How sign-ins go on and end: refresh tokens, revocations, brakes, tokens for integrations.
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

-- How often somebody was wrong of late, per account and place; shared by all processes.
CREATE TABLE brake (
    key      TEXT NOT NULL PRIMARY KEY,        -- what is braked, hashed: neither address nor place can be read from it
    failures @int NOT NULL,
    until    @int NOT NULL,                    -- no attempt before
    last_at  @int NOT NULL                     -- of the last failure; forgotten some time after it
) @table;

CREATE INDEX brake_by_age ON brake (last_at);

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
DROP TABLE brake;
DROP TABLE revocation;
DROP TABLE refresh_token;
ALTER TABLE session DROP COLUMN seen_at;
"
);
