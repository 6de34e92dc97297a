//! What follows each fact and in which words people are told, printed; and facts as they are stored, kept for ever.
//! Not here: carrying consequences out (`notification`).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use boxoffice::clock::Micros;
use boxoffice::db::{self, DbError, Lane};
use boxoffice::fact::{Fact, Recorded, UnreadableFact, VERSION};
use boxoffice::id::{BookingId, ChangeId, EntryId, EventId, FactId, OrganizerId, UserId};
use boxoffice::notification::audience::Customers;
use boxoffice::notification::words::{Names, render};
use boxoffice::outbox::{self, Draft};
use boxoffice::reactions::{Consequence, follow};
use boxoffice::relay::history::{About, since};
use boxoffice::relay::number::{Step, number};
use boxoffice::status::{CancelReason, EventField, LeaveReason};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::harness::BEGINNING;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// One of each kind, and more where a word inside decides what follows or is said: case, and fact.
fn samples() -> Vec<(&'static str, Fact)> {
    let (event, organizer, user): (EventId, OrganizerId, UserId) = (id(1), id(2), id(3));
    let (booking, entry, change): (BookingId, EntryId, ChangeId) = (id(4), id(5), id(6));
    let updated = |fields: &[EventField]| Fact::EventUpdated { event, organizer, change, fields: fields.to_vec() };
    let cancelled = |reason| Fact::BookingCancelled { booking, event, organizer, user, quantity: 2, reason };
    let promoted =
        |remaining| Fact::WaitlistPromoted { entry, booking, event, organizer, user, quantity: 2, remaining };
    let left = |reason| Fact::WaitlistLeft { entry, event, organizer, user, quantity: 8, reason };
    vec![
        ("", Fact::UserRegistered { user }),
        ("", Fact::EventPublished { event, organizer }),
        ("", updated(&[EventField::Venue, EventField::StartsAt])),
        ("everything", updated(EventField::ALL)),
        ("", Fact::EventCancelled { event, organizer }),
        ("", Fact::BookingCreated { booking, event, organizer, user, quantity: 2 }),
        ("", Fact::BookingConfirmed { booking, event, organizer, user, quantity: 2 }),
        ("by_customer", cancelled(CancelReason::ByCustomer)),
        ("by_organizer", cancelled(CancelReason::ByOrganizer)),
        ("event_cancelled", cancelled(CancelReason::EventCancelled)),
        ("", Fact::WaitlistJoined { entry, event, organizer, user, quantity: 8 }),
        ("", promoted(6)),
        ("fulfilled", promoted(0)),
        ("", left(LeaveReason::Left)),
        ("event_cancelled", left(LeaveReason::EventCancelled)),
        ("", Fact::AvailabilityChanged { event, revision: 7 }),
    ]
}

/// Which kind this is. A new one does not compile without a number here, and fails without a sample above.
fn kind_number(fact: &Fact) -> usize {
    match fact {
        Fact::UserRegistered { .. } => 0,
        Fact::EventPublished { .. } => 1,
        Fact::EventUpdated { .. } => 2,
        Fact::EventCancelled { .. } => 3,
        Fact::BookingCreated { .. } => 4,
        Fact::BookingConfirmed { .. } => 5,
        Fact::BookingCancelled { .. } => 6,
        Fact::WaitlistJoined { .. } => 7,
        Fact::WaitlistPromoted { .. } => 8,
        Fact::WaitlistLeft { .. } => 9,
        Fact::AvailabilityChanged { .. } => 10,
    }
}

/// Kind and case, for people: `booking.cancelled (by customer)`.
fn title(case: &str, fact: &Fact) -> String {
    match case {
        "" => fact.kind().to_owned(),
        case => format!("{} ({})", fact.kind(), case.replace('_', " ")),
    }
}

/// Kind and case, as golden files are called: `booking.cancelled.by_customer`.
fn name(case: &str, fact: &Fact) -> String {
    [fact.kind(), case].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
}

fn words(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::TellUser(_) => "tell the user",
        Consequence::TellOrganizer(_) => "tell the organizer",
        Consequence::TellCustomers(_, Customers::WithLiveBooking) => {
            "tell every customer with a live booking or in the waitlist"
        }
        Consequence::TellCustomers(_, Customers::WhenCalledOff) => {
            "tell every customer whose booking was live, or who waited, when it was called off"
        }
        Consequence::CallOff(_) => "end its bookings and its line, in chunks",
    }
}

