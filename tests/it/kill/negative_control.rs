//! The negative control of the kill test: naive sellers, killed at their weak points, and an auditor that must notice.
//! Not here: the real program, which sells in none of these ways.

use boxoffice::db::{self, DbError, Priority, Target, Tx};
use boxoffice::domain_event::DomainEvent;
use boxoffice::id::{BookingId, BookingItemId, EventId, NodeId, OrganizerId, UserId};
use boxoffice::outbox::{self, Draft};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};

use crate::audit::{self, COUNTED, LAWS, Promise};
use crate::harness::{Actor, Stage, TestApp};

/// A service with an event of which the real program sold some tickets before the naive sellers sell.
struct Fair {
    app: TestApp,
    event: String,
    customer: Actor,
    promises: Vec<Promise>,
}

impl Fair {
    async fn open(stage: &Stage) -> Self {
        let app = stage.app().await;
        let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
        let event = organizer.event(12).await;
        let mut fair = Self { app, event, customer: customer.clone(), promises: Vec::new() };
        let first = fair.buys(&customer, 3).await;
        fair.buys(&other, 4).await;
        fair.buys(&other, 9).await;
        // A cancelled ticket goes to the waitlist.
        customer.cancel(&first).await.ok();
        fair.promises[0].cancelled = true;
        fair.app.settled().await;
        assert_eq!(fair.complaints().await, Vec::<String>::new(), "the real program gives no reason");
        fair
    }

    async fn buys(&mut self, customer: &Actor, quantity: i64) -> String {
        let answer = customer.book(&self.event, quantity, "PARTIAL_AND_WAITLIST", None).await.ok();
        let booking = answer.text("createBooking.booking.id");
        self.promises.push(Promise {
            queued: answer.int("createBooking.waitlisted"),
            ..self.promise(&booking, customer.user, answer.int("createBooking.booked"))
        });
        booking
    }

    fn promise(&self, booking: &str, user: UserId, booked: i64) -> Promise {
        let (event, booking) = (self.event.clone(), Some(booking.to_owned()));
        Promise { user, event, booking, booked, queued: 0, cancelled: false }
    }

    async fn complaints(&self) -> Vec<String> {
        self.app.settled().await;
        audit::complaints(self.app.db(), &self.promises).await
    }

    /// Adds capacity for the naive seller.
    async fn enlarge(&self) {
        self.app.sql("UPDATE quota SET capacity = 1000, sold = 12, open = 988, waiting = 0", []).await;
        self.app.sql("UPDATE waitlist_entry SET status = 'FULFILLED'", []).await;
    }

    async fn write<F, Fut>(&self, body: F) -> Result<(), DbError>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<(), DbError>>,
    {
        self.app.db().write(Priority::Interactive, body).await
    }

    /// Returns both domain events of a booking.
    fn domain_events(&self, booking: BookingId, quantity: i64, organizer: OrganizerId) -> [Draft; 2] {
        let (event, user) = (EventId::parse(&self.event).unwrap(), self.customer.user);
        [
            Draft::new(&self.app.app.ctx, DomainEvent::BookingCreated { booking, event, organizer, user, quantity }),
            Draft::new(
                &self.app.app.ctx,
                DomainEvent::BookingConfirmed { booking, event, organizer, user, quantity, entry: None },
            ),
        ]
    }

    async fn organizer(&self) -> OrganizerId {
        #[derive(sea_orm::FromQueryResult)]
        struct Row {
            organizer_id: OrganizerId,
        }
        let row: Option<Row> = db::one(self.app.db().read(), "SELECT organizer_id FROM event", []).await.unwrap();
        row.unwrap().organizer_id
    }
}

/// Inserts the rows of a booking without any domain event.
pub async fn enter(
    tx: &impl ConnectionTrait,
    booking: BookingId,
    item: BookingItemId,
    user: UserId,
    quantity: i64,
) -> Result<(), DbError> {
    let reference = format!("EVT-{}", &booking.to_string()[30..]);
    let sql = "INSERT INTO booking (id, reference, event_id, slot_id, user_id, status, created_at, updated_at)
               SELECT $1, $2, s.event_id, s.id, $3, 'CONFIRMED', 0, 0 FROM slot s";
    db::run(tx, sql, [booking.into(), reference.into(), user.into()]).await?;
    let sql = "INSERT INTO booking_item (id, booking_id, ticket_type_id, quantity, unit_price_minor)
               SELECT $1, $2, t.id, $3, t.price_minor FROM ticket_type t";
    db::run(tx, sql, [item.into(), booking.into(), quantity.into()]).await?;
    db::run(tx, "UPDATE quota SET sold = sold + $1, open = open - $1", [quantity.into()]).await?;
    Ok(())
}

