//! Tests beside a later release: streams, lists, reactions and workers of this release stop before a record that only
//! the later one can read, and leave it alone; once it can be read, nothing is missing.
//! Not here: damaged rows (`notification`), and a database that is too new as a whole (`binary`).

use std::sync::Arc;

use boxoffice::bus::Bus;
use boxoffice::ctx::Ctx;
use boxoffice::domain_event::{DomainEvent, VERSION};
use boxoffice::id::{BookingId, DomainEventId, EventId, NodeId, OrganizerId, UserId};
use boxoffice::jobs;
use boxoffice::notification::deliver;
use boxoffice::notification::fanout::FanOut;
use boxoffice::notification::inbox::Deliver;
use boxoffice::queue::JobKind;
use boxoffice::queue::worker::{LEASE, Worker};
use boxoffice::status::CancelReason;
use sea_orm::{FromQueryResult, Value as Bind};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::socket::Socket;
use crate::harness::{Actor, TestApp};

/// Records that a later release may write: a new kind, and a known kind in a new version.
const NEWER: [(&str, i64); 2] = [("booking.teleported", VERSION), ("booking.cancelled", VERSION + 1)];

fn domain_event_id(n: u128) -> DomainEventId {
    DomainEventId(Uuid::from_u128(n))
}

/// A booking, as recorded in domain events.
struct Sold {
    event: EventId,
    organizer: OrganizerId,
    user: UserId,
    booking: BookingId,
}

impl Sold {
    async fn to(app: &TestApp, customer: &Actor, event: &str) -> Self {
        #[derive(FromQueryResult)]
        struct Row {
            organizer_id: OrganizerId,
        }
        let booking = BookingId::parse(&customer.books(event, 1).await).unwrap();
        let event = EventId::parse(event).unwrap();
        let sql = "SELECT organizer_id FROM event WHERE id = $1";
        let row: Option<Row> = boxoffice::db::one(app.db().read(), sql, [event.into()]).await.unwrap();
        Self { event, organizer: row.unwrap().organizer_id, user: customer.user, booking }
    }

    /// A later release records something about it.
    async fn put_newer_domain_event(&self, app: &TestApp, n: u128, (kind, v): (&str, i64)) {
        let sql = "INSERT INTO domain_event (id, kind, v, occurred_at, event_id, organizer_id, user_id, data)
                   VALUES ($1, $2, $3, 0, $4, $5, $6, '{\"to\":\"another\"}')";
        let binds: [Bind; 6] = [
            domain_event_id(n).into(),
            kind.into(),
            v.into(),
            self.event.into(),
            self.organizer.into(),
            self.user.into(),
        ];
        app.sql(sql, binds).await;
    }

    /// The same in the format of this release, as if this process were of the later one: a cancellation.
    fn read(&self) -> DomainEvent {
        let Self { event, organizer, user, booking } = *self;
        let reason = CancelReason::ByOrganizer;
        DomainEvent::BookingCancelled { booking, event, organizer, user, quantity: 1, reason }
    }

    async fn make_readable(&self, app: &TestApp, table: &str, n: u128) {
        let domain_event = self.read();
        let (id, kind) = if table == "domain_event" { ("id", "kind") } else { ("domain_event_id", "cause") };
        let sql = format!("UPDATE {table} SET {kind} = $2, v = {VERSION}, data = $3 WHERE {id} = $1");
        let binds: [Bind; 3] =
            [domain_event_id(n).into(), domain_event.kind().into(), domain_event.data().to_string().into()];
        assert_eq!(app.sql(&sql, binds).await, 1);
    }
}

/// Waits until every domain event has its number; reacting may have stopped.
async fn numbered(app: &TestApp) {
    app.eventually("everything is numbered", || async {
        app.number("SELECT count(*) AS n FROM domain_event WHERE seq IS NULL", []).await == 0
    })
    .await;
}

async fn watch(person: &Actor, query: &str, variables: Value) -> (Socket, Value) {
    let mut socket = person.socket().await;
    socket.subscribe("s", query, variables).await;
    let opening = socket.next("s").await["log"].clone();
    (socket, opening["cursor"].clone())
}

/// Checks that the stream ends with the code that asks to resubscribe at a later release.
async fn stops(socket: &mut Socket) {
    let message = socket.message().await;
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "OVERLOADED", "{message}");
    assert!(message.to_string().contains("newer release"), "{message}");
    assert_eq!(socket.message().await["type"], "complete");
}

