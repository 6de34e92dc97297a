//! Local times of a venue: as text for client programs and as words for readers.
//! Not here: instants (`clock`), and the check of a zone's name (`event`).

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// Day and time in words, such as `Sat 5 June 2027, 19:00`.
const WORDS: &str = "%a %-d %B %Y, %H:%M";

/// Returns the local time of an instant, in UTC if the zone's name is unknown to this release.
fn at(instant: Timestamp, zone: &str) -> Option<DateTime<Tz>> {
    let zone: Tz = zone.parse().unwrap_or(Tz::UTC);
    Some(DateTime::<Utc>::from_timestamp_micros(instant.0)?.with_timezone(&zone))
}

/// Formats local date and time with the offset valid at that time: `2027-06-05T19:00:00+02:00`.
pub fn local(instant: Timestamp, zone: &str) -> String {
    at(instant, zone).map_or_else(|| instant.rfc3339(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

/// Formats local day and time in words: `Sat 5 June 2027, 19:00`.
pub fn words(instant: Timestamp, zone: &str) -> String {
    at(instant, zone).map_or_else(|| instant.rfc3339(), |time| time.format(WORDS).to_string())
}

/// Formats a span in words; the day is given once if it ends on the same day: `Sat 5 June 2027, 19:00 to 22:00`.
pub fn span(from: Timestamp, until: Timestamp, zone: &str) -> String {
    let end = match (at(from, zone), at(until, zone)) {
        (Some(from), Some(until)) if from.date_naive() == until.date_naive() => until.format("%H:%M").to_string(),
        _ => words(until, zone),
    };
    format!("{} to {end}", words(from, zone))
}
