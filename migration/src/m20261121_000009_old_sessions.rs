//! An index by which sessions that nobody can go on with are deleted.
//! Not here: indexes a table was made with.

crate::step!(
    "
-- The sessions that were not renewed for longest.
CREATE INDEX session_by_seen ON session (seen_at);
",
    "
DROP INDEX session_by_seen;
"
);