/// The seller confirms first and writes afterwards; the kill comes before COMMIT.
#[apply(scene!)]
async fn who_answers_before_the_commit_loses(stage: Stage) {
    let mut fair = Fair::open(&stage).await;
    fair.enlarge().await;
    let (booking, item): (BookingId, BookingItemId) = (fair.app.app.ctx.id(), fair.app.app.ctx.id());
    let user = fair.customer.user;
    let answered = fair.promise(&booking.to_global_id(), user, 2);
    fair.promises.push(answered);
    let outcome = fair
        .write(|tx| async move {
            enter(&tx, booking, item, user, 2).await?;
            Err(DbError::Overloaded) // rolled back, as after a kill
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Overloaded)));
    assert!(fair.complaints().await.contains(&format!("lost: {}", booking.to_global_id())));
}

/// The seller commits the booking and then records the domain event; the kill comes between.
#[apply(scene!)]
async fn who_records_the_domain_event_apart_leaves_people_untold(stage: Stage) {
    let mut fair = Fair::open(&stage).await;
    fair.enlarge().await;
    let (booking, item): (BookingId, BookingItemId) = (fair.app.app.ctx.id(), fair.app.app.ctx.id());
    let user = fair.customer.user;
    fair.write(|tx| async move { enter(&tx, booking, item, user, 2).await }).await.unwrap();
    let answered = fair.promise(&booking.to_global_id(), user, 2);
    fair.promises.push(answered);
    let complaints = fair.complaints().await;
    for untold in [
        "a customer was not told exactly once of a confirmation: 1",
        "an organizer was not told exactly once of a booking: 1",
    ] {
        assert!(complaints.iter().any(|complaint| complaint == untold), "{complaints:?}");
    }
}

/// The seller records the domain event in a transaction of its own, and after a kill, to be safe, once more.
#[apply(scene!)]
async fn who_records_the_domain_event_again_tells_people_twice(stage: Stage) {
    let mut fair = Fair::open(&stage).await;
    fair.enlarge().await;
    let (booking, item): (BookingId, BookingItemId) = (fair.app.app.ctx.id(), fair.app.app.ctx.id());
    let user = fair.customer.user;
    let organizer = fair.organizer().await;
    fair.write(|tx| async move { enter(&tx, booking, item, user, 2).await }).await.unwrap();
    for _ in 0..2 {
        let domain_events = fair.domain_events(booking, 2, organizer);
        let domain_events = &domain_events;
        fair.write(|tx| async move { outbox::append(&tx, domain_events).await }).await.unwrap();
    }
    let answered = fair.promise(&booking.to_global_id(), user, 2);
    fair.promises.push(answered);
    let complaints = fair.complaints().await;
    assert!(
        complaints.contains(&"a customer was not told exactly once of a confirmation: 1".to_owned()),
        "{complaints:?}"
    );
}

/// The seller takes no key: the kill comes between COMMIT and the answer, and a repetition books again.
#[apply(scene!)]
async fn who_asks_again_without_a_key_books_twice(stage: Stage) {
    let mut fair = Fair::open(&stage).await;
    fair.enlarge().await;
    let customer = fair.customer.clone();
    let unheard = customer.books(&fair.event, 2).await;
    fair.buys(&customer, 2).await;
    assert_eq!(fair.complaints().await, [format!("promised to nobody: {unheard}")]);
}

fn invariants() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    LAWS.iter().chain(COUNTED)
}

/// The seller goes on with a connection after its disk was full once. SQLite had rolled back by itself, so that the
/// driver's ROLLBACK failed and its count of transactions stayed at one: later transactions are savepoints, and one
/// that is rolled back leaves a transaction open which no COMMIT ever ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the naive way is what this shows")]
async fn who_keeps_a_connection_after_a_full_disk_loses() {
    let stage = Stage::sqlite();
    let mut fair = Fair::open(&stage).await;
    fair.enlarge().await;
    let Target::Sqlite(path) = &stage.target else { unreachable!("asked for") };
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", path.display()));
    options.max_connections(1).min_connections(1);
    let naive = Database::connect(options).await.unwrap();
    naive.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap(); // as large as it is
    let full = naive.begin().await.unwrap();
    let large = "INSERT INTO meta (name, value) VALUES ('large', hex(zeroblob(1000000)))";
    assert!(full.execute_unprepared(large).await.is_err());
    assert!(full.rollback().await.is_err());
    naive.execute_unprepared("PRAGMA max_page_count = 1000000").await.unwrap();
    naive.begin().await.unwrap().rollback().await.unwrap();

    let (booking, item): (BookingId, BookingItemId) = (fair.app.app.ctx.id(), fair.app.app.ctx.id());
    let sale = naive.begin().await.unwrap();
    enter(&sale, booking, item, fair.customer.user, 2).await.unwrap();
    sale.commit().await.unwrap();
    naive.close().await.unwrap();
    let answered = fair.promise(&booking.to_global_id(), fair.customer.user, 2);
    fair.promises.push(answered);
    let complaints = fair.complaints().await;
    assert!(complaints.contains(&format!("lost: {}", booking.to_global_id())), "{complaints:?}");
}