const MINE: &str = "subscription($after: String) { log: bookingChanged(after: $after) { cursor change } }";
const SALES: &str = "subscription($after: String, $event: ID) {
    log: eventBookingChanged(after: $after, eventId: $event) { cursor change } }";
const NOTICES: &str =
    "subscription($after: String) { log: noticeReceived(after: $after) { cursor notice { number kind } } }";

#[apply(scene!)]
async fn streams_stop_before_a_newer_domain_event(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    for (n, newer) in (1..).zip(NEWER) {
        let (event, other) = (organizer.event(9).await, organizer.event(9).await);
        let (mut mine, _) = watch(&customer, MINE, json!({})).await;
        let (mut sales, _) = watch(&organizer, SALES, json!({})).await;
        let (mut elsewhere, _) = watch(&organizer, SALES, json!({ "event": other })).await;
        let sold = Sold::to(&app, &customer, &event).await;
        let mut cursors = [Value::Null, Value::Null];
        for (socket, cursor) in [&mut mine, &mut sales].into_iter().zip(&mut cursors) {
            for change in ["CREATED", "CONFIRMED"] {
                let frame = socket.next("s").await["log"].clone();
                assert_eq!(frame["change"], change);
                *cursor = frame["cursor"].clone();
            }
        }
        sold.put_newer_domain_event(&app, n, newer).await;
        numbered(&app).await;
        customer.books(&other, 1).await;
        stops(&mut mine).await;
        stops(&mut sales).await;
        // A record that another event's stream does not contain cannot stop that stream.
        assert_eq!(elsewhere.next("s").await["log"]["change"], "CREATED");
        // A client that resumes gets the same messages again, each time.
        let (mut again, _) = watch(&customer, MINE, json!({ "after": cursors[0] })).await;
        stops(&mut again).await;
        // At a process of the later release no message is missing.
        sold.make_readable(&app, "domain_event", n).await;
        for (person, query, cursor) in [(&customer, MINE, &cursors[0]), (&organizer, SALES, &cursors[1])] {
            let (mut resumed, _) = watch(person, query, json!({ "after": cursor })).await;
            for change in ["CANCELLED", "CREATED", "CONFIRMED"] {
                assert_eq!(resumed.next("s").await["log"]["change"], change);
            }
        }
        app.settled().await;
    }
}

/// A notice of a later release ends the inbox for this one: notices before it are shown and counted, none after it
/// is shown, counted, streamed or marked read.
#[apply(scene!)]
async fn the_inbox_ends_before_a_newer_notice(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    for (n, newer) in (1..).zip(NEWER) {
        let customer = app.customer().await;
        let event = organizer.event(9).await;
        let sold = Sold::to(&app, &customer, &event).await;
        app.settled().await;
        let (mut live, cursor) = watch(&customer, NOTICES, json!({})).await;
        let put = "INSERT INTO notice (user_id, seq, domain_event_id, kind, audience, cause, v, data, created_at)
                   VALUES ($1, 2, $2, 'BOOKING_CANCELLED', 'CUSTOMER', $3, $4, '{}', 0)";
        app.sql("UPDATE inbox SET last_seq = 2 WHERE user_id = $1", [customer.user.into()]).await;
        app.sql(put, [customer.user.into(), domain_event_id(n).into(), newer.0.into(), newer.1.into()]).await;
        customer.books(&event, 1).await;
        app.settled().await;

        let page = "{ notices(first: 9) { totalCount unreadCount streamCursor nodes { number } pageInfo { hasNextPage hasPreviousPage } } }";
        let shown = customer.ask(page, json!({})).await.ok();
        assert_eq!(shown.at("notices.nodes"), &json!([{ "number": 1 }]));
        assert_eq!((shown.int("notices.totalCount"), shown.int("notices.unreadCount")), (1, 1));
        assert_eq!(shown.at("notices.streamCursor"), &cursor, "nothing is missed behind it");
        let mark = || customer.mutate("markNoticesRead", json!({ "upTo": 99 }), "readUpTo unreadCount");
        let marked = mark().await.ok();
        assert_eq!((marked.int("markNoticesRead.readUpTo"), marked.int("markNoticesRead.unreadCount")), (1, 0));
        stops(&mut live).await;
        let (mut again, opening) = watch(&customer, NOTICES, json!({ "after": cursor })).await;
        assert_eq!(opening, cursor);
        stops(&mut again).await;

        sold.make_readable(&app, "notice", n).await;
        let (mut resumed, _) = watch(&customer, NOTICES, json!({ "after": cursor })).await;
        for (number, kind) in [(2, "BOOKING_CANCELLED"), (3, "BOOKING_CONFIRMED")] {
            assert_eq!(resumed.next("s").await["log"]["notice"], json!({ "number": number, "kind": kind }));
        }
        let shown = customer.ask(page, json!({})).await.ok();
        assert_eq!((shown.int("notices.totalCount"), shown.int("notices.unreadCount")), (3, 2));
        assert_eq!(mark().await.ok().int("markNoticesRead.readUpTo"), 3);
    }
}

