//! Unclear commits: the connection to PostgreSQL dies at the COMMIT. No booking is doubled, whatever its outcome.
//! Not here: the death of the program itself (`kill`). SQLite has no network connection that could be cut.

use std::sync::atomic::Ordering;
use std::time::Duration;

use boxoffice::booking::batcher::Settings;
use boxoffice::db::{self, Priority, Target, Tx};
use boxoffice::id::{BookingId, BookingItemId, NodeId, UserId};
use futures_util::future::join_all;
use sea_orm::Value;

use crate::audit::{self, Promise};
use crate::harness::proxy::{Cut, Proxy};
use crate::harness::{Actor, Answer, PATIENCE, Stage, TestApp, seeded};
use crate::kill::negative_control::enter;

/// Declares a test that needs the proxy: on PostgreSQL only.
macro_rules! wired {
    ($(#[$meta:meta])* async fn $name:ident($cast:ident: Cast$(, $change:expr)?) $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
            async fn postgres() {
                let change = |_settings: &mut db::Settings| {
                    $(let change: fn(&mut db::Settings) = $change; change(_settings);)?
                };
                let $cast = Cast::gather(change).await;
                $body
            }
        }
    };
}

/// A service behind the proxy that only sells; one with a direct connection that does everything else; an event and
/// customers.
struct Cast {
    seller: TestApp,
    office: TestApp,
    wire: Proxy,
    event: String,
    customers: Vec<Actor>,
}

impl Cast {
    async fn gather(change: impl FnOnce(&mut db::Settings)) -> Self {
        let mut stage = Stage::postgres().await;
        let office = stage.app().await;
        let Target::Postgres(url) = &stage.target else { unreachable!("asked for") };
        let wire = Proxy::to(url).await;
        stage.target = Target::Postgres(wire.url.clone());
        let seller = stage
            .app_with(|options| {
                options.batcher = Some(Settings { lanes: 1, batch_max: 256 });
                options.relay = false;
                options.worker = false;
                change(&mut options.db);
            })
            .await;
        let event = office.organizer().await.event(1_000).await;
        let customers = office.customers(8).await.iter().map(|customer| customer.at(&seller)).collect();
        Self { seller, office, wire, event, customers }
    }

    /// Orders two tickets for every customer: first one alone, then all others in one transaction.
    async fn order(&self, key: Option<&'static str>) -> Vec<Answer> {
        let stats = self.seller.app.services.batcher.stats();
        let before = stats.submitted.load(Ordering::Relaxed);
        let lock = self.office.hold_stock(&self.event).await;
        let ask = |customers: &[Actor]| {
            let (customers, event) = (customers.to_vec(), self.event.clone());
            let book = async move { join_all(customers.iter().map(|one| one.book(&event, 2, "PARTIAL", key))).await };
            tokio::spawn(book)
        };
        let (first, others) = self.customers.split_at(1);
        let first = ask(first);
        // The first transaction waits for the lock; the later orders gather behind it.
        let waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                       AND wait_event_type = 'Lock'";
        self.office.eventually("he waits", || async { self.office.number(waiting, []).await > 0 }).await;
        let others = ask(others);
        let all = || async { stats.submitted.load(Ordering::Relaxed) == before + self.customers.len() as u64 };
        self.office.eventually("all orders are in", all).await;
        lock.release().await;
        let mut answers = first.await.unwrap();
        answers.extend(others.await.unwrap());
        answers
    }

    fn promises(&self, answers: &[Answer]) -> Vec<Promise> {
        let promise = |(customer, answer): (&Actor, &Answer)| promise(customer.user, &self.event, answer);
        self.customers.iter().zip(answers).map(promise).collect()
    }

    /// Returns the number of bookings of each customer.
    async fn bookings(&self) -> Vec<i64> {
        let sql = "SELECT count(*) AS n FROM booking WHERE user_id = $1";
        join_all(self.customers.iter().map(|customer| self.office.number(sql, [Value::from(customer.user)]))).await
    }