/// For each invariant, a statement that breaks it.
const VIOLATIONS: &[(&str, &str)] = &[
    ("a counter differs from its bookings", "UPDATE quota SET sold = sold - 1"),
    ("more tickets are sold than there are", "UPDATE booking_item SET quantity = quantity + 7"),
    ("tickets are free while somebody waits", "UPDATE quota SET capacity = capacity + 1"),
    ("a customer was not told exactly once of a confirmation", "DELETE FROM notice WHERE cause = 'booking.confirmed'"),
    ("an organizer was not told exactly once of a booking", "DELETE FROM notice WHERE cause = 'booking.created'"),
    ("somebody was not told exactly once of a cancellation", "UPDATE booking SET status = 'CANCELLED'"),
    ("a notice tells of a booking that is not there", "UPDATE notice SET booking_id = domain_event_id"),
    ("somebody's notices are not numbered 1, 2, 3, …", "UPDATE notice SET seq = seq + 100"),
    ("somebody's inbox does not end with their last notice", "UPDATE inbox SET last_seq = last_seq + 1000"),
    ("a domain_event has no number", "UPDATE domain_event SET seq = NULL WHERE seq = 1"),
    ("the domain_events are not numbered 1, 2, 3, …", "UPDATE domain_event SET seq = NULL WHERE seq = 1"),
    ("not every domain_event was reacted to", "UPDATE consumer SET last = last - 1"),
    (
        "a domain_event was parked",
        "INSERT INTO parked_domain_event (consumer, domain_event_id, seq, error, parked_at) SELECT 'reactions', id, seq, 'x', 0
         FROM domain_event WHERE seq = 2",
    ),
    ("a job did not end well", "UPDATE job SET state = 'dead'"),
    ("a notice was not delivered exactly once to the log", "DELETE FROM delivery"),
    (
        "a delivery has no notice",
        "INSERT INTO delivery (domain_event_id, user_id, channel, state, attempts, delivered_at)
         SELECT DISTINCT domain_event_id, domain_event_id, 'log', 'sent', 1, 0 FROM delivery",
    ),
    (
        "a job kept the token of its lease",
        "UPDATE job SET lease_token = domain_event_id WHERE state = 'succeeded' AND domain_event_id IS NOT NULL",
    ),
    ("quota.waiting differs from what its entries want", "UPDATE waitlist_entry SET quantity = quantity + 1"),
    ("quota.open differs from what nobody in turn waits for", "UPDATE quota SET open = open + 1"),
];

#[apply(scene!)]
async fn every_invariant_can_be_broken(stage: Stage) {
    let fair = Fair::open(&stage).await;
    assert_eq!(
        VIOLATIONS.iter().map(|(invariant, _)| invariant).collect::<Vec<_>>(),
        invariants().map(|(invariant, _)| invariant).collect::<Vec<_>>()
    );
    // The service is stopped: a running relay or worker would repair the violations, or be misled by them.
    fair.app.app.stopping().cancel();
    for ((invariant, count), (_, violation)) in invariants().zip(VIOLATIONS) {
        let seen = fair.app.db().write::<i64, Undone, _, _>(Priority::Interactive, |tx| async move {
            db::run(&tx, violation, []).await?;
            Err(Undone::After(db::number(&tx, count, []).await?))
        });
        match seen.await.unwrap_err() {
            Undone::After(violations) => assert!(violations > 0, "{invariant} does not notice: {violation}"),
            Undone::Db(error) => panic!("{invariant}: {error}"),
        }
    }
    assert_eq!(fair.complaints().await, Vec::<String>::new(), "nothing of it was kept");
}

/// The violations that a transaction saw before it was rolled back.
#[derive(Debug)]
enum Undone {
    After(i64),
    Db(DbError),
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl db::MaybeDb for Undone {
    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::After(_) => None,
        }
    }
}

#[apply(scene!)]
async fn every_promise_counts(stage: Stage) {
    let fair = Fair::open(&stage).await;
    let forged = |forge: fn(&mut Promise)| {
        let mut promises = fair.promises.clone();
        forge(&mut promises[1]);
        promises
    };
    let somebody = fair.app.customer().await.user;
    let mut anothers = fair.promises.clone();
    anothers[1].user = somebody;
    let mut twice = fair.promises.clone();
    twice.push(twice[1].clone());
    for (promises, complaint) in [
        (forged(|promise| promise.booked += 1), "not as promised"),
        (forged(|promise| promise.cancelled = true), "not as promised"),
        (forged(|promise| promise.event = "another".into()), "not as promised"),
        (anothers, "not as promised"),
        (forged(|promise| promise.booking = None), "promised to nobody"),
        (forged(|promise| promise.queued += 1), "on the waitlist for"),
        (twice, "promised to two requests"),
    ] {
        let complaints = audit::complaints(fair.app.db(), &promises).await;
        assert!(complaints.iter().any(|found| found.starts_with(complaint)), "{complaint}: {complaints:?}");
    }
}
