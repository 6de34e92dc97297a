//! Tests of finding events: words in any script, present and past events, prices, cursors, and lists of any length.
//! Not here: the words themselves (`units::search`) and the plans of the statements (`plans`).

use boxoffice::clock::Timestamp;
use boxoffice::event::browse::{self, Filter, Price, Scope, Sort};
use boxoffice::event::search;
use boxoffice::graphql::expensive::Viewer;
use boxoffice::id::{EventId, NodeId};
use boxoffice::page::Paging;
use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use super::create;
use crate::harness::{Actor, TestApp};

/// Publishes an event that differs from the usual; returns its id.
async fn published(organizer: &Actor, changes: Value) -> String {
    let id = create(organizer, changes).await.ok().text("createEvent.event.id");
    organizer.mutate("publishEvent", json!({ "eventId": id }), "event { id }").await.ok();
    id
}

/// Returns the titles of a list, and its count.
async fn titles(actor: &Actor, list: &str, filter: Value) -> (i64, Vec<String>) {
    let query = format!(
        "query($f: EventFilter) {{ found: {list}(first: 100, filter: $f) {{ totalCount nodes {{ title }} }} }}"
    );
    let answer = actor.ask(&query, json!({ "f": filter })).await.ok();
    let nodes = answer.at("found.nodes").as_array().unwrap().iter();
    (answer.int("found.totalCount"), nodes.map(|node| node["title"].as_str().unwrap().to_owned()).collect())
}

async fn found(actor: &Actor, text: &str) -> Vec<String> {
    let (count, titles) = titles(actor, "events", json!({ "text": text })).await;
    assert_eq!(count, titles.len() as i64, "{text}");
    titles
}

#[apply(scene!)]
async fn is_found_by_words_however_they_are_typed(stage: Stage) {
    let app = stage.app().await;
    let (organizer, guest) = (app.organizer().await, app.anonymous());
    published(&organizer, json!({ "title": "Cafe\u{301} Nord" })).await;
    let lodz = published(&organizer, json!({ "title": "Señor Łódź Straße", "venue": "東京ドーム" })).await;
    let draft = create(&organizer, json!({ "title": "Secret Nord" })).await.ok().text("createEvent.event.id");
    assert_eq!(found(&guest, "Café Nord").await, ["Caf\u{e9} Nord"], "stored and shown composed");
    assert_eq!(found(&guest, "nord CAFE").await, ["Caf\u{e9} Nord"]);
    for text in ["senor", "lodz", "strasse", "straße señor", "東京", "ドーム lodz"] {
        assert_eq!(found(&guest, text).await, ["Señor Łódź Straße"], "{text}");
    }
    assert!(found(&guest, "nord strasse").await.is_empty(), "all words, not any");
    // A draft is found by its organizer only, and by all viewers once it is published.
    assert_eq!(titles(&organizer, "myEvents", json!({ "text": "secret" })).await.1, ["Secret Nord"]);
    organizer.mutate("publishEvent", json!({ "eventId": draft }), "event { id }").await.ok();
    assert_eq!(found(&guest, "nord").await.len(), 2);
    // New words replace the old ones, here and when a past event leaves the catalog.
    organizer.mutate("updateEvent", json!({ "eventId": lodz, "title": "Gdańsk" }), "changed").await.ok();
    assert!(found(&guest, "lodz").await.is_empty());
    assert_eq!(found(&guest, "gdansk 東京").await, ["Gdańsk"]);
    organizer.mutate("cancelEvent", json!({ "eventId": draft }), "event { id }").await.ok();
    assert!(found(&guest, "secret").await.is_empty());
    let listed = "SELECT count(*) AS n FROM event_word WHERE listed = 1";
    assert!(app.number(listed, []).await > 0);
    app.clock.advance(std::time::Duration::from_secs(90 * 24 * 3_600));
    boxoffice::event::archive::archive(app.db(), app.clock.now()).await.unwrap();
    assert_eq!(app.number(listed, []).await, 0);
    let organizer = app.renewed(&organizer).await;
    assert_eq!(titles(&organizer, "myEvents", json!({ "text": "gdansk" })).await.1, ["Gdańsk"]);
}

