//! A value that is changed to prove that the database takes a write.
//! Not here: when it is (`db::ready`).

crate::step!(
    "
-- A counter without meaning. Processes share it: one that finds it locked leaves the proof to the other.
INSERT INTO meta (name, value) VALUES ('readiness', '0');
",
    "
DELETE FROM meta WHERE name = 'readiness';
"
);
