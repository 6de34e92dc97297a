//! A service with an edge that a test sets up: its own limits and timeouts, and a fault injector among the resolvers,
//! which fails, panics, waits or floods where the test's document says so by an alias.
//! Not here: the usual service (`harness`), which is enough for tests without such settings.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, NextSubscribe, ResolveInfo,
};
use async_graphql::{PathSegment, Response, ServerError, ServerResult, Value};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use boxoffice::engine::execute::{Engine, Settings};
use boxoffice::graphql::{Mutation, Query, Subscription, load};
use boxoffice::http::{self, HttpState, body, listen, websocket};
use boxoffice::id::RandomSource;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{PATIENCE, Stage, TestApp};

/// Settings that may differ from the usual.
pub struct Plan {
    pub patience: Duration,
    pub body: body::Body,
    pub sockets: websocket::Settings,
    pub connections: listen::Settings,
    pub origins: Vec<String>,
}

/// A running service with an edge of its own in front.
pub struct Stand {
    /// The service behind this edge; its actors use the edge too.
    pub app: TestApp,
    pub saboteur: Saboteur,
    /// Mutations and sockets.
    pub tasks: TaskTracker,
    pub shutdown: CancellationToken,
    /// Counts requests that lost their client before there was an answer.
    pub left: Signal,
    _stage: Stage,
}

impl Stand {
    pub async fn open(change: impl FnOnce(&mut Plan)) -> Self {
        let stage = Stage::sqlite();
        let app = stage.app().await;
        let mut plan = Plan {
            patience: PATIENCE,
            body: body::Body::default(),
            sockets: websocket::Settings::default(),
            connections: listen::Settings::default(),
            origins: Vec::new(),
        };
        change(&mut plan);
        let (saboteur, left) = (Saboteur::default(), Signal::default());
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let services = app.app.services.clone();
        let schema = async_graphql::Schema::build(Query::default(), Mutation::default(), Subscription::default())
            .extension(saboteur.clone())
            .data(services.clone())
            .finish();
        let ctx = app.app.ctx.clone();
        let settings = Settings {
            patience: plan.patience,
            mutation_patience: plan.patience,
            per_request: Arc::new(move |request, actor| {
                assert!(request.operation_name.as_deref() != Some("Panics"), "secret of a panic outside of fields");
                request.data(ctx.acting_as(*actor)).data(load::loaders(ctx.db.clone(), ctx.clock.clone()))
            }),
            ..Settings::default()
        };
        let engine = Engine::new(schema, app.clock.clone(), RandomSource::system(), settings, tasks.clone());
        let mut edge = HttpState::new(engine, services.sessions.clone(), shutdown.clone());
        (edge.body, edge.sockets, edge.origins) = (plan.body, plan.sockets, http::cors::Origins::new(plan.origins));
        let asleep = || http::NotReady { code: "DATABASE_FAILING", reason: "the database is asleep".to_owned() };
        let readiness: http::Readiness = Arc::new(move || Box::pin(async move { Err(asleep()) }));
        let watched = left.clone();
        let router = http::router(edge, readiness).layer(from_fn(move |request: Request, next: Next| {
            let leaving = OnDrop(Some(watched.clone()));
            async move {
                let response = next.run(request).await;
                leaving.disarm();
                response
            }
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // Connections outlive the stop: a test reads the messages on them.
        tokio::spawn(listen::serve(listener, router, plan.connections, CancellationToken::new()));
        Self { app: TestApp { address, ..app }, saboteur, tasks, shutdown, left, _stage: stage }
    }

    /// Waits until every mutation and socket has ended.
    pub async fn ended(&self) {
        self.tasks.close();
        assert!(tokio::time::timeout(PATIENCE, self.tasks.wait()).await.is_ok(), "something never ends");
    }
}

/// Counts occurrences of an event, and lets a test wait for the next one.
#[derive(Clone)]
pub struct Signal(Arc<Semaphore>);

impl Default for Signal {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Signal {
    pub fn give(&self) {
        self.0.add_permits(1);
    }

    /// Waits until it has happened once more.
    pub async fn seen(&self) {
        let permit = tokio::time::timeout(PATIENCE, self.0.acquire()).await;
        permit.expect("it never happens").unwrap().forget();
    }
}

/// Signals when it is dropped before it was disarmed.
struct OnDrop(Option<Signal>);

impl OnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(signal) = &self.0 {
            signal.give();
        }
    }
}

/// Injects the fault that the alias of a field names: `fails`, `panics`, `panicsLater` (from its second event on),
/// `waits`.
#[derive(Clone, Default)]
pub struct Saboteur(Arc<Plot>);

#[derive(Default)]
pub struct Plot {
    /// A field called `waits` began.
    pub begun: Signal,
    /// Lets one of the waiting fields continue.
    pub gate: Signal,
    /// A waiting field, or a flood, was dropped.
    pub dropped: Signal,
    /// Makes a subscription repeat its first message for ever, 20 kB at a time.
    pub flood: AtomicBool,
    events: AtomicUsize,
}

impl std::ops::Deref for Saboteur {
    type Target = Plot;

    fn deref(&self) -> &Plot {
        &self.0
    }
}

impl ExtensionFactory for Saboteur {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Extension for Saboteur {
    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: Pin<Box<dyn Stream<Item = Response> + Send + 's>>,
        next: NextSubscribe<'_>,
    ) -> Pin<Box<dyn Stream<Item = Response> + Send + 's>> {
        let stream = next.run(ctx, stream);
        if !self.flood.load(Ordering::SeqCst) {
            return stream;
        }
        let mut dropped = Some(OnDrop(Some(self.dropped.clone())));
        let flood = move |first: Response| {
            let dropped = dropped.take();
            let padding = Value::String("x".repeat(20_000));
            stream::repeat_with(move || {
                let _ = &dropped;
                Response::new(first.data.clone()).extension("padding", padding.clone())
            })
        };
        stream.take(1).flat_map(flood).boxed()
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        match info.alias {
            Some("fails") => {
                let path = vec![PathSegment::Field("fails".to_owned())];
                return Err(ServerError::new("secret of a failure", None).with_path(path));
            }
            Some("panics") => panic!("secret of a panic"),
            Some("panicsLater") if self.events.fetch_add(1, Ordering::SeqCst) > 0 => panic!("secret of a panic"),
            Some("waits") => {
                let given_up = OnDrop(Some(self.dropped.clone()));
                self.begun.give();
                self.gate.0.acquire().await.unwrap().forget();
                given_up.disarm();
            }
            _ => {}
        }
        next.run(ctx, info).await
    }
}
