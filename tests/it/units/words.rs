//! One word, one meaning: the words of the code are those of the database's CHECKs, of the contract and of statements.
//! Not here: permitted changes of status (the table in `units`).

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use boxoffice::queue::Queue;
use boxoffice::status::{
    BookingStatus, CancelReason, Confirmation, EventField, EventStatus, Fulfilment, InvitationStatus, LeaveReason,
    MemberRole, NoticeKind, Role, WaitlistStatus,
};

use crate::architecture::source::{Token, tokens};
use crate::harness::Stage;

macro_rules! words {
    ($($name:ident),*) => {
        BTreeMap::from([$((stringify!($name), $name::ALL.iter().map(|word| word.word()).collect::<Vec<_>>()),)*])
    };
}

fn enums() -> BTreeMap<&'static str, Vec<&'static str>> {
    words!(
        BookingStatus,
        CancelReason,
        Confirmation,
        EventField,
        EventStatus,
        Fulfilment,
        InvitationStatus,
        LeaveReason,
        MemberRole,
        NoticeKind,
        Role,
        WaitlistStatus
    )
}

/// `LeaveReason` occurs only in domain events; all other words are sent to clients.
#[test]
fn the_contract_has_the_words_of_the_code() {
    let mut sent = BTreeMap::new();
    for definition in parse_schema(boxoffice::graphql::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        if let TypeKind::Enum(words) = definition.node.kind {
            let words: BTreeSet<String> = words.values.iter().map(|word| word.node.value.node.to_string()).collect();
            sent.insert(definition.node.name.node.to_string(), words);
        }
    }
    for (name, words) in enums().into_iter().filter(|(name, _)| *name != "LeaveReason") {
        let words: BTreeSet<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(sent.get(name), Some(&words), "{name}");
    }
}

/// A word is stored, sent and serialised alike.
#[test]
fn words_are_serialised_as_they_are_stored() {
    macro_rules! check {
        ($($name:ident),*) => {$(
            for word in $name::ALL {
                assert_eq!(serde_json::to_value(word).unwrap(), word.word());
                assert_eq!(sea_orm::ActiveEnum::to_value(word), word.word());
                assert_eq!(serde_json::from_value::<$name>(word.word().into()).unwrap(), *word);
            }
        )*};
    }
    check!(
        BookingStatus,
        CancelReason,
        Confirmation,
        EventField,
        EventStatus,
        Fulfilment,
        InvitationStatus,
        LeaveReason,
        MemberRole,
        NoticeKind,
        Role,
        WaitlistStatus
    );
    for queue in Queue::ALL {
        assert_eq!(serde_json::to_value(queue).unwrap(), queue.name());
    }
}

/// Collects each CHECK that lists words, by table and column.
fn checks(table: &str, sql: &str, found: &mut BTreeMap<String, Vec<String>>) {
    for (at, _) in sql.match_indices("CHECK (") {
        let rest = &sql[at + "CHECK (".len()..];
        let Some((column, list)) = rest.split_once(" IN (") else { continue };
        if !column.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        let list = list.split(')').next().unwrap();
        let words = list.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect();
        found.insert(format!("{table}.{column}"), words);
    }
}

/// Every CHECK of the database that lists words lists those of a type, in its order; none is missing here.
#[tokio::test]
async fn every_check_lists_the_words_of_a_type() {
    #[derive(sea_orm::FromQueryResult)]
    struct Table {
        name: String,
        sql: String,
    }
    let stage = Stage::sqlite(); // its folder goes with it
    let app = stage.app().await;
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL";
    let tables: Vec<Table> = boxoffice::db::all(app.db().read(), sql, []).await.unwrap();
    let mut found = BTreeMap::new();
    for table in &tables {
        checks(&table.name, &table.sql, &mut found);
    }
    let enums = enums();
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (column, name) in [
        ("booking.status", "BookingStatus"),
        ("booking.cancel_reason", "CancelReason"),
        ("event.confirmation", "Confirmation"),
        ("event.status", "EventStatus"),
        ("membership.role", "MemberRole"),
        ("membership_invitation.role", "MemberRole"),
        ("membership_invitation.status", "InvitationStatus"),
        ("users.role", "Role"),
        ("waitlist_entry.status", "WaitlistStatus"),
    ] {
        expected.insert(column.into(), enums[name].iter().map(|word| (*word).to_owned()).collect());
    }
    // Words without a type of their own: one or two statements write them.
    for (column, words) in [
        ("job.queue", Queue::ALL.map(Queue::name).to_vec()),
        ("job.state", vec!["available", "running", "succeeded", "dead", "cancelled"]),
        ("delivery.channel", vec!["log", "email"]),
        ("delivery.state", vec!["sent", "rejected", "skipped"]),
        ("waitlist_entry.accepts_part", vec!["0", "1"]),
        ("job.waits_double", vec!["0", "1"]),
        ("event_word.listed", vec!["0", "1"]),
    ] {
        expected.insert(column.into(), words.into_iter().map(str::to_owned).collect());
    }
    assert_eq!(found, expected);
}

/// The set of live bookings is defined once in code, and used by every statement that counts, notifies or ends them,
/// and by their index.
#[test]
fn statements_agree_on_which_bookings_are_live() {
    for status in BookingStatus::ALL {
        let may_end = status.may_become(BookingStatus::Cancelled);
        assert_eq!(status.is_live(), may_end, "{status:?}: what claims tickets can be cancelled, and nothing else");
    }
    let live: Vec<&str> =
        BookingStatus::ALL.iter().filter(|status| status.is_live()).map(|status| status.word()).collect();
    let expected = live.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    let mut lists = 0;
    for (name, text) in ["src", "migration/src"].into_iter().flat_map(crate::architecture::sources) {
        for placed in tokens(&text) {
            let Token::Text(sql) = placed.token else { continue };
            // Not the CHECK of the column, which lists all statuses.
            for (at, _) in sql.match_indices(" status IN (").chain(sql.match_indices(".status IN (")) {
                let list = sql[at..].split(['(', ')']).nth(1).unwrap();
                if list.contains("PENDING_APPROVAL") {
                    lists += 1;
                    assert_eq!(list, expected, "{name}:{}", placed.line);
                }
            }
        }
    }
    assert!(lists >= 4, "found {lists}");
}
