//! Tests of simultaneous attempts: below the limits of the throttle no attempt waits, whatever the clocks show.
//! Not here: what happens above the limits (`throttle`).

use std::time::Duration;

use boxoffice::account::throttle::Settings;
use boxoffice::clock::Clock;
use futures_util::future::join_all;
use serde_json::json;

use super::throttle::{RIGHT, SIGN_UP, ask, guess, renew};
use crate::harness::{Answer, BEGINNING, TestApp};

/// The default limits, with clients of many addresses.
fn usual(options: &mut boxoffice::app::Options) {
    options.throttle = Some(Settings::default());
    options.connections.proxies = 1;
}

async fn sign_up_from(app: &TestApp, network: &str, email: &str) -> Answer {
    ask(app, network, SIGN_UP, json!({ "input": { "email": email, "password": RIGHT, "name": "P" } })).await
}

/// Below the limits no attempt waits, also not one of the same moment that the machine's own clock dates a little
/// earlier or later.
#[apply(scene!)]
async fn people_who_act_at_the_same_moment_are_all_let_in(stage: Stage) {
    let app = stage
        .app_with(|options| {
            usual(options);
            options.clock = Clock::System;
        })
        .await;
    let mail = |n: usize| format!("p{n}@example.org");
    for round in 0..5 {
        let together = (0..4).map(|n| 4 * round + n);
        let up = join_all(together.map(|n| {
            let app = app.clone();
            async move { sign_up_from(&app, "198.51.100.1", &mail(n)).await }
        }));
        for answer in up.await {
            answer.ok();
        }
    }
    for network in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let signed_in = (0..8).map(|n| {
            let app = app.clone();
            async move { guess(&app, network, &mail(n), RIGHT).await }
        });
        for answer in join_all(signed_in).await {
            answer.ok();
        }
    }
    for network in ["198.51.100.1", "192.0.2.1"] {
        for answer in join_all((0..4).map(|_| guess(&app, network, "p0@example.org", RIGHT))).await {
            answer.ok();
        }
    }
}

/// A process with a clock that is behind refuses nothing that the limits allow.
#[apply(scene!)]
async fn clocks_that_differ_make_nobody_wait_below_the_limits(stage: Stage) {
    let behind = stage.app_with(usual).await;
    let ahead = stage
        .app_with(|options| {
            usual(options);
            options.clock = Clock::manual(BEGINNING.plus(Duration::from_secs(10)));
        })
        .await;
    sign_up_from(&ahead, "198.51.100.1", "grace@example.org").await.ok();
    sign_up_from(&behind, "198.51.100.1", "alan@example.org").await.ok();
    for _ in 0..4 {
        assert_eq!(
            guess(&ahead, "192.0.2.1", "grace@example.org", "wrong horse").await.refusal(),
            "INVALID_CREDENTIALS"
        );
    }
    guess(&behind, "192.0.2.1", "grace@example.org", RIGHT).await.ok();
    guess(&behind, "192.0.2.1", "alan@example.org", RIGHT).await.ok();
    // A wrong password from a known network, and then the right one.
    assert_eq!(
        guess(&ahead, "198.51.100.1", "grace@example.org", "wrong horse").await.refusal(),
        "INVALID_CREDENTIALS"
    );
    guess(&behind, "198.51.100.1", "grace@example.org", RIGHT).await.ok();
    for token in ["bor_none", "bor_none_either"] {
        assert_eq!(renew(&ahead, "192.0.2.1", token).await.refusal(), "SESSION_ENDED");
        assert_eq!(renew(&behind, "192.0.2.1", token).await.refusal(), "SESSION_ENDED");
    }
}