/// The sweep indexes events of a release that had no index of words.
#[apply(scene!)]
async fn events_of_an_older_index_are_indexed_anew(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    published(&organizer, json!({ "title": "Jazz" })).await;
    app.sql("DELETE FROM event_word", []).await;
    app.sql("UPDATE event SET search_version = 0", []).await;
    assert!(found(&app.anonymous(), "jazz").await.is_empty());
    assert_eq!(search::reindex(app.db()).await.unwrap(), 1);
    assert_eq!(search::reindex(app.db()).await.unwrap(), 0);
    assert_eq!(found(&app.anonymous(), "jazz").await, ["Jazz"]);
}

#[apply(scene!)]
async fn lists_what_is_not_over_and_what_it_costs(stage: Stage) {
    let app = stage.app().await;
    let (organizer, guest) = (app.organizer().await, app.anonymous());
    let on = |day: i64, title: &str, price: &str, currency: &str| {
        json!({
            "title": title, "price": price, "currency": currency,
            "startsAt": format!("2026-03-0{day}T10:00:00Z"), "endsAt": format!("2026-03-0{day}T20:00:00Z"),
        })
    };
    for changes in [on(1, "Free", "0", "EUR"), on(2, "Ten", "10", "EUR"), on(3, "Yen", "1000", "JPY")] {
        published(&organizer, changes).await;
    }
    let list = async |filter: Value| titles(&guest, "events", filter).await.1.join(",");
    assert_eq!(list(json!({ "from": "2026-03-01T12:00:00Z" })).await, "Free,Ten,Yen", "one runs just then");
    assert_eq!(list(json!({ "from": "2026-03-01T20:00:00Z" })).await, "Ten,Yen", "it is over");
    assert_eq!(list(json!({ "startingFrom": "2026-03-01T12:00:00Z" })).await, "Ten,Yen");
    assert_eq!(list(json!({ "from": "2026-03-02T12:00:00Z", "until": "2026-03-03T00:00:00Z" })).await, "Ten");
    app.clock.set(boxoffice::clock::Timestamp::from_rfc3339("2026-03-01T12:00:00Z").unwrap());
    assert_eq!(list(json!({ "from": "2026-03-01T12:00:00Z" })).await, "Free,Ten,Yen", "and it still runs now");
    assert_eq!(list(json!({ "free": true })).await, "Free");
    assert_eq!(list(json!({ "free": false })).await, "Ten,Yen");
    assert_eq!(list(json!({ "price": { "to": "10.00" } })).await, "Free,Ten");
    assert_eq!(list(json!({ "price": { "from": "0.01", "to": "9.99" } })).await, "");
    assert_eq!(list(json!({ "price": { "from": "1000", "currency": "JPY" } })).await, "Yen");
    let query = "query($f: EventFilter) { events(first: 1, filter: $f) { totalCount } }";
    for (price, word) in [(json!({ "from": "1.999" }), "price.from"), (json!({ "currency": "XXX" }), "price.currency")]
    {
        let refused = guest.ask(query, json!({ "f": { "price": price } })).await;
        assert_eq!(refused.fault(), "BAD_USER_INPUT");
        assert!(refused.body["errors"][0]["message"].as_str().unwrap().contains(word), "{}", refused.body);
    }
    // A new price counts at once.
    let organizer = app.renewed(&organizer).await;
    let id = organizer.ask("{ myEvents(first: 9, filter: { text: \"ten\" }) { nodes { id } } }", json!({})).await.ok();
    let input = json!({ "eventId": id.text("myEvents.nodes.0.id"), "price": "11" });
    organizer.mutate("updateEvent", input, "changed").await.ok();
    assert_eq!(list(json!({ "price": { "from": "10.01" } })).await, "Ten");
}