#[test]
fn what_follows_each_fact() {
    let mut text = String::new();
    for (case, fact) in samples() {
        let follows: Vec<&str> = follow(&fact).into_iter().map(words).collect();
        let follows = if follows.is_empty() { "nothing".to_owned() } else { follows.join("; ") };
        text.push_str(&format!("{} → {follows}\n", title(case, &fact)));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("reactions", text);
    });
}

/// With the names a reader has, and without: an event or booking that cannot be loaded must not break the sentence.
#[test]
fn in_which_words_each_fact_is_told() {
    let named = Names { event: Some("Rust Nation"), reference: Some("EVT-7K3F9Q"), ..Names::default() };
    let mut text = String::new();
    for (case, fact) in samples() {
        text.push_str(&format!("{}\n  {}\n", title(case, &fact), render(&fact, &named)));
        let nameless = render(&fact, &Names::default());
        assert!(nameless.ends_with('.') && !nameless.contains("  "), "{nameless}");
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("words", text);
    });
}

#[test]
fn every_kind_has_a_sample_and_one_name() {
    let samples = samples();
    let numbers: BTreeSet<usize> = samples.iter().map(|(_, fact)| kind_number(fact)).collect();
    assert_eq!(numbers, (0..Fact::KINDS.len()).collect(), "a sample of each kind, and no other kinds");
    let kinds: BTreeSet<&str> = samples.iter().map(|(_, fact)| fact.kind()).collect();
    assert_eq!(kinds, Fact::KINDS.iter().copied().collect(), "the list of kinds is the kinds");
    for (_, fact) in &samples {
        // Serialised and stored under one name.
        assert_eq!(serde_json::to_value(fact).unwrap()["kind"], fact.kind());
    }
}

fn goldens() -> PathBuf {
    PathBuf::from(format!("{}/tests/it/snapshots/facts/v{VERSION}", env!("CARGO_MANIFEST_DIR")))
}

fn golden(name: &str) -> String {
    let path = goldens().join(format!("{name}.json"));
    std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{} is missing: write it with BOXOFFICE_WRITE_GOLDEN=1", path.display()))
}

/// A stored fact is read for ever: what this release writes is kept, and must still be written and read alike.
#[test]
fn golden_facts_are_written_and_read_alike() {
    let mut known = BTreeSet::new();
    for (case, fact) in samples() {
        let name = name(case, &fact);
        let written = serde_json::to_string_pretty(&fact.data()).unwrap() + "\n";
        let path = goldens().join(format!("{name}.json"));
        // A new kind is written once. One that is there is never written again: a changed fact is a new version.
        if std::env::var_os("BOXOFFICE_WRITE_GOLDEN").is_some() && !path.exists() {
            std::fs::write(&path, &written).unwrap();
        }
        let golden = golden(&name);
        assert_eq!(written, golden, "{name}: a changed fact is a new version, not another golden file");
        assert_eq!(Fact::read(fact.kind(), VERSION, &golden).unwrap(), fact);
        known.insert(format!("{name}.json"));
    }
    let files = std::fs::read_dir(goldens()).unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, known, "every golden file is still written: facts of it stand in databases");
}

/// Ids, numbers and words of the code: nothing of a person can stand in a fact, so erasure need not touch any.
#[test]
fn facts_hold_no_text() {
    fn check(name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => fields.values().for_each(|value| check(name, value)),
            serde_json::Value::Array(items) => items.iter().for_each(|value| check(name, value)),
            serde_json::Value::String(text) => {
                let is_word = text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                assert!(is_word || Uuid::try_parse(text).is_ok(), "{name} holds the text {text:?}");
            }
            serde_json::Value::Number(_) => {}
            serde_json::Value::Null | serde_json::Value::Bool(_) => panic!("{name} holds {value}"),
        }
    }
    for (case, fact) in samples() {
        check(&name(case, &fact), &fact.data());
    }
}

#[derive(Debug, FromQueryResult)]
struct Stored {
    id: FactId,
    kind: String,
    v: i64,
    occurred_at: Micros,
    actor_id: Option<UserId>,
    event_id: Option<EventId>,
    organizer_id: Option<OrganizerId>,
    user_id: Option<UserId>,
    data: String,
}