    async fn complaints(&self, promises: &[Promise]) -> Vec<String> {
        audit::rest(self.office.db()).await;
        audit::complaints(self.office.db(), promises).await
    }

    /// Repeats each order that got an error, with the same key, until it is answered. Returns the number of
    /// repetitions.
    async fn ask_again(&self, answers: &mut [Answer], key: &'static str) -> usize {
        let mut again = 0;
        for (customer, answer) in self.customers.iter().zip(answers) {
            again += usize::from(!answer.fault().is_empty());
            while !answer.fault().is_empty() {
                // Busy: nothing was written; internal: it is not known.
                assert!(["INTERNAL", "OVERLOADED"].contains(&answer.fault()), "{}", answer.body);
                *answer = customer.book(&self.event, 2, "PARTIAL", Some(key)).await;
            }
        }
        again
    }
}

fn promise(user: UserId, event: &str, answer: &Answer) -> Promise {
    let answer = answer.clone().ok();
    Promise {
        user,
        event: event.to_owned(),
        booking: answer.at("createBooking.booking.id").as_str().map(str::to_owned),
        booked: answer.int("createBooking.booked"),
        queued: answer.int("createBooking.waitlisted"),
        cancelled: false,
    }
}

/// The number of the transaction that all but the first share.
const SHARED: usize = 1;