#[apply(scene!)]
async fn lists_the_events_of_one_organizer(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival, guest) = (app.organizer().await, app.organizer().await, app.anonymous());
    let own = published(&organizer, json!({ "title": "Own" })).await;
    published(&rival, json!({ "title": "Foreign" })).await;
    let seen = "query($id: ID!) { event(id: $id) { organizer { id slug } } }";
    let seen = guest.ask(seen, json!({ "id": own })).await.ok();
    let (id, slug) = (seen.text("event.organizer.id"), seen.text("event.organizer.slug"));
    for filter in [json!({ "organizerId": id }), json!({ "organizerSlug": slug })] {
        assert_eq!(titles(&guest, "events", filter).await, (1, vec!["Own".to_owned()]));
    }
    assert_eq!(titles(&guest, "events", json!({ "organizerSlug": "nobody" })).await.0, 0);
    let query = "query($f: EventFilter) { events(first: 1, filter: $f) { nodes { id } } }";
    let both = guest.ask(query, json!({ "f": { "organizerId": id, "organizerSlug": slug } })).await;
    assert_eq!(both.fault(), "BAD_USER_INPUT");
}

#[apply(scene!)]
async fn a_cursor_belongs_to_its_order(stage: Stage) {
    let app = stage.app().await;
    let (organizer, guest) = (app.organizer().await, app.anonymous());
    for title in ["A", "B"] {
        published(&organizer, json!({ "title": title })).await;
    }
    let cursor = async |sort: &str| {
        let query = format!("{{ events(first: 1, sort: {sort}) {{ edges {{ cursor }} }} }}");
        guest.ask(&query, json!({})).await.ok().text("events.edges.0.cursor")
    };
    let orders = ["STARTS_AT_ASC", "STARTS_AT_DESC", "PUBLISHED_AT_DESC"];
    for (of, asked) in orders.iter().flat_map(|of| orders.map(|asked| (*of, asked))) {
        let cursor = cursor(of).await;
        for argument in ["first: 1, after", "last: 1, before"] {
            let query = format!("{{ events({argument}: \"{cursor}\", sort: {asked}) {{ nodes {{ title }} }} }}");
            let answer = guest.ask(&query, json!({})).await;
            if of == asked {
                answer.ok();
                continue;
            }
            assert_eq!(answer.fault(), "BAD_USER_INPUT", "{of} in {asked}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(of) && message.contains(asked), "{message}");
        }
    }
    // A cursor of another list is refused too, even if its keys look alike.
    let customer = app.customer().await;
    let sessions = customer.ask("{ mySessions(first: 1) { edges { cursor } } }", json!({})).await.ok();
    let query = "query($c: String) { myBookings(first: 1, after: $c) { nodes { id } } }";
    let cursor = sessions.text("mySessions.edges.0.cursor");
    assert_eq!(customer.ask(query, json!({ "c": cursor })).await.fault(), "BAD_USER_INPUT");
}

/// Makes copies of a published event, `n` of them with consecutive beginnings, each with its own title and words
/// `common` and `x<n>`.
async fn copies(app: &TestApp, of: &str, n: i64) {
    let of = EventId::parse(of).unwrap();
    let (numbers, uuid) = match app.db().is_sqlite() {
        true => ("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $1)", "randomblob(16)"),
        false => ("WITH s(i) AS (SELECT generate_series(1, CAST($1 AS bigint)))", "gen_random_uuid()"),
    };
    let events = format!(
        "{numbers} INSERT INTO event (id, organizer_id, slug, title, description, venue, time_zone, currency, status,
             confirmation, starts_at, ends_at, created_at, updated_at, published_at, cheapest_minor, search_version)
         SELECT {uuid}, organizer_id, 'copy-' || s.i, 'Copy ' || s.i, description, venue, time_zone, currency, status,
             confirmation, starts_at + s.i, ends_at + s.i, created_at, updated_at, published_at + s.i,
             cheapest_minor, {version} FROM event CROSS JOIN s WHERE id = $2",
        version = search::VERSION,
    );
    app.sql(&events, [n.into(), of.into()]).await;
    for word in ["'common'", "'x' || replace(slug, 'copy-', '')"] {
        let words = format!(
            "INSERT INTO event_word (listed, word, event_id) SELECT 1, {word}, id FROM event WHERE slug LIKE 'copy-%'"
        );
        app.sql(&words, []).await;
    }
}

