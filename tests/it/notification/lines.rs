//! Tests of the log: one line per domain event that triggers notices, and one per recipient of each.
//! Not here: other log lines, and the content that no log may hold (`scripts/test`).

use boxoffice::id::{NodeId, UserId};
use sea_orm::FromQueryResult;
use serde_json::json;

use super::fill;
use crate::harness::log::{self, Line};

/// Returns the lines with this message that name an id.
fn lines(message: &str, names: &str) -> Vec<Line> {
    log::notified().into_iter().filter(|line| line.field("message") == message && line.holds(names)).collect()
}

/// Returns the number of lines about the notice of a user for a kind of domain event.
fn told(user: UserId, kind: &str) -> usize {
    lines("notified", &user.to_global_id())
        .iter()
        .filter(|line| line.field("kind") == kind && line.field("user") == user.to_global_id())
        .count()
}

/// Returns the number of recipients in each line of a kind of domain event about an event.
fn triggered(event: &str, kind: &str) -> Vec<String> {
    let lines = lines("notices triggered", event);
    lines
        .into_iter()
        .filter(|line| line.field("kind") == kind)
        .map(|line| line.field("recipients").to_owned())
        .collect()
}

#[apply(scene!)]
async fn a_line_per_recipient_and_one_per_trigger(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(3).await;
    let event = organizer.event(2_000).await;
    for person in &people {
        person.books(&event, 2).await;
    }
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    app.settled().await;
    for person in &people {
        let confirmed = lines("booking confirmed", &person.user.to_global_id());
        assert_eq!(confirmed.len(), 1, "{confirmed:?}");
        let line = &confirmed[0];
        assert_eq!(
            (line.field("customer"), line.field("event"), line.field("seats")),
            (&*person.user.to_global_id(), &*event, "2")
        );
        assert!(line.field("ref").starts_with("EVT-"), "{line:?}");
        assert_eq!((told(person.user, "event.updated"), told(person.user, "booking.created")), (1, 0));
    }
    assert_eq!(told(organizer.user, "booking.created"), 3);
    assert_eq!(triggered(&event, "booking.created"), ["1", "1", "1"]);
    assert_eq!(triggered(&event, "booking.confirmed"), ["1", "1", "1"]);
    assert_eq!(triggered(&event, "event.updated"), ["3"]);
    assert_eq!(triggered(&event, "availability.changed"), Vec::<String>::new(), "it tells nobody");

    // A large audience is notified by a job: the same lines, none missing and none twice.
    fill(&app, &event, 1_100).await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall C" }), "changed").await.ok();
    app.settled().await;
    assert_eq!(triggered(&event, "event.updated"), ["3", "too many for a reaction; a fan-out job notifies them"]);
    #[derive(FromQueryResult)]
    struct Row {
        user_id: UserId,
        told: i64,
    }
    let sql = "SELECT user_id, count(*) AS told FROM notice WHERE cause = 'event.updated' GROUP BY user_id";
    let rows: Vec<Row> = boxoffice::db::all(app.db().read(), sql, []).await.unwrap();
    assert_eq!(rows.len(), 1_103);
    let mut counts = std::collections::HashMap::<String, i64>::new();
    for line in log::notified()
        .iter()
        .filter(|line| line.field("message") == "notified" && line.field("kind") == "event.updated")
    {
        *counts.entry(line.field("user").to_owned()).or_default() += 1;
    }
    for row in rows {
        assert_eq!(counts.get(&row.user_id.to_global_id()), Some(&row.told), "a line per notice");
    }
}
