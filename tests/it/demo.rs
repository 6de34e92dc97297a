//! Tests of the demo: its contents, its consistency, and its removal.
//! Not here: the start that creates it and the output of the terminal (`binary`).

use boxoffice::clock::{Clock, Timestamp};
use boxoffice::db;
use boxoffice::demo::seed::{EVENTS, LINE, PASSWORD, PEOPLE};
use boxoffice::demo::{self, remove};
use sea_orm::FromQueryResult;
use serde_json::json;

use crate::harness::{Actor, TestApp};

/// Returns a service on a database with a demo, with its clock at the moment of the demo.
async fn staged(stage: &crate::harness::Stage) -> TestApp {
    let empty = stage
        .app_with(|options| {
            options.relay = false;
            options.worker = false;
        })
        .await;
    assert!(demo::is_fresh(empty.db()).await.unwrap());
    demo::make(empty.db(), empty.clock.now()).await.unwrap();
    empty
}

async fn signed_in(app: &TestApp, email: &str) -> Actor {
    let sign_in =
        "mutation($input: SignInInput!) { signIn(input: $input) { token { accessToken } userErrors { code } } }";
    let input = json!({ "input": { "email": email, "password": PASSWORD } });
    let answer = app.anonymous().ask(sign_in, input).await.ok();
    let mut actor = app.anonymous();
    actor.token = Some(answer.text("signIn.token.accessToken"));
    actor
}

