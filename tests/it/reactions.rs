//! Reactions to each domain event and the texts of their notices, printed; and domain events as they are stored, kept
//! for ever.
//! Not here: executing the effects (`notification`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use boxoffice::clock::Timestamp;
use boxoffice::db::{self, DbError, Priority};
use boxoffice::domain_event::{DomainEvent, Recorded, UnreadableDomainEvent, VERSION};
use boxoffice::id::{BookingId, ChangeId, DomainEventId, EntryId, EventId, OrganizerId, UserId};
use boxoffice::notification::audience::Customers;
use boxoffice::notification::words::{Names, render};
use boxoffice::outbox::{self, Draft};
use boxoffice::queue::Queue;
use boxoffice::reactions::{Effect, effects_of};
use boxoffice::relay::history::{About, since};
use boxoffice::relay::number::{Step, number};
use boxoffice::status::{Audience, CancelReason, EventField, LeaveReason};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::harness::BEGINNING;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// Returns one domain event of each kind, and more where its data decides the effects or the text: case, and domain
/// event.
fn samples() -> Vec<(&'static str, DomainEvent)> {
    let (event, organizer, user): (EventId, OrganizerId, UserId) = (id(1), id(2), id(3));
    let (booking, entry, change): (BookingId, EntryId, ChangeId) = (id(4), id(5), id(6));
    let updated =
        |fields: &[EventField]| DomainEvent::EventUpdated { event, organizer, change, fields: fields.to_vec() };
    let cancelled = |reason| DomainEvent::BookingCancelled { booking, event, organizer, user, quantity: 2, reason };
    let promoted =
        |remaining| DomainEvent::WaitlistPromoted { entry, booking, event, organizer, user, quantity: 2, remaining };
    let left = |reason| DomainEvent::WaitlistLeft { entry, event, organizer, user, quantity: 8, reason };
    vec![
        ("", DomainEvent::UserRegistered { user }),
        ("", DomainEvent::EventPublished { event, organizer }),
        ("", updated(&[EventField::Venue, EventField::StartsAt])),
        ("everything", updated(EventField::ALL)),
        ("", DomainEvent::EventCancelled { event, organizer }),
        ("", DomainEvent::BookingCreated { booking, event, organizer, user, quantity: 2 }),
        ("", DomainEvent::BookingConfirmed { booking, event, organizer, user, quantity: 2, entry: None }),
        (
            "promoted",
            DomainEvent::BookingConfirmed { booking, event, organizer, user, quantity: 2, entry: Some(entry) },
        ),
        ("by_customer", cancelled(CancelReason::ByCustomer)),
        ("by_organizer", cancelled(CancelReason::ByOrganizer)),
        ("event_cancelled", cancelled(CancelReason::EventCancelled)),
        ("", DomainEvent::WaitlistJoined { entry, event, organizer, user, quantity: 8 }),
        ("", promoted(6)),
        ("fulfilled", promoted(0)),
        ("", left(LeaveReason::Left)),
        ("event_cancelled", left(LeaveReason::EventCancelled)),
        ("", DomainEvent::AvailabilityChanged { event, revision: 7 }),
    ]
}

/// Number of a kind. A new kind does not compile without a number here, and fails without a sample above.
fn kind_number(domain_event: &DomainEvent) -> usize {
    match domain_event {
        DomainEvent::UserRegistered { .. } => 0,
        DomainEvent::EventPublished { .. } => 1,
        DomainEvent::EventUpdated { .. } => 2,
        DomainEvent::EventCancelled { .. } => 3,
        DomainEvent::BookingCreated { .. } => 4,
        DomainEvent::BookingConfirmed { .. } => 5,
        DomainEvent::BookingCancelled { .. } => 6,
        DomainEvent::WaitlistJoined { .. } => 7,
        DomainEvent::WaitlistPromoted { .. } => 8,
        DomainEvent::WaitlistLeft { .. } => 9,
        DomainEvent::AvailabilityChanged { .. } => 10,
    }
}

