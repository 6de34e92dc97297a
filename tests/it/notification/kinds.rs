//! Tests of notices that have a kind and an audience of their own: one cause for two texts, several causes for one
//! notice.
//! Not here: the texts themselves (`reactions`).

use boxoffice::db::Priority;
use boxoffice::domain_event::{DomainEvent, Recorded};
use boxoffice::id::{DomainEventId, UserId};
use boxoffice::notification::{NewNotice, inbox};
use boxoffice::status::{Audience, NoticeKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, TestApp};

/// Kind and text of a user's notices, oldest first.
async fn texts(person: &Actor) -> Vec<(String, String)> {
    let answer = person.ask("{ notices(last: 50) { nodes { number kind text } } }", json!({})).await.ok();
    let mut nodes = answer.at("notices.nodes").as_array().unwrap().clone();
    nodes.sort_by_key(|node| node["number"].as_i64());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes.iter().map(|node| (text(&node["kind"]), text(&node["text"]))).collect()
}

/// A cancellation reads differently to the customer and to the organizer.
#[apply(scene!)]
async fn one_cause_reads_differently_to_each_side(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    for canceller in [&customer, &organizer] {
        let booking = customer.books(&event, 1).await;
        canceller.cancel(&booking).await.ok();
    }
    app.settled().await;
    let told = async |person: &Actor| -> Vec<String> {
        let all = texts(person).await.into_iter().filter(|(kind, _)| kind == "BOOKING_CANCELLED");
        all.map(|(_, text)| text.split(" EVT-").next().unwrap().to_owned()).collect()
    };
    assert_eq!(told(&customer).await, ["You cancelled", "The organizer cancelled"]);
    assert_eq!(told(&organizer).await[0], "The customer cancelled");
    assert!(texts(&organizer).await.last().unwrap().1.contains("was cancelled by the organizer"));
    let sides = "SELECT count(*) AS n FROM notice WHERE cause = 'booking.cancelled' AND audience = $1";
    for audience in Audience::ALL {
        assert_eq!(app.number(sides, [audience.word().into()]).await, 2, "{audience:?}");
    }
}

/// A promotion is a booking and its confirmation; its customer gets one notice, its organizer one.
#[apply(scene!)]
async fn a_promotion_tells_its_customer_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(2).await);
    let event = organizer.event(1).await;
    let booking = people[0].books(&event, 1).await;
    people[1].join(&event, 1, false).await.ok();
    people[0].cancel(&booking).await.ok();
    app.settled().await;
    assert_eq!(people[1].notice_kinds().await, ["WAITLIST_JOINED", "WAITLIST_PROMOTED"]);
    assert_eq!(app.domain_events("booking.confirmed").await, 2, "each booking is confirmed once");
    let created = organizer.notice_kinds().await.into_iter().filter(|kind| kind == "BOOKING_CREATED").count();
    assert_eq!(created, 2);
    assert!(texts(&people[1]).await[1].1.contains("you have 1 ticket"));
}

/// Writes one notice as a reaction does.
async fn write(app: &TestApp, user: UserId, causes: &[u128]) -> usize {
    let id = |n: u128| DomainEventId(Uuid::from_u128(n));
    let domain_event = DomainEvent::UserRegistered { user };
    let cause = Recorded { id: id(causes[0]), seq: 1, occurred_at: app.clock.now(), actor: None, domain_event };
    let further = causes[1..].iter().copied().map(id).collect();
    let notice = NewNotice { further, ..NewNotice::of(&cause, user, NoticeKind::UserRegistered, Audience::Customer) };
    let (notices, now) = (&[notice], app.clock.now());
    let written = |tx: boxoffice::db::Tx| async move { inbox::write(&tx, notices, now).await };
    app.db().write(Priority::Relay, written).await.unwrap().len()
}

/// A notice about several domain events is written once, whichever of them is reacted to again.
#[apply(scene!)]
async fn several_causes_become_one_notice(stage: Stage) {
    let app = stage.app_with(|options| options.relay = false).await;
    let customer = app.customer().await;
    let written = async |causes: &[u128]| write(&app, customer.user, causes).await;
    assert_eq!(written(&[1, 2, 3]).await, 1);
    for known in [&[1][..], &[2], &[3], &[3, 1], &[2, 3]] {
        assert_eq!(written(known).await, 0, "{known:?}");
    }
    assert_eq!(written(&[3, 4]).await, 1, "the fourth is new");
    assert_eq!(written(&[4]).await, 0);
    let total = customer.ask("{ notices(first: 9) { totalCount unreadCount nodes { number } } }", json!({})).await.ok();
    assert_eq!(total.at("notices.nodes"), &json!([{ "number": 2 }, { "number": 1 }]), "numbered without a gap");
}
