//! Search for events by the beginnings of words in their titles and venues.
//! Not here: lists and their other filters (`browse`).
//!
//! A word of the search matches every word that begins with it; all words must match, in any order. Both sides are
//! normalised alike, so `Lodz` finds `Łódź` and `strasse` finds `Straße`.

use std::collections::BTreeSet;

use caseless::Caseless;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::db::{self, Db, DbError, Priority, Tx, record};
use crate::entity::event;
use crate::id::EventId;
use crate::status::EventStatus;

/// Version of [`words`]. Events indexed with an older version are indexed anew by [`reindex`].
pub const VERSION: i64 = 1;

/// Letters of a word that are compared.
const WORD_MAX: usize = 32;

/// The most matches that are looked up one by one. If there are more, a scan of the list meets enough of them soon.
const FEW: i64 = 2_000;

/// Events that one transaction of [`reindex`] indexes: some thousand rows.
const CHUNK: u64 = 200;

/// Returns the words of a text as they are stored: each from its first letter, and in scripts without blanks between
/// words from every letter.
pub fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for run in runs(text) {
        if run.is_spaced {
            words.insert(shortened(&run.letters));
        } else {
            let letters: Vec<char> = run.letters.chars().collect();
            words.extend((0..letters.len()).map(|at| letters[at..].iter().take(WORD_MAX).collect::<String>()));
        }
    }
    words
}

/// Returns the words to search for, without those that are the beginning of another one.
pub fn asked(text: &str) -> Vec<String> {
    let all: BTreeSet<String> = runs(text).iter().map(|run| shortened(&run.letters)).collect();
    let is_said = |word: &&String| !all.iter().any(|other| other != *word && other.starts_with(word.as_str()));
    let mut asked: Vec<String> = all.iter().filter(is_said).cloned().collect();
    asked.sort_by_key(|word| std::cmp::Reverse(word.len())); // long words are the rarer ones
    asked
}

/// Letters without a gap between them.
#[derive(Default)]
struct Run {
    letters: String,
    is_spaced: bool,
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut is_open = false;
    for c in folded(text).chars() {
        let is_spaced = !is_unspaced(c);
        let is_symbol = !c.is_alphanumeric() && c.general_category_group() == GeneralCategoryGroup::Symbol;
        match runs.last_mut().filter(|_| is_open) {
            Some(run) if is_combining_mark(c) => run.letters.push(c),
            Some(run) if c.is_alphanumeric() && run.is_spaced == is_spaced => run.letters.push(c),
            _ if c.is_alphanumeric() || is_symbol => runs.push(Run { letters: c.to_string(), is_spaced }),
            _ => {}
        }
        is_open = c.is_alphanumeric() || is_open && is_combining_mark(c);
    }
    runs
}

/// Normalises a text: NFKC without case and accents, so `Łódź` is `lodz`, `Straße` is `strasse`, `ﬁ` is `fi`. Marks
/// that are parts of a letter rather than accents stay: viramas, and the voicing of kana.
fn folded(text: &str) -> String {
    let letters = text.nfkd().default_case_fold().nfkd();
    let bare = letters.filter(|c| matches!(canonical_combining_class(*c), 0 | 8 | 9));
    let mut plain = String::with_capacity(text.len());
    for c in bare {
        // Latin letters with a stroke or shape that no decomposition removes.
        let is_latin = matches!(c, '\u{C0}'..='\u{2AF}' | '\u{1E00}'..='\u{1EFF}') && c.is_alphabetic();
        match deunicode::deunicode_char(c).filter(|_| is_latin) {
            Some(ascii) => plain.extend(ascii.chars().map(|c| c.to_ascii_lowercase())),
            None => plain.push(c),
        }
    }
    plain.nfc().collect()
}

/// Returns true for scripts written without blanks between words: Thai, Lao, Burmese, Khmer, kana and Han.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn shortened(word: &str) -> String {
    word.chars().take(WORD_MAX).collect()
}

/// Returns the end of the range of words that begin with `word`: no letter has this last code point.
pub fn end_of(word: &str) -> String {
    format!("{word}\u{10FFFF}")
}

record! {
    struct WordRow {
        listed: i64,
        word: String,
        event_id: EventId,
    }
}

record! {
    struct EventKey {
        event_id: EventId,
    }
}

/// Columns that the index of words is made from.
#[derive(Debug, FromQueryResult)]
struct Indexed {
    id: EventId,
    title: String,
    venue: String,
    status: EventStatus,
}

/// Replaces the indexed words of an event.
pub async fn index(tx: &Tx, event: &event::Model) -> Result<(), DbError> {
    let (title, venue) = (event.title.clone(), event.venue.clone());
    replace(tx, &[Indexed { id: event.id, title, venue, status: event.status }]).await
}