wired! {
    /// The commit marker exists: every customer is answered as if nothing had happened.
    async fn committed_but_unheard(cast: Cast) {
        cast.wire.cut_after(0, usize::MAX, Cut::Unheard);
        let answers = cast.order(None).await;
        assert_eq!(cast.wire.cuts(), 2);
        assert_eq!(cast.complaints(&cast.promises(&answers)).await, Vec::<String>::new());
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The same when every connection dies at once, as when the server restarts: it takes more than one try to look,
    /// and a customer who cannot be shown the booking repeats the order.
    async fn committed_but_unheard_by_all(cast: Cast) {
        cast.wire.cut_after(SHARED, 1, Cut::UnheardByAll);
        let mut answers = cast.order(Some("k")).await;
        assert_eq!(cast.wire.cuts(), 1);
        cast.ask_again(&mut answers, "k").await;
        assert_eq!(cast.complaints(&cast.promises(&answers)).await, Vec::<String>::new());
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The same without keys: no customer has two bookings, because no order is decided blindly a second time.
    async fn committed_but_unheard_by_all_and_without_keys(cast: Cast) {
        cast.wire.cut_after(SHARED, 1, Cut::UnheardByAll);
        cast.order(None).await;
        assert_eq!(cast.wire.cuts(), 1);
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The commit certainly did not happen: a batch is decided again; a single order is told to retry.
    async fn never_committed(cast: Cast) {
        cast.wire.cut_after(0, 3, Cut::Unsent);
        let mut answers = cast.order(Some("k")).await;
        assert_eq!(cast.wire.cuts(), 3);
        assert!(cast.ask_again(&mut answers, "k").await > 0);
        let promises = cast.promises(&answers);
        assert_eq!(cast.complaints(&promises).await, Vec::<String>::new());
        // With its key every order gets the same answer for ever.
        let again = cast.order(Some("k")).await;
        assert_eq!(cast.promises(&again), promises);
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The COMMIT is still under way when the service looks: it waits for the outcome.
    async fn committed_while_it_asks(cast: Cast) {
        cast.wire.cut_after(SHARED, 1, Cut::Late);
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                     AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO domain_event%probe%'";
        let deliver = async {
            cast.office.eventually("the probe waits", || async { cast.office.number(waits, []).await > 0 }).await;
            cast.wire.deliver();
        };
        let (answers, ()) = tokio::join!(cast.order(None), deliver);
        assert_eq!(cast.wire.cuts(), 1);
        assert_eq!(cast.complaints(&cast.promises(&answers)).await, Vec::<String>::new());
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The COMMIT arrives when the service already looks for the second time: meanwhile it has begun nothing that would
    /// not see it.
    async fn committed_long_after(cast: Cast, |db: &mut db::Settings| db.lock = Duration::from_secs(3)) {
        cast.wire.cut_after(SHARED, 1, Cut::Late);
        let late = async {
            cast.office.eventually("the wire is cut", || async { cast.wire.cuts() > 0 }).await;
            let begun = cast.wire.begun();
            cast.office.eventually("it begins again", || async { cast.wire.begun() > begun + 1 }).await;
            cast.wire.deliver();
        };
        let (answers, ()) = tokio::join!(cast.order(None), late);
        assert_eq!(cast.complaints(&cast.promises(&answers)).await, Vec::<String>::new());
        assert_eq!(cast.bookings().await, [1; 8]);
    }
}

wired! {
    /// The negative control: a seller without a commit marker that believes the error, and sells again.
    async fn who_takes_the_error_at_its_word_sells_twice(cast: Cast) {
        cast.wire.cut_after(0, 1, Cut::Unheard);
        let (ctx, user) = (&cast.seller.app.ctx, cast.customers[0].user);
        let booking = loop {
            let (booking, item): (BookingId, BookingItemId) = (ctx.id(), ctx.id());
            let sell = |tx: Tx| async move { enter(&tx, booking, item, user, 2).await };
            if ctx.db.write(Priority::Interactive, sell).await.is_ok() {
                break booking;
            }
        };
        let (event, booking) = (cast.event.clone(), Some(booking.to_global_id()));
        let promise = Promise { user, event, booking, booked: 2, queued: 0, cancelled: false };
        let complaints = cast.complaints(&[promise]).await;
        assert!(complaints.iter().any(|complaint| complaint.starts_with("promised to nobody")), "{complaints:?}");
        assert_eq!(cast.bookings().await[0], 2);
    }
}

wired! {
    /// The server is unreachable for longer than the service looks: no customer is promised anything, and nothing is
    /// repeated.
    async fn committed_and_nobody_to_ask(cast: Cast, |db: &mut db::Settings| db.commit_answer = Duration::from_secs(1)) {
        cast.wire.cut_after(SHARED, 1, Cut::UnheardForLong);
        let mut answers = cast.order(Some("k")).await;
        assert_eq!(answers.iter().filter(|answer| answer.fault() == "INTERNAL").count(), 7);
        cast.wire.revive();
        assert_eq!(cast.bookings().await, [1; 8]);
        assert_eq!(cast.ask_again(&mut answers, "k").await, 7);
        assert_eq!(cast.complaints(&cast.promises(&answers)).await, Vec::<String>::new());
    }
}

wired! {
    /// Every writer loses connections at its COMMITs, again and again.
    async fn anywhere_at_random(cast: Cast) {
        let random = seeded("unclear::anywhere_at_random");
        // The service with the direct connection stops: numbering, reacting and delivering use the proxy too.
        cast.office.app.stopping().cancel();
        let seller = TestApp::on(Target::Postgres(cast.wire.url.clone()), |_| {}).await;
        cast.wire.cut_at_random(random, 0.2, &[Cut::Unheard, Cut::UnheardByAll, Cut::Unsent]);
        let shopping = cast.customers.iter().map(|customer| {
            let (customer, event) = (customer.at(&seller), cast.event.clone());
            async move {
                let mut promises = Vec::new();
                for n in 0..40 {
                    let key = format!("order-{n}");
                    let answer = loop {
                        let answer = customer.book(&event, 1 + n % 3, "PARTIAL", Some(&key)).await;
                        if answer.fault().is_empty() {
                            break answer;
                        }
                    };
                    promises.push(promise(customer.user, &event, &answer));
                }
                promises
            }
        });
        let promises = tokio::time::timeout(PATIENCE, join_all(shopping)).await.expect("every order is answered at last");
        let promises: Vec<Promise> = promises.into_iter().flatten().collect();
        println!("{} orders, {} commits cut", promises.len(), cast.wire.cuts());
        assert!(cast.wire.cuts() > 0);
        cast.wire.mend();
        // Jobs with a lost completion: their leases run out.
        seller.clock.advance(Duration::from_secs(31));
        assert_eq!(cast.complaints(&promises).await, Vec::<String>::new());
    }
}