/// Returns kind and case for display: `booking.cancelled (by customer)`.
fn title(case: &str, domain_event: &DomainEvent) -> String {
    match case {
        "" => domain_event.kind().to_owned(),
        case => format!("{} ({})", domain_event.kind(), case.replace('_', " ")),
    }
}

/// Returns kind and case as in the names of golden files: `booking.cancelled.by_customer`.
fn name(case: &str, domain_event: &DomainEvent) -> String {
    [domain_event.kind(), case].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
}

fn words(effect: Effect) -> String {
    match effect {
        Effect::TellUser(_, kind) => format!("{} to the user", kind.word()),
        Effect::TellOrganizer(_, kind) => format!("{} to the organizer", kind.word()),
        Effect::TellCustomers(_, Customers::WithLiveBooking, kind) => {
            format!("{} to every customer with a live booking or on the waitlist", kind.word())
        }
        Effect::TellCustomers(_, Customers::WhenCalledOff, kind) => {
            format!("{} to every customer whose booking was live, or who waited, when it was called off", kind.word())
        }
        Effect::CallOff(_) => "end its bookings and its waitlist, in chunks".to_owned(),
    }
}

#[test]
fn what_follows_each_domain_event() {
    let mut text = String::new();
    for (case, domain_event) in samples() {
        let follows: Vec<String> = effects_of(&domain_event).into_iter().map(words).collect();
        let follows = if follows.is_empty() { "nothing".to_owned() } else { follows.join("; ") };
        text.push_str(&format!("{} → {follows}\n", title(case, &domain_event)));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("reactions", text);
    });
}

/// Tests the texts with the names of event and booking, and without: an object that cannot be loaded must not break the
/// sentence.
#[test]
fn in_which_words_each_domain_event_is_told() {
    let named = Names { event: Some("Rust Nation"), reference: Some("EVT-7K3F9Q"), ..Names::default() };
    let mut text = String::new();
    for (case, domain_event) in samples() {
        text.push_str(&format!("{}\n", title(case, &domain_event)));
        let told = Audience::ALL.iter().map(|audience| render(&domain_event, *audience, &named));
        for sentence in told.collect::<BTreeSet<String>>() {
            text.push_str(&format!("  {sentence}\n"));
        }
        for audience in Audience::ALL {
            let nameless = render(&domain_event, *audience, &Names::default());
            assert!(nameless.ends_with('.') && !nameless.contains("  "), "{nameless}");
        }
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("words", text);
    });
}

#[test]
fn every_kind_has_a_sample_and_one_name() {
    let samples = samples();
    let numbers: BTreeSet<usize> = samples.iter().map(|(_, domain_event)| kind_number(domain_event)).collect();
    assert_eq!(numbers, (0..DomainEvent::KINDS.len()).collect(), "a sample of each kind, and no other kinds");
    let kinds: BTreeSet<&str> = samples.iter().map(|(_, domain_event)| domain_event.kind()).collect();
    assert_eq!(kinds, DomainEvent::KINDS.iter().copied().collect(), "the list of kinds is the kinds");
    for (_, domain_event) in &samples {
        // The kind is serialised and stored under one name.
        assert_eq!(serde_json::to_value(domain_event).unwrap()["kind"], domain_event.kind());
    }
}

/// The routes that the product's documents name; other kinds go to `notifications` under the rule for all other jobs.
#[test]
fn domain_events_are_routed_as_their_documents_say() {
    let emails = [
        "booking.created",
        "booking.confirmed",
        "booking.cancelled",
        "event.updated",
        "event.cancelled",
        "user.registered",
    ];
    for (_, domain_event) in samples() {
        let expected = emails.contains(&domain_event.kind()).then_some(Queue::Emails);
        assert_eq!(Queue::of(&domain_event), expected, "{}", domain_event.kind());
    }
}

fn goldens(version: i64) -> PathBuf {
    PathBuf::from(format!("{}/tests/it/snapshots/domain_events/v{version}", env!("CARGO_MANIFEST_DIR")))
}

fn golden(version: i64, name: &str) -> String {
    let path = goldens(version).join(format!("{name}.json"));
    std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{} is missing: write it with BOXOFFICE_WRITE_GOLDEN=1", path.display()))
}

