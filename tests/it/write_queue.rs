//! The write queue on SQLite: the order of priorities, and that every writer gets its turn.
//! Not here: the writes themselves, and PostgreSQL, which has no such queue.

use std::sync::Mutex;

use boxoffice::db::{Db, DbError, Priority};
use boxoffice::id::RandomSource;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Notify;

use crate::harness::Stage;

/// While interactive writers always wait, domain events are still numbered and jobs still run.
#[tokio::test]
async fn nobody_starves() {
    use Priority::{Interactive, Relay, Worker};
    let stage = Stage::sqlite();
    let db = Db::open(&stage.target, true, RandomSource::seeded(1)).await.unwrap();
    let (everybody_waits, turns) = (Notify::new(), Mutex::new(Vec::new()));
    let (db, everybody_waits, turns) = (&db, &everybody_waits, &turns);
    let take_turn = |priority| async move {
        let note = |_| async move {
            turns.lock().unwrap().push(priority);
            Ok(())
        };
        db.write::<_, DbError, _, _>(priority, note).await.unwrap();
    };
    let hold = |_| async move {
        everybody_waits.notified().await;
        Ok(())
    };
    // The writers are polled in this order, so that they queue up in it behind the first.
    let mut writers: Vec<BoxFuture<'_, ()>> =
        vec![Box::pin(async { db.write::<_, DbError, _, _>(Interactive, hold).await.unwrap() })];
    for priority in [Worker, Relay, Relay].into_iter().chain([Interactive; 18]) {
        writers.push(Box::pin(take_turn(priority)));
    }
    writers.push(Box::pin(async { everybody_waits.notify_one() }));
    join_all(writers).await;

    let expected = [vec![Interactive; 8], vec![Relay, Worker], vec![Interactive; 7], vec![Relay], vec![Interactive; 3]];
    assert_eq!(*turns.lock().unwrap(), expected.concat());
}