#[apply(scene!)]
async fn is_what_it_says_and_sound(stage: Stage) {
    let app = staged(&stage).await;
    let counts = demo::counts(app.db()).await.unwrap();
    assert_eq!(counts.events, EVENTS.len() as i64);
    assert_eq!(counts.waiting, LINE.len() as i64);
    assert!(counts.bookings > 150, "{} bookings are no history", counts.bookings);
    let list = "{ events(first: 50) { nodes { id title slug availability { capacity sold available waiting } } } }";
    let catalog = app.anonymous().ask(list, json!({})).await.ok();
    let events = catalog.at("events.nodes").as_array().unwrap().clone();
    assert_eq!(events.len(), EVENTS.iter().filter(|play| !play.draft).count());
    for event in &events {
        let play = EVENTS.iter().find(|play| play.title == event["title"]).unwrap();
        assert_eq!(event["availability"]["sold"], json!(play.sold), "{}", play.title);
        app.assert_sound(event["id"].as_str().unwrap()).await;
    }
    let by_slug = |slug: &str| events.iter().find(|event| event["slug"] == slug).unwrap()["availability"].clone();
    assert_eq!(by_slug("rust-nation")["available"], 2);
    assert_eq!(
        (&by_slug("jazz-on-the-roof")["available"], &by_slug("jazz-on-the-roof")["waiting"]),
        (&json!(0), &json!(9))
    );
    assert_eq!(by_slug("pottery-evening")["available"], 7);
    // All reactions are done, without log lines: one notice per domain event and user, every delivery recorded.
    assert_eq!(app.number("SELECT count(*) AS n FROM job WHERE state <> 'succeeded'", []).await, 0);
    let undelivered = "SELECT (SELECT count(*) FROM notice) - (SELECT count(*) FROM delivery) AS n";
    assert_eq!(app.number(undelivered, []).await, 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM parked_domain_event", []).await, 0);
    // The bookings have a history, none of it in the future.
    let now = app.clock.now();
    assert_eq!(app.number("SELECT count(*) AS n FROM booking WHERE created_at > $1", [now.into()]).await, 0);
    let days = "SELECT count(DISTINCT created_at / 86400000000) AS n FROM booking";
    assert!(app.number(days, []).await > 10);
}

#[derive(FromQueryResult)]
struct Line {
    line: String,
}

/// Returns every visible object of the demo, a line each; times as microseconds after `today`.
async fn contents(app: &TestApp, today: Timestamp) -> Vec<String> {
    let after = |time: &str| format!("cast({time} - {} AS text)", today.0);
    let columns = [
        (
            format!(
                "e.slug || ' ' || e.status || ' ' || {} || ' ' || {}",
                after("e.starts_at"),
                after("e.published_at")
            ),
            "FROM event e WHERE e.published_at IS NOT NULL",
        ),
        (
            format!(
                "b.reference || ' ' || u.email || ' ' || e.slug || ' ' || b.status || ' ' || cast(i.quantity AS text) \
                 || ' ' || {}",
                after("b.created_at"),
            ),
            "FROM booking b JOIN users u ON u.id = b.user_id JOIN event e ON e.id = b.event_id
             JOIN booking_item i ON i.booking_id = b.id",
        ),
        (
            format!(
                "u.email || ' ' || cast(w.position_key AS text) || ' ' || w.status || ' ' || {}",
                after("w.created_at")
            ),
            "FROM waitlist_entry w JOIN users u ON u.id = w.user_id",
        ),
        (
            format!("u.email || ' ' || cast(n.seq AS text) || ' ' || n.kind || ' ' || {}", after("f.occurred_at")),
            "FROM notice n JOIN users u ON u.id = n.user_id JOIN domain_event f ON f.id = n.domain_event_id
             WHERE n.booking_id IS NOT NULL",
        ),
    ];
    let mut lines = Vec::new();
    for (line, from) in columns {
        let sql = format!("SELECT {line} AS line {from} ORDER BY 1");
        lines.extend(db::all::<Line, 0>(app.db().read(), &sql, []).await.unwrap().into_iter().map(|row| row.line));
    }
    let people = "SELECT email AS line FROM users ORDER BY id";
    lines.extend(db::all::<Line, 0>(app.db().read(), people, []).await.unwrap().into_iter().map(|row| row.line));
    let ids = app.anonymous().ask("{ events(first: 50) { nodes { id slug } } }", json!({})).await.ok();
    lines.extend(ids.at("events.nodes").as_array().unwrap().iter().map(ToString::to_string));
    lines
}

#[apply(scene!)]
async fn is_the_same_at_each_start(stage: Stage) {
    let app = staged(&stage).await;
    let day = 24 * 3_600 * 1_000_000;
    let first = contents(&app, app.clock.now()).await; // midnight
    assert!(first.len() > 400, "{} lines are not everything", first.len());
    // The same day, some hours later: identical. Three days later: every time is three days later.
    for (later, days) in [(5 * 3_600 * 1_000_000 + 37, 0), (3 * day + 7, 3)] {
        assert!(remove::wipe(app.db()).await.unwrap());
        let now = Timestamp(app.clock.now().0 + later);
        demo::make(app.db(), now).await.unwrap();
        assert_eq!(contents(&app, Timestamp(app.clock.now().0 + days * day)).await, first);
    }
    // The ids are the same on every machine and both databases: README and GraphiQL depend on them.
    let event = app.anonymous().ask("{ event(slug: \"rust-nation\") { id } }", json!({})).await.ok();
    assert_eq!(event.text("event.id"), "RXZlbnQ6AZQ6oLwAdpmg2lrTF1TiOw");
    let grace = signed_in(&app, "grace@demo.test").await;
    let mine = "{ myBookings(first: 5) { nodes { reference quantity event { slug } } } }";
    let mine = grace.ask(mine, json!({})).await.ok();
    let bookings = json!([
        { "reference": "EVT-8FJ7V4", "quantity": 1, "event": { "slug": "big-band-brunch" } },
        { "reference": "EVT-TXEFJ8", "quantity": 2, "event": { "slug": "late-set" } },
    ]);
    assert_eq!(mine.at("myBookings.nodes"), &bookings);
}

#[apply(scene!)]
async fn everybody_can_be_acted_as(stage: Stage) {
    let app = staged(&stage).await;
    for person in PEOPLE {
        let actor = signed_in(&app, person.email).await;
        let viewer = actor.ask("{ viewer { name role } }", json!({})).await.ok();
        assert_eq!(viewer.at("viewer"), &json!({ "name": person.name, "role": person.role.word() }));
    }
    let edsger = signed_in(&app, "edsger@demo.test").await;
    let mine =
        edsger.ask("{ myWaitlistEntries(first: 5) { nodes { position event { slug } } } }", json!({})).await.ok();
    assert_eq!(
        mine.at("myWaitlistEntries.nodes"),
        &json!([{ "position": 1, "event": { "slug": "jazz-on-the-roof" } }])
    );
    let grace = signed_in(&app, "grace@demo.test").await;
    assert!(
        grace.ask("{ myBookings(first: 5) { totalCount } }", json!({})).await.ok().int("myBookings.totalCount") > 0
    );
    let page = app.http.get(format!("http://{}/graphiql/demo.json", app.address)).send().await.unwrap();
    let list: serde_json::Value = page.json().await.unwrap();
    assert_eq!(list, json!({ "people": [] }), "only a service that shows its demo names the people");
    let shown = stage.app_with(|options| options.demo = true).await;
    let page = shown.http.get(format!("http://{}/graphiql/demo.json", shown.address)).send().await.unwrap();
    let list: serde_json::Value = page.json().await.unwrap();
    assert_eq!(list["people"].as_array().unwrap().len(), PEOPLE.len());
}

#[apply(scene!)]
async fn goes_away_whole_or_only_stops_signing_in(stage: Stage) {
    let app = staged(&stage).await;
    assert!(demo::accounts(app.db()).await.unwrap() > 0);
    assert!(remove::wipe(app.db()).await.unwrap());
    assert!(demo::is_fresh(app.db()).await.unwrap());
    assert_eq!(
        app.number("SELECT (SELECT count(*) FROM domain_event) + (SELECT count(*) FROM event) AS n", []).await,
        0
    );
    // The demo can be created again.
    demo::make(app.db(), app.clock.now()).await.unwrap();
    let real = app.customer().await;
    assert!(!remove::wipe(app.db()).await.unwrap(), "somebody real has an account");
    assert_eq!(demo::counts(app.db()).await.unwrap().events, EVENTS.len() as i64);
    assert!(remove::disable(app.db(), Clock::System.now()).await.unwrap() > 30);
    assert_eq!(demo::accounts(app.db()).await.unwrap(), 0);
    let sign_in = "mutation($input: SignInInput!) { signIn(input: $input) { userErrors { code } } }";
    let input = json!({ "input": { "email": "grace@demo.test", "password": PASSWORD } });
    assert_eq!(app.anonymous().ask(sign_in, input).await.refusal(), "INVALID_CREDENTIALS");
    real.ask("{ viewer { id } }", json!({})).await.ok();
}
