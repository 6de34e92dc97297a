//! Scenes of the queue: interruptions, leases and fairness, with handlers of the test's own where it has to look inside.
//! Not here: what jobs are for (`notification`, `event`) and real crashes (`kill`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use boxoffice::booking::call_off;
use boxoffice::bus::Bus;
use boxoffice::id::{EventId, Noun};
use boxoffice::notification::fanout;
use boxoffice::queue::claim::{self, Token};
use boxoffice::queue::worker::{Handler, LEASE, Worker};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::harness::TestApp;
use crate::notification::fill;

fn worker(app: &TestApp, handlers: HashMap<&'static str, Handler>) -> Worker {
    Worker {
        ctx: app.app.ctx.clone(),
        bus: Bus::default(),
        handlers: Arc::new(handlers),
        lease: LEASE,
        enqueued: Arc::new(Notify::new()),
    }
}

fn token(n: usize) -> Token {
    Token(uuid::Uuid::from_u128(n as u128))
}

scene! {
    /// Each of many workers dies after one chunk: what counts is that the job gets on, not how often it was interrupted.
    async fn a_long_job_survives_any_number_of_crashes(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let organizer = app.organizer().await;
        let id = organizer.event(1_100).await;
        fill(&app, &id, 1_000).await;
        organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
        app.reacted().await;
        let event = EventId::parse(&id).unwrap();
        for crash in 1..=4 {
            let held = claim::claim(app.db(), 10_000, app.clock.now(), LEASE, token(crash)).await.unwrap();
            let job = held.iter().find(|job| job.kind == call_off::KIND).expect("it still is tried");
            assert!(call_off::chunk(&app.app.ctx, event, Some((job.id, token(crash)))).await.unwrap());
            app.clock.advance(2 * LEASE);
            assert!(claim::rescue(app.db(), app.clock.now()).await.unwrap() > 0);
            // Somebody who lost the job changes nothing any more.
            let sold = app.sold(&id).await;
            assert!(!call_off::chunk(&app.app.ctx, event, Some((job.id, token(crash)))).await.unwrap());
            assert_eq!(app.sold(&id).await, sold);
        }
        let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
        other.settled().await;
        assert_eq!(app.sold(&id).await, 0);
    }
}

scene! {
    /// A process that stops hands long jobs back between two chunks, and none of their attempts is spent.
    async fn a_stop_hands_long_jobs_back(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let organizer = app.organizer().await;
        let id = organizer.event(1_200).await;
        fill(&app, &id, 1_100).await;
        organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
        app.reacted().await;
        let (ctx, stop) = (app.app.ctx.clone(), CancellationToken::new());
        stop.cancel();
        let handlers = HashMap::from([
            (call_off::KIND, call_off::handler(ctx.clone(), stop.clone())),
            (fanout::KIND, fanout::handler(ctx, Bus::default(), stop)),
        ]);
        let untouched = "SELECT count(*) AS n FROM job WHERE state = 'available' AND attempt = 0 AND crashes = 0
                         AND kind IN ('fanout', 'call_off') AND last_error = 'the process stops'";
        for _deploy in 0..4 {
            worker(&app, handlers.clone()).drain().await.unwrap();
            assert_eq!(app.number(untouched, []).await, 2);
            app.clock.advance(Duration::from_secs(2));
        }
        let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
        other.settled().await;
        assert_eq!(app.sold(&id).await, 0);
        assert_eq!(app.number("SELECT count(*) AS n FROM notice WHERE kind = 'event.cancelled'", []).await, 1_100);
    }
}
