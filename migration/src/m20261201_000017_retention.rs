//! Indexes by which what was kept long enough is deleted, and what only a later release can read is found.
//! Not here: indexes a table was made with, and how long anything is kept (a setting).

crate::step!(
    "
-- Jobs that ended, by when: each way of ending is kept for a time of its own.
CREATE INDEX job_ended ON job (state, finished_at) WHERE finished_at IS NOT NULL;

-- The oldest deliveries.
CREATE INDEX delivery_by_age ON delivery (delivered_at);

-- Where an inbox ends for this release: the first notice of a kind or version it does not know. Empty until a later release
-- runs beside it; a release with new kinds makes it anew with them (`notification::read`).
CREATE INDEX notice_newer ON notice (user_id, seq) WHERE v > 1 OR kind NOT IN ('user.registered', 'event.published',
    'event.updated', 'event.cancelled', 'booking.created', 'booking.confirmed', 'booking.cancelled', 'waitlist.joined',
    'waitlist.promoted', 'waitlist.left', 'availability.changed');
",
    "
DROP INDEX notice_newer;
DROP INDEX delivery_by_age;
DROP INDEX job_ended;
"
);
