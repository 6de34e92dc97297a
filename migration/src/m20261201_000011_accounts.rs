//! An index by which tokens for programs are deleted some time after their end.
//! Not here: indexes a table was made with.

crate::step!(
    "
-- The tokens that ended first.
CREATE INDEX api_token_by_end ON api_token (expires_at);
",
    "
DROP INDEX api_token_by_end;
"
);