async fn replace(tx: &Tx, events: &[Indexed]) -> Result<(), DbError> {
    let keys: Vec<EventKey> = events.iter().map(|event| EventKey { event_id: event.id }).collect();
    let sql = "DELETE FROM event_word WHERE event_id IN (SELECT r.event_id FROM {records})";
    db::update_by(tx, sql, &keys, []).await?;
    let mut rows = Vec::new();
    for event in events {
        let listed = i64::from(event.status == EventStatus::Published);
        let words = words(&format!("{} {}", event.title, event.venue)).into_iter();
        rows.extend(words.map(|word| WordRow { listed, word, event_id: event.id }));
    }
    db::insert(tx, "event_word", &rows, "").await?;
    Ok(())
}

/// Moves the words of events into the catalog, or out of it.
pub async fn list(tx: &Tx, events: &[EventId], is_published: bool) -> Result<(), DbError> {
    let keys: Vec<EventKey> = events.iter().map(|id| EventKey { event_id: *id }).collect();
    let sql = "UPDATE event_word SET listed = $2 FROM {records} WHERE event_word.event_id = r.event_id";
    db::update_by(tx, sql, &keys, [i64::from(is_published).into()]).await?;
    Ok(())
}

/// Indexes events anew that were indexed with an older version, in chunks. Returns their number.
pub async fn reindex(db: &Db) -> Result<u64, DbError> {
    db::in_chunks(CHUNK, || async {
        db.write(Priority::Worker, |tx| async move {
            let sql = format!(
                "SELECT id, title, venue, status FROM event WHERE search_version < $1 ORDER BY search_version LIMIT $2{}",
                db::skip_locked(&tx)
            );
            let events: Vec<Indexed> = db::all(&tx, &sql, [VERSION.into(), (CHUNK as i64).into()]).await?;
            replace(&tx, &events).await?;
            let keys: Vec<EventKey> = events.iter().map(|event| EventKey { event_id: event.id }).collect();
            let sql = "UPDATE event SET search_version = $2 FROM {records} WHERE event.id = r.event_id";
            db::update_by(&tx, sql, &keys, [VERSION.into()]).await
        })
        .await
    })
    .await
}

/// Events that contain all words of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// Ids of exactly these events.
    Few(Vec<EventId>),
    /// Too many events to look up one by one; the list itself checks each event for these words.
    Many(Vec<String>),
}

#[derive(Debug, FromQueryResult)]
struct Match {
    event_id: EventId,
}

/// Finds the events that have all of `words`, published ones only or all. Reads the entries of the rarest word and
/// checks the other words for each.
pub async fn find(c: &impl ConnectionTrait, words: Vec<String>, published_only: bool) -> Result<Matches, DbError> {
    let scope = if published_only { "= 1" } else { "IN (0, 1)" };
    let mut rarest = (i64::MAX, 0);
    for (at, word) in words.iter().enumerate().take_while(|_| words.len() > 1) {
        let sql = format!(
            "SELECT count(*) AS n FROM (SELECT 1 FROM event_word WHERE listed {scope} AND word >= $1 AND word < $2
             LIMIT {FEW}) t"
        );
        let n = db::number(c, &sql, [word.as_str().into(), end_of(word).into()]).await?;
        if n < rarest.0 {
            rarest = (n, at);
        }
        if n == 0 {
            return Ok(Matches::Few(Vec::new()));
        }
    }
    let Some(first) = words.get(rarest.1) else { return Ok(Matches::Few(Vec::new())) };
    let mut sql =
        format!("SELECT w.event_id FROM event_word w WHERE w.listed {scope} AND w.word >= $1 AND w.word < $2");
    let mut values: Vec<Value> = vec![first.as_str().into(), end_of(first).into()];
    for word in words.iter().filter(|word| *word != first) {
        sql.push_str(&format!(" AND {}", has_word("w.event_id", values.len())));
        values.extend([word.as_str().into(), end_of(word).into()]);
    }
    sql.push_str(&format!(" LIMIT {}", FEW + 1));
    let rows = c.query_all_raw(Statement::from_sql_and_values(c.get_database_backend(), sql, values)).await?;
    if rows.len() as i64 > FEW {
        return Ok(Matches::Many(words));
    }
    let found = rows.iter().map(|row| Match::from_query_result(row, "").map(|row| row.event_id));
    let found: BTreeSet<_> = found.map(|id| id.map(|id| id.0)).collect::<Result<_, _>>()?;
    Ok(Matches::Few(found.into_iter().map(EventId).collect()))
}

/// Returns the condition that an event has a word; its range is bound after `bound` other values. Not EXISTS:
/// PostgreSQL would turn that into a join, for which it reads and sorts the whole list instead of scanning to the end
/// of the page.
pub fn has_word(event: &str, bound: usize) -> String {
    let (from, to) = (bound + 1, bound + 2);
    format!(
        "(SELECT true FROM event_word x WHERE x.event_id = {event} AND x.word >= ${from} AND x.word < ${to} LIMIT 1)
         IS NOT NULL"
    )
}
