//! Tests of named consumers: each has a cursor, parked domain events and failures of its own, and delays no other.
//! Not here: the reactions, which are one of them (`notification`, `newer`).

use std::sync::{Arc, Mutex};

use boxoffice::db::DbError;
use boxoffice::relay::{Consumer, React, Reacted, Start};
use tokio::sync::Semaphore;

use crate::harness::TestApp;

/// A consumer that does something with the kinds of a batch.
fn consumer(
    name: &'static str,
    start: Start,
    act: impl Fn(Vec<&'static str>) -> Result<(), DbError> + Send + Sync + 'static,
) -> Consumer {
    let act = Arc::new(act);
    let react: React = Arc::new(move |_, recorded| {
        let act = act.clone();
        Box::pin(async move {
            act(recorded.iter().map(|one| one.domain_event.kind()).collect())?;
            Ok(Reacted::default())
        })
    });
    Consumer { name, start, react }
}

async fn cursor(app: &TestApp, name: &str) -> i64 {
    app.number("SELECT last AS n FROM consumer WHERE name = $1", [name.into()]).await
}

async fn parked(app: &TestApp, name: &str) -> i64 {
    app.number("SELECT count(*) AS n FROM parked_domain_event WHERE consumer = $1", [name.into()]).await
}

async fn caught_up(app: &TestApp, name: &'static str) {
    app.eventually("the consumer reached the head", || async {
        app.number("SELECT h.last - c.last AS n FROM stream_head h, consumer c WHERE c.name = $1", [name.into()]).await
            == 0
    })
    .await;
}

/// One consumer fails at every domain event and one at a single kind; both park under their own names, and the
/// reactions and a third one go on.
#[apply(scene!)]
async fn a_failing_consumer_delays_no_other(stage: Stage) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    let broken = |what: &str| DbError::from(sea_orm::DbErr::Custom(what.to_owned()));
    let app = stage
        .app_with(|options| {
            options.consumers = vec![
                consumer("broken", Start::Beginning, move |_| Err(broken("always"))),
                consumer("panicking", Start::Beginning, |kinds| match kinds.contains(&"booking.created") {
                    true => panic!("a bug in a consumer"),
                    false => Ok(()),
                }),
                consumer("picky", Start::Beginning, move |kinds| match kinds.contains(&"booking.created") {
                    true => Err(broken("not this one")),
                    false => Ok(()),
                }),
                consumer("list", Start::Beginning, move |kinds| {
                    list.lock().unwrap().extend(kinds);
                    Ok(())
                }),
            ];
        })
        .await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    customer.books(&event, 2).await;
    app.settled().await;
    for name in ["broken", "panicking", "picky", "list"] {
        caught_up(&app, name).await;
    }
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 1, "reactions went on");
    let all = app.number("SELECT last AS n FROM stream_head", []).await;
    assert_eq!(parked(&app, "broken").await, all);
    assert_eq!((parked(&app, "picky").await, parked(&app, "panicking").await), (1, 1));
    assert_eq!((parked(&app, "list").await, parked(&app, "reactions").await), (0, 0));
    assert_eq!(seen.lock().unwrap().len() as i64, all, "each domain event once");
}

/// A consumer that hangs holds its own cursor only; one that is added later begins where it says.
#[apply(scene!)]
async fn a_slow_consumer_delays_no_other(stage: Stage) {
    let first = stage.app().await;
    let (organizer, customer) = (first.organizer().await, first.customer().await);
    let event = organizer.event(5).await;
    first.settled().await;
    let before = first.number("SELECT last AS n FROM stream_head", []).await;
    first.app.stop().await;

    let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (waits, list) = (gate.clone(), seen.clone());
    let hangs: React = Arc::new(move |_, _| {
        let waits = waits.clone();
        Box::pin(async move {
            waits.acquire().await.unwrap().forget();
            Ok(Reacted::default())
        })
    });
    let slow = !first.db().is_sqlite(); // on SQLite a hanging transaction would hold the only writer
    let app = stage
        .app_with(|options| {
            options.clock = first.clock.clone();
            options.consumers = vec![consumer("late", Start::Now, move |kinds| {
                list.lock().unwrap().extend(kinds);
                Ok(())
            })];
            if slow {
                options.consumers.push(Consumer { name: "slow", start: Start::Beginning, react: hangs.clone() });
            }
        })
        .await;
    app.eventually("it is registered", || async {
        app.number("SELECT count(*) AS n FROM consumer WHERE name = 'late'", []).await == 1
    })
    .await;
    assert_eq!(cursor(&app, "late").await, before, "it begins with the next one");
    let customer = customer.at(&app);
    customer.books(&event, 1).await;
    app.settled().await;
    caught_up(&app, "late").await;
    assert_eq!(seen.lock().unwrap().as_slice(), ["booking.created", "booking.confirmed", "availability.changed"]);
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 1);
    if slow {
        assert_eq!(cursor(&app, "slow").await, 0, "it hangs at the beginning");
        gate.add_permits(1_000);
        caught_up(&app, "slow").await;
    }
}