/// An unreadable notice is left out, in lists and streams, and hides no other.
#[apply(scene!)]
async fn a_damaged_notice_hides_no_other(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let (mut live, cursor) = watch(&customer, NOTICES, json!({})).await;
    for number in 1..=2 {
        customer.books(&event, 1).await;
        assert_eq!(live.next("s").await["log"]["notice"]["number"], number);
    }
    app.settled().await;
    app.sql("UPDATE notice SET data = '{\"oops\":1}' WHERE user_id = $1 AND seq = 1", [customer.user.into()]).await;
    let shown = customer.ask("{ notices(first: 9) { nodes { number } } }", json!({})).await.ok();
    assert_eq!(shown.at("notices.nodes"), &json!([{ "number": 2 }]));
    let (mut resumed, _) = watch(&customer, NOTICES, json!({ "after": cursor })).await;
    assert_eq!(resumed.next("s").await["log"]["notice"]["number"], 2);
}

/// Reacting stops before a domain event of a later release and dead-letters nothing, also if a reaction before it
/// fails.
#[apply(scene!)]
async fn reactions_stop_before_a_newer_domain_event(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let behind = "SELECT h.last - c.last AS n FROM stream_head h, consumer c WHERE c.name = 'reactions'";
    for (n, newer) in (1..).zip(NEWER) {
        let event = organizer.event(9).await;
        let sold = Sold::to(&app, &customer, &event).await;
        app.settled().await;
        let told = app.notices(customer.user, "booking.confirmed").await;
        sold.put_newer_domain_event(&app, n, newer).await;
        customer.books(&event, 1).await;
        numbered(&app).await;
        // Another process tries too.
        let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
        app.eventually("everything before it is done", || async { app.number(behind, []).await == 4 }).await;
        other.organizer().await.event(1).await; // which makes the relay read again
        numbered(&app).await;
        assert_eq!(app.number(behind, []).await, 5);
        assert_eq!(app.number("SELECT count(*) AS n FROM parked_domain_event", []).await, 0);
        assert_eq!(app.notices(customer.user, "booking.confirmed").await, told);
        sold.make_readable(&app, "domain_event", n).await;
        app.settled().await;
        assert_eq!(app.notices(customer.user, "booking.cancelled").await, n as i64, "told of it at last");
        assert_eq!(app.notices(customer.user, "booking.confirmed").await, told + 1);
    }
}

/// Returns the number of jobs of unknown kinds that satisfy a condition.
async fn untouched(app: &TestApp, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM job WHERE attempt = 0 AND crashes = 0 AND {condition}");
    app.number(&sql, []).await
}

/// Workers claim only jobs with a handler: jobs of a later release wait for its workers, with no attempt counted,
/// and delay no other job, however many they are.
#[apply(scene!)]
async fn workers_leave_newer_jobs_alone(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let put = "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at, lease_until, lease_token, attempt)
               VALUES ($1, 'teleport', '{}', $2, 0, 3, 0, $3, $4, $5)";
    for queue in ["emails", "notifications", "tickets"] {
        for _ in 0..120 {
            app.sql(put, [queue.into(), "available".into(), Bind::BigInt(None), Bind::Uuid(None), 0_i64.into()]).await;
        }
    }
    // One of them is leased to a worker of that release, which died long ago.
    let lease = Bind::Uuid(Some(Uuid::from_u128(9)));
    app.sql(put, ["emails".into(), "running".into(), 1_i64.into(), lease, 1_i64.into()]).await;
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    let delivered = "SELECT count(*) AS n FROM delivery";
    app.eventually("what is known is done", || async { app.number(delivered, []).await == 2 }).await;
    app.clock.advance(2 * LEASE);
    customer.books(&event, 1).await;
    app.eventually("and goes on being done", || async { app.number(delivered, []).await == 4 }).await;
    assert_eq!(untouched(&app, "state = 'available' AND kind = 'teleport' AND last_error IS NULL").await, 360);
    let running =
        "SELECT count(*) AS n FROM job WHERE kind = 'teleport' AND state = 'running' AND attempt = 1 AND crashes = 0";
    assert_eq!(app.number(running, []).await, 1, "its crash is counted by those who know it");
}