scene! {
    /// The whole envelope, through the table: written by the outbox, numbered, read back, and found by whom it concerns.
    async fn facts_keep_their_envelope(stage: Stage) {
        let app = stage.app_with(|options| (options.relay, options.worker) = (false, false)).await;
        let drafts: Vec<Draft> = samples()
            .into_iter()
            .zip(0..)
            .map(|((_, fact), n)| Draft {
                id: id(100 + u128::from(n)),
                at: BEGINNING.plus(Duration::from_secs(n)),
                actor: (n % 2 == 0).then(|| id(3)),
                fact,
            })
            .collect();
        let some = &drafts;
        let append = |tx| async move { outbox::append(&tx, some).await };
        app.db().write::<_, DbError, _, _>(Lane::Interactive, append).await.unwrap();
        let sql = "SELECT id, kind, v, occurred_at, actor_id, event_id, organizer_id, user_id, data FROM fact ORDER BY pos";
        let rows: Vec<Stored> = db::all(app.db().read(), sql, []).await.unwrap();
        assert_eq!(rows.len(), drafts.len());
        for ((row, draft), (case, fact)) in rows.iter().zip(&drafts).zip(samples()) {
            let envelope = (row.id, row.kind.as_str(), row.v, row.occurred_at, row.actor_id);
            assert_eq!(envelope, (draft.id, fact.kind(), VERSION, draft.at, draft.actor));
            let about = fact.about();
            assert_eq!((row.event_id, row.organizer_id, row.user_id), (about.event, about.organizer, about.user));
            let stored: serde_json::Value = serde_json::from_str(&row.data).unwrap();
            let golden: serde_json::Value = serde_json::from_str(&golden(&name(case, &fact))).unwrap();
            assert_eq!(stored, golden);
        }

        assert!(since(app.db().read(), About::Anything, 0, 100).await.unwrap().is_empty(), "not numbered yet");
        assert_eq!(number(app.db()).await.unwrap(), Step::Numbered);
        let recorded = async |about| {
            let rows = since(app.db().read(), about, 0, 100).await.unwrap();
            rows.iter().map(|row| row.read().unwrap()).collect::<Vec<Recorded>>()
        };
        let expected = |which: &dyn Fn(&Fact) -> bool| -> Vec<Recorded> {
            let numbered = drafts.iter().zip(1..).filter(|(draft, _)| which(&draft.fact));
            let read = |(draft, seq): (&Draft, i64)| Recorded {
                id: draft.id,
                seq,
                occurred_at: draft.at,
                actor: draft.actor,
                fact: draft.fact.clone(),
            };
            numbered.map(read).collect()
        };
        assert_eq!(recorded(About::Anything).await, expected(&|_| true));
        assert_eq!(recorded(About::Customer(id(3))).await, expected(&|fact| fact.about().user.is_some()));
        assert_eq!(recorded(About::Organizer(id(2))).await, expected(&|fact| fact.about().organizer.is_some()));
        assert_eq!(recorded(About::Organizer(id(3))).await, []);
    }
}

#[test]
fn facts_of_later_releases_are_told_from_damaged_ones() {
    assert_eq!(Fact::read("booking.teleported", 1, "{}"), Err(UnreadableFact::Newer));
    let damaged = |kind: &str, data: &str| matches!(Fact::read(kind, VERSION, data), Err(UnreadableFact::Damaged(_)));
    for (case, fact) in samples() {
        let (kind, data) = (fact.kind(), fact.data());
        assert_eq!(Fact::read(kind, VERSION + 1, &data.to_string()), Err(UnreadableFact::Newer));
        for nothing in ["{}", "[]", "null", "no json", ""] {
            assert!(damaged(kind, nothing), "{kind}: {nothing:?}");
        }
        for field in data.as_object().unwrap().keys() {
            let mut without = data.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(damaged(kind, &without.to_string()), "{} without {field}", name(case, &fact));
            let mut wrong = data.clone();
            wrong[field] = serde_json::json!({});
            assert!(damaged(kind, &wrong.to_string()), "{} with a strange {field}", name(case, &fact));
        }
        // What a later release adds to a fact without changing its meaning is passed over.
        let mut more = data.clone();
        more["added"] = 1.into();
        assert_eq!(Fact::read(kind, VERSION, &more.to_string()), Ok(fact));
    }
}