/// Names of the golden files of a version.
fn names(version: i64) -> BTreeSet<String> {
    let files = std::fs::read_dir(goldens(version)).unwrap();
    files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// A stored domain event is read for ever: what this release writes is kept in files, and must still be written and
/// read alike.
#[test]
fn golden_domain_events_are_written_and_read_alike() {
    let mut known = BTreeSet::new();
    for (case, domain_event) in samples() {
        let name = name(case, &domain_event);
        let written = serde_json::to_string_pretty(&domain_event.data()).unwrap() + "\n";
        let path = goldens(VERSION).join(format!("{name}.json"));
        // A new file is written once and never again: a changed domain event is a new version.
        if std::env::var_os("BOXOFFICE_WRITE_GOLDEN").is_some() && !path.exists() {
            std::fs::create_dir_all(goldens(VERSION)).unwrap();
            std::fs::write(&path, &written).unwrap();
        }
        let golden = golden(VERSION, &name);
        assert_eq!(written, golden, "{name}: a changed domain event is a new version, not another golden file");
        assert_eq!(DomainEvent::read(domain_event.kind(), VERSION, &golden).unwrap(), domain_event);
        known.insert(format!("{name}.json"));
    }
    assert_eq!(names(VERSION), known, "every golden file is still written: databases hold domain events like it");
}

/// The data of the previous version is read as the same domain event; a field it did not have says what was true then.
#[test]
fn golden_domain_events_of_the_previous_version_are_upgraded() {
    let samples: BTreeMap<String, DomainEvent> =
        samples().into_iter().map(|(case, domain_event)| (name(case, &domain_event), domain_event)).collect();
    let old = names(VERSION - 1);
    assert!(old.len() > 10);
    for file in old {
        let name = file.strip_suffix(".json").unwrap();
        let sample = &samples[name];
        let data = golden(VERSION - 1, name);
        assert_eq!(&DomainEvent::read(sample.kind(), VERSION - 1, &data).unwrap(), sample, "{name}");
    }
    let confirmed = golden(VERSION - 1, "booking.confirmed");
    assert!(!confirmed.contains("entry"), "the previous version had no such field");
    assert!(DomainEvent::read("booking.confirmed", VERSION, &confirmed).is_err(), "the field is not optional");
    for damaged in ["[]", "1", "\"text\"", "null"] {
        let read = DomainEvent::read("booking.confirmed", VERSION - 1, damaged);
        assert!(matches!(read, Err(UnreadableDomainEvent::Damaged(_))), "{damaged}: {read:?}");
    }
}

/// A domain event holds ids, numbers and words of the code: no personal data, so erasure need not touch any.
#[test]
fn domain_events_hold_no_text() {
    fn check(name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => fields.values().for_each(|value| check(name, value)),
            serde_json::Value::Array(items) => items.iter().for_each(|value| check(name, value)),
            serde_json::Value::String(text) => {
                let is_word = text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                assert!(is_word || Uuid::try_parse(text).is_ok(), "{name} holds the text {text:?}");
            }
            serde_json::Value::Number(_) | serde_json::Value::Null => {}
            serde_json::Value::Bool(_) => panic!("{name} holds {value}"),
        }
    }
    for (case, domain_event) in samples() {
        check(&name(case, &domain_event), &domain_event.data());
    }
}

#[derive(Debug, FromQueryResult)]
struct Stored {
    id: DomainEventId,
    kind: String,
    v: i64,
    occurred_at: Timestamp,
    actor_id: Option<UserId>,
    event_id: Option<EventId>,
    organizer_id: Option<OrganizerId>,
    user_id: Option<UserId>,
    data: String,
}