/// Returns a worker with the handlers of this release.
fn worker_of(ctx: &Ctx, stop: CancellationToken) -> Worker {
    Worker {
        ctx: ctx.clone(),
        bus: Bus::default(),
        registry: jobs::registry(ctx, &Bus::default(), &deliver::Channel::Log, &stop).unwrap(),
        lease: LEASE,
        enqueued: Arc::new(Notify::new()),
    }
}

/// Known jobs about a newer record, a delivery and a fan-out, are handed back with no attempt counted, and done
/// later.
#[apply(scene!)]
async fn known_jobs_about_something_newer_wait(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let sold = Sold::to(&app, &customer, &event).await;
    app.reacted().await;
    let ctx = app.app.ctx.clone();
    let worker = |stop| worker_of(&ctx, stop);
    let done = "SELECT count(*) AS n FROM job WHERE state = 'succeeded'";
    worker(CancellationToken::new()).drain().await.unwrap();
    assert_eq!(app.number(done, []).await, 2);
    for (n, newer) in (1..).zip(NEWER) {
        sold.put_newer_domain_event(&app, n, newer).await;
        numbered(&app).await;
        let put = "INSERT INTO notice (user_id, seq, domain_event_id, kind, audience, cause, v, data, created_at)
                   VALUES ($1, $2, $3, 'BOOKING_CANCELLED', 'CUSTOMER', $4, $5, '{}', 0)";
        let seq = n as i64 + 1;
        app.sql(put, [customer.user.into(), seq.into(), domain_event_id(n).into(), newer.0.into(), newer.1.into()])
            .await;
        let job = "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at)
                   VALUES ('emails', $1, $2, 'available', 0, 1, 0)";
        let delivery = json!({ "domain_event": domain_event_id(n), "user": customer.user, "channel": "log" });
        app.sql(job, [Deliver::KIND.into(), delivery.to_string().into()]).await;
        let fan_out = json!({ "domain_event": domain_event_id(n), "event": sold.event, "customers": "with_live_booking", "kind": "BOOKING_CANCELLED" });
        app.sql(job, [FanOut::KIND.into(), fan_out.to_string().into()]).await;
        for _ in 0..3 {
            worker(CancellationToken::new()).drain().await.unwrap();
            assert_eq!(untouched(&app, "state = 'available' AND max_attempts = 1").await, 2, "{newer:?}");
            app.clock.advance(std::time::Duration::from_secs(20));
        }
        sold.make_readable(&app, "domain_event", n).await;
        sold.make_readable(&app, "notice", n).await;
        worker(CancellationToken::new()).drain().await.unwrap();
        let rescued = "SELECT count(*) AS n FROM job WHERE state = 'succeeded' AND attempt = 1 AND max_attempts = 1";
        assert_eq!(app.number(rescued, []).await, 2 * n as i64, "{newer:?}");
    }
}

/// A fan-out of a notice whose kind only a later release knows is handed back with no attempt counted.
#[apply(scene!)]
async fn a_fan_out_of_a_newer_kind_of_notice_waits(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    app.reacted().await;
    #[derive(FromQueryResult)]
    struct Row {
        id: DomainEventId,
        event_id: EventId,
    }
    let cause = "SELECT id, event_id FROM domain_event WHERE kind = 'booking.created'";
    let Row { id, event_id } = boxoffice::db::one(app.db().read(), cause, []).await.unwrap().unwrap();
    let args = json!({ "domain_event": id, "event": event_id, "customers": "with_live_booking", "kind": "BOOKING_TELEPORTED" });
    let sql = "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at)
               VALUES ('notifications', $1, $2, 'available', 0, 1, 0)";
    app.sql(sql, [FanOut::KIND.into(), args.to_string().into()]).await;
    let ctx = app.app.ctx.clone();
    let worker = worker_of(&ctx, CancellationToken::new());
    for _ in 0..3 {
        worker.drain().await.unwrap();
        assert_eq!(untouched(&app, "state = 'available' AND kind = 'fanout'").await, 1);
        app.clock.advance(std::time::Duration::from_secs(20));
    }
}