/// In a list of any length, a count reports its cap instead of counting on, and a word that nearly every event has
/// is found in order.
#[apply(scene!)]
async fn counts_end_and_common_words_are_found(stage: Stage) {
    let app = stage.app().await;
    let (organizer, guest) = (app.organizer().await, app.anonymous());
    let first = published(&organizer, json!({ "title": "Original" })).await;
    copies(&app, &first, 999).await;
    let query = "query($f: EventFilter, $s: EventSort! = STARTS_AT_ASC) { events(first: 3, filter: $f, sort: $s) {
        totalCount totalCountCapped nodes { title } } }";
    let ask = async |text: Option<&str>, sort: &str| {
        let answer = guest.ask(query, json!({ "f": { "text": text }, "s": sort })).await.ok();
        let nodes: Vec<String> = answer
            .at("events.nodes")
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["title"].as_str().unwrap().to_owned())
            .collect();
        (answer.int("events.totalCount"), answer.at("events.totalCountCapped").as_bool().unwrap(), nodes.join(","))
    };
    assert_eq!(ask(None, "STARTS_AT_ASC").await, (1_000, false, "Original,Copy 1,Copy 2".into()));
    let second = published(&organizer, json!({ "title": "Another" })).await;
    assert!(ask(None, "STARTS_AT_ASC").await.1, "one more than is counted");
    app.sql("UPDATE event_word SET listed = 0 WHERE event_id = $1", [EventId::parse(&second).unwrap().into()]).await;
    assert_eq!(ask(Some("common"), "STARTS_AT_DESC").await, (999, false, "Copy 999,Copy 998,Copy 997".into()));
    copies_more(&app).await;
    // More events than can be looked up one by one.
    assert_eq!(ask(Some("COMMON"), "STARTS_AT_ASC").await, (1_000, true, "Copy 1,Copy 2,Copy 3".into()));
    assert!(ask(Some("comm y"), "PUBLISHED_AT_DESC").await.1, "a word of fewer decides");
    assert_eq!(ask(Some("zeb comm"), "STARTS_AT_ASC").await, (1_000, true, "Copy 1,Copy 2,Copy 3".into()));
    assert_eq!(ask(Some("x998 common"), "STARTS_AT_ASC").await, (1, false, "Copy 998".into()));
    assert_eq!(ask(Some("common original"), "STARTS_AT_ASC").await, (0, false, String::new()));
}

/// Makes as many copies again, with the same words.
async fn copies_more(app: &TestApp) {
    for round in ["'a'", "'b'"] {
        let uuid = if app.db().is_sqlite() { "randomblob(16)" } else { "gen_random_uuid()" };
        let events = format!(
            "INSERT INTO event (id, organizer_id, slug, title, description, venue, time_zone, currency, status, confirmation,
                 starts_at, ends_at, created_at, updated_at, published_at, cheapest_minor, search_version)
             SELECT {uuid}, organizer_id, {round} || slug, title, description, venue, time_zone, currency, status, confirmation,
                 starts_at + 5000, ends_at + 5000, created_at, updated_at, published_at, cheapest_minor, search_version
             FROM event WHERE slug LIKE 'copy-%'"
        );
        app.sql(&events, []).await;
        for word in ["'common'", "'y'"] {
            let words = format!(
                "INSERT INTO event_word (listed, word, event_id) SELECT 1, {word}, id FROM event WHERE slug LIKE {round} || 'copy-%'"
            );
            app.sql(&words, []).await;
        }
    }
    app.sql(
        "INSERT INTO event_word (listed, word, event_id) SELECT 1, 'zebra', id FROM event WHERE slug LIKE '%copy-%'",
        [],
    )
    .await;
}

#[apply(scene!)]
async fn bookings_are_counted_up_to_the_same_end(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let event = organizer.event(1_200).await;
    crate::notification::fill(&app, &event, 1_100).await;
    let query = "query($id: ID!) { event(id: $id) {
        all: bookings(first: 1) { totalCount totalCountCapped }
        none: bookings(first: 1, status: REJECTED) { totalCount totalCountCapped } } }";
    let answer = organizer.ask(query, json!({ "id": event })).await.ok();
    assert_eq!(answer.at("event.all"), &json!({ "totalCount": 1_000, "totalCountCapped": true }));
    assert_eq!(answer.at("event.none"), &json!({ "totalCount": 0, "totalCountCapped": false }));
}