/// The whole envelope, through the table: written by the outbox, numbered, read back, and found by its subjects.
#[apply(scene!)]
async fn domain_events_keep_their_envelope(stage: Stage) {
    let app = stage.app_with(|options| (options.relay, options.worker) = (false, false)).await;
    let drafts: Vec<Draft> = samples()
        .into_iter()
        .zip(0..)
        .map(|((_, domain_event), n)| Draft {
            id: id(100 + u128::from(n)),
            at: BEGINNING.plus(Duration::from_secs(n)),
            actor: (n % 2 == 0).then(|| id(3)),
            domain_event,
        })
        .collect();
    let some = &drafts;
    let append = |tx| async move { outbox::append(&tx, some).await };
    app.db().write::<_, DbError, _, _>(Priority::Interactive, append).await.unwrap();
    let sql = "SELECT id, kind, v, occurred_at, actor_id, event_id, organizer_id, user_id, data FROM domain_event ORDER BY pos";
    let rows: Vec<Stored> = db::all(app.db().read(), sql, []).await.unwrap();
    assert_eq!(rows.len(), drafts.len());
    for ((row, draft), (case, domain_event)) in rows.iter().zip(&drafts).zip(samples()) {
        let envelope = (row.id, row.kind.as_str(), row.v, row.occurred_at, row.actor_id);
        assert_eq!(envelope, (draft.id, domain_event.kind(), VERSION, draft.at, draft.actor));
        let about = domain_event.about();
        assert_eq!((row.event_id, row.organizer_id, row.user_id), (about.event, about.organizer, about.user));
        let stored: serde_json::Value = serde_json::from_str(&row.data).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&golden(VERSION, &name(case, &domain_event))).unwrap();
        assert_eq!(stored, golden);
    }

    assert!(since(app.db().read(), About::Anything, 0, 100).await.unwrap().is_empty(), "not numbered yet");
    assert_eq!(number(app.db()).await.unwrap(), Step::Numbered);
    let recorded = async |about| {
        let rows = since(app.db().read(), about, 0, 100).await.unwrap();
        rows.iter().map(|row| row.read().unwrap()).collect::<Vec<Recorded>>()
    };
    let expected = |which: &dyn Fn(&DomainEvent) -> bool| -> Vec<Recorded> {
        let numbered = drafts.iter().zip(1..).filter(|(draft, _)| which(&draft.domain_event));
        let read = |(draft, seq): (&Draft, i64)| Recorded {
            id: draft.id,
            seq,
            occurred_at: draft.at,
            actor: draft.actor,
            domain_event: draft.domain_event.clone(),
        };
        numbered.map(read).collect()
    };
    assert_eq!(recorded(About::Anything).await, expected(&|_| true));
    assert_eq!(recorded(About::Customer(id(3))).await, expected(&|domain_event| domain_event.about().user.is_some()));
    assert_eq!(
        recorded(About::Organizer(id(2))).await,
        expected(&|domain_event| domain_event.about().organizer.is_some())
    );
    assert_eq!(recorded(About::Organizer(id(3))).await, []);
}

#[test]
fn domain_events_of_later_releases_are_told_from_damaged_ones() {
    assert_eq!(DomainEvent::read("booking.teleported", 1, "{}"), Err(UnreadableDomainEvent::Newer));
    let damaged = |kind: &str, data: &str| {
        matches!(DomainEvent::read(kind, VERSION, data), Err(UnreadableDomainEvent::Damaged(_)))
    };
    for (case, domain_event) in samples() {
        let (kind, data) = (domain_event.kind(), domain_event.data());
        assert_eq!(DomainEvent::read(kind, VERSION + 1, &data.to_string()), Err(UnreadableDomainEvent::Newer));
        for nothing in ["{}", "[]", "null", "no json", ""] {
            assert!(damaged(kind, nothing), "{kind}: {nothing:?}");
        }
        for field in data.as_object().unwrap().keys() {
            let mut without = data.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(damaged(kind, &without.to_string()), "{} without {field}", name(case, &domain_event));
            let mut wrong = data.clone();
            wrong[field] = serde_json::json!({});
            assert!(damaged(kind, &wrong.to_string()), "{} with a strange {field}", name(case, &domain_event));
        }
        // Fields that a later release adds to a domain event without changing its meaning are ignored.
        let mut more = data.clone();
        more["added"] = 1.into();
        assert_eq!(DomainEvent::read(kind, VERSION, &more.to_string()), Ok(domain_event));
    }
}