/// Returns the rows that PostgreSQL touched on all levels of a plan; SQLite tells only the indexes it uses, which
/// `plans` checks.
async fn touched(app: &TestApp, statement: Statement) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, TIMING OFF) {}", statement.sql);
    let explain = Statement::from_sql_and_values(statement.db_backend, explain, statement.values.unwrap().0);
    let rows = app.db().read().query_all_raw(explain).await.unwrap();
    let number = |step: &str, name: &str| -> u64 {
        let Some((_, rest)) = step.split_once(name) else { return 0 };
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let mut touched = 0;
    let mut loops = 1;
    for row in rows {
        let step: String = row.try_get_by_index(0).unwrap();
        if let Some((_, actual)) = step.split_once("(actual ") {
            loops = number(actual, "loops=");
            touched += number(actual, "rows=") * loops;
        }
        touched += number(&step, "Rows Removed by Filter: ") * loops;
    }
    touched
}

/// The cost of a list of 20,000 events does not depend on its length: pages, counts, searches and prices.
#[apply(scene!)]
async fn long_lists_are_not_walked(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let first = published(&organizer, json!({ "title": "Original Jazz" })).await;
    copies(&app, &first, 20_000).await;
    if !app.db().is_sqlite() {
        // As autovacuum does within a minute. Until then PostgreSQL takes the list for a few rows, and sorts it.
        app.db().read().execute_unprepared("ANALYZE event").await.unwrap();
        app.db().read().execute_unprepared("ANALYZE event_word").await.unwrap();
    }
    let (ctx, backend) = (&app.app.ctx, app.db().backend());
    let words = |text: &str| Filter { words: Some(search::asked(text)), ..Filter::default() };
    let price = Price { currency: "EUR", from: 0, to: 100_000 };
    for (filter, bound) in [
        (Filter::default(), 5_000),
        (Filter { price: Some(price), ..Filter::default() }, 5_000),
        (words("common"), 5_000),
        (words("x19 common"), 10_000),
        (words("original common"), 5_000),
        (words("jazz"), 5_000),
    ] {
        let list = browse::list(ctx, Scope::Catalog, &filter).await.unwrap();
        for sort in [Sort::StartsAtAsc, Sort::StartsAtDesc, Sort::PublishedAtDesc] {
            let paging: Paging<(Timestamp, EventId)> = Paging { after: None, before: None, limit: 20, from_end: false };
            let page = browse::page(ctx, &list, sort, &paging).await.unwrap();
            assert!(page.rows.len() <= 20);
            if !app.db().is_sqlite() {
                let touched = touched(&app, browse::keys(backend, &list, sort, &paging)).await;
                assert!(touched <= bound, "{filter:?} {sort:?}: {touched} rows");
            }
        }
        if !app.db().is_sqlite() {
            let touched = touched(&app, browse::counted(backend, &list)).await;
            assert!(touched <= bound, "{filter:?}: {touched} rows counted");
        }
    }
}

/// A viewer with the maximal number of running searches and counts is refused further ones, and only those.
#[apply(scene!)]
async fn searches_and_counts_take_turns(stage: Stage) {
    let app = stage.app().await;
    let (busy, other) = (app.customer().await, app.customer().await);
    let expensive = &app.app.services.expensive;
    let mut reads: Vec<_> = (0..32).map(|_| Box::pin(expensive.enter(Viewer::User(busy.user)))).collect();
    let entered: Vec<_> = reads.iter_mut().filter_map(|read| read.now_or_never()).collect();
    let asked = [
        "{ events(first: 1) { totalCount } }",
        "{ events(first: 1) { totalCountCapped } }",
        "{ events(first: 1, filter: { text: \"jazz\" }) { nodes { id } } }",
        "{ events(first: 1, filter: { hasTickets: true }) { nodes { id } } }",
        "{ myBookings(first: 1) { totalCount } }",
    ];
    for query in asked {
        assert_eq!(busy.ask(query, json!({})).await.fault(), "RATE_LIMITED", "{query}");
        other.ask(query, json!({})).await.ok();
    }
    busy.ask("{ events(first: 1) { nodes { id } } }", json!({})).await.ok();
    drop((entered, reads));
    for query in asked {
        busy.ask(query, json!({})).await.ok();
    }
}
