//! Composition root: builds pools, batcher, bus, relay, worker and schema, and connects them. No other module depends
//! on all of them.
//! Not here: the source of the settings (`cli`), and the listening socket (`cli::serve`).

use std::any::TypeId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Actor, Lease, Peer};
use crate::account::password::{Cost, Hasher};
use crate::account::session::{self, Sessions};
use crate::account::throttle::{self, Throttle};
use crate::account::token::Keys;
use crate::account::{self, revocation};
use crate::booking::watch::AvailabilityHub;
use crate::booking::{batcher, close, promote};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::db::{self, ConnectError, Db, Target};
use crate::engine::budget::{self, Budgets};
use crate::engine::cost;
use crate::engine::document::Documents;
use crate::engine::document::trusted::{self, Untrusted};
use crate::engine::execute::{self, Engine};
use crate::graphql::expensive::Expensive;
use crate::graphql::stream_cursor::{CursorKeys, Underivable};
use crate::graphql::{Services, load, price, scalar, schema, validator};
use crate::http::{self, HttpState, NotReady, Readiness};
use crate::id::RandomSource;
use crate::notification::deliver;
use crate::queue::registry::{Registry, RegistryError};
use crate::queue::worker::{LEASE, Worker};
use crate::relay::{Consumer, Relay};
use crate::{event, jobs, reactions, retention};

/// Interval at which finished events are archived and data past its retention is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Longest wait for running work and connections on stop. With [`CLOSE_WITHIN`] it is ten seconds in total, the time
/// that service managers allow.
pub const STOP_WITHIN: Duration = Duration::from_secs(9);

/// Longest time the database may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// All options that can differ between two processes.
#[derive(Clone)]
pub struct Options {
    /// Address of the database.
    pub target: Target,
    /// True to migrate PostgreSQL to this release; SQLite is always migrated.
    pub migrate: bool,
    /// Connections and time limits of the database.
    pub db: db::Settings,
    /// Keys that sign access tokens.
    pub keys: Keys,
    /// Clock of the service.
    pub clock: Clock,
    /// Source of ids, references and jitter.
    pub random: RandomSource,
    /// Cost of password hashes.
    pub hash_cost: Cost,
    /// Settings of the batcher; `None` for the defaults of the database.
    pub batcher: Option<batcher::Settings>,
    /// True to number domain events and react to them in this process.
    pub relay: bool,
    /// Consumers of domain events beside the reactions.
    pub consumers: Vec<Consumer>,
    /// True to run jobs in this process.
    pub worker: bool,
    /// Time for which a claimed job is held without renewal.
    pub lease: Duration,
    /// Retention times of the data of finished work.
    pub retention: retention::Settings,
    /// Channel of deliveries.
    pub channel: deliver::Channel,
    /// Throttling of sign-ins; `None` to switch it off.
    pub throttle: Option<throttle::Settings>,
    /// Caching of sessions in memory.
    pub sessions: session::Settings,
    /// Limits of a GraphQL document.
    pub limits: cost::Limits,
    /// Bus of the process.
    pub bus: Bus,
    /// True if the GraphiQL page may list the users of the demo.
    pub demo: bool,
    /// Foreign web origins that may call the service.
    pub origins: http::cors::Origins,
    /// Host names under which the service may be called.
    pub hosts: http::hosts::Hosts,
    /// Folder of the trusted documents; with it no other document runs. `None` to allow any document.
    pub trusted_documents: Option<PathBuf>,
    /// Most requests in one array; 0 to refuse arrays.
    pub batch_max: usize,
    /// Time limits and sizes of WebSockets.
    pub sockets: http::websocket::Settings,
    /// Time limit and size limit of a request body.
    pub body: http::body::Body,
    /// Limits of connections, for the listener.
    pub connections: http::listen::Settings,
    /// Cost budget of each viewer; `None` for no limit.
    pub budget: Option<budget::Settings>,
    /// Longest time a query may take.
    pub patience: Duration,
    /// Longest wait for the answer of a mutation.
    pub mutation_patience: Duration,
    /// True to hide details from unknown clients: no introspection, no suggestions, no GraphiQL.
    pub production: bool,
}

impl Options {
    /// Creates the default options: everything in one process.
    pub fn new(target: Target, keys: Keys) -> Self {
        Self {
            target,
            migrate: true,
            db: db::Settings::default(),
            keys,
            clock: Clock::System,
            random: RandomSource::system(),
            hash_cost: Cost::STANDARD,
            batcher: None,
            relay: true,
            consumers: Vec::new(),
            worker: true,
            lease: LEASE,
            retention: retention::Settings::default(),
            channel: deliver::Channel::default(),
            throttle: Some(throttle::Settings::default()),
            sessions: session::Settings::default(),
            limits: price::limits(),
            bus: Bus::default(),
            demo: false,
            origins: http::cors::Origins::default(),
            hosts: http::hosts::Hosts::default(),
            trusted_documents: None,
            batch_max: 0,
            sockets: http::websocket::Settings::default(),
            body: http::body::Body::default(),
            connections: http::listen::Settings::default(),
            budget: Some(budget::Settings::default()),
            patience: execute::Settings::default().patience,
            mutation_patience: execute::Settings::default().mutation_patience,
            production: false,
        }
    }
}

/// Reason why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] ConnectError),
    /// The trusted documents cannot be used.
    #[error(transparent)]
    Documents(#[from] Untrusted),
    /// The secret cannot be used to derive the key of stream cursors.
    #[error(transparent)]
    Cursors(#[from] Underivable),
    /// The first password hash failed.
    #[error(transparent)]
    Hashing(#[from] crate::account::Error),
    /// The handlers of jobs contradict each other.
    #[error(transparent)]
    Jobs(#[from] RegistryError),
}

/// Service that is running.
pub struct App {
    /// Context that acts as the service itself.
    pub ctx: Ctx,
    /// Services shared by the resolvers.
    pub services: Services,
    edge: HttpState,
    budgets: Option<Budgets>,
    stop: CancellationToken,
    tasks: TaskTracker,
    background: TaskTracker,
}

impl App {
    /// Opens the database and starts the parts that the options ask for.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let documents = match &options.trusted_documents {
            Some(folder) => Documents::trusted(trusted::read(folder, &options.limits, &validator()).await?),
            None => Documents::default(),
        };
        let db = Db::open_with(&options.target, options.migrate, options.random.clone(), &options.db).await?;
        // The reads of viewers must not delay the service itself, so it reads over reserved connections.
        let db = db.reserved();
        let ctx = Ctx {
            actor: Actor::System,
            peer: None,
            lease: None,
            db,
            clock: options.clock.clone(),
            random: options.random.clone(),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let sessions = Sessions::new(ctx.db.clone(), options.clock.clone(), options.keys.clone(), options.sessions);
        let desk_settings = options.batcher.unwrap_or_else(|| batcher::Settings::for_db(ctx.db.is_sqlite()));
        let services = Services {
            batcher: batcher::Batcher::open(&ctx, desk_settings),
            hasher: Hasher::new(options.hash_cost, cores / 2)?,
            throttle: Throttle::new(options.throttle, &options.clock),
            sessions,
            cursors: CursorKeys::new(&options.keys)?,
            bus: options.bus.clone(),
            availability_hub: AvailabilityHub::default(),
            expensive: Expensive::default(),
        };
        let (stop, tasks, background) = (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());
        let registry = jobs::registry(&ctx, &options.bus, &options.channel, &stop)?;
        let budgets = options.budget.map(|settings| Budgets::new(settings, &options.clock));
        let engine = engine(&ctx, &services, &options, documents, budgets.clone(), &tasks);
        let edge = HttpState {
            demo: options.demo,
            page: !options.production,
            origins: options.origins.clone(),
            hosts: options.hosts.clone(),
            batch_max: options.batch_max,
            sockets: options.sockets,
            body: options.body,
            ..HttpState::new(engine, services.sessions.clone(), stop.clone())
        };
        let app = Self { ctx, services, edge, budgets, stop, tasks, background };
        app.run(&options, &registry);
        Ok(app)
    }

    fn run(&self, options: &Options, registry: &Registry) {
        let (ctx, stop) = (&self.ctx, &self.stop);
        let enqueued = Arc::new(Notify::new());
        let sessions = self.services.sessions.clone();
        if options.sessions.watched {
            self.background.spawn(revocation::watch(ctx.db.clone(), ctx.clock.clone(), sessions, stop.clone()));
        }
        self.background.spawn(self.services.availability_hub.clone().run(
            ctx.clone(),
            options.bus.clone(),
            stop.clone(),
        ));
        if options.relay {
            let relay = Relay {
                ctx: ctx.clone(),
                bus: options.bus.clone(),
                consumers: [vec![reactions::consumer(ctx.clone())], options.consumers.clone()].concat(),
                enqueued: enqueued.clone(),
                numbered: Arc::new(Notify::new()),
            };
            self.background.spawn(relay.run(stop.clone()));
        }
        if options.worker {
            let worker = Worker {
                ctx: ctx.clone(),
                bus: options.bus.clone(),
                registry: registry.clone(),
                lease: options.lease,
                enqueued,
            };
            self.background.spawn(worker.run(stop.clone()));
            self.background.spawn(sweep(ctx.clone(), options.retention, stop.clone()));
        }
        self.background.spawn(forget(self.budgets.clone(), self.services.throttle.clone(), stop.clone()));
    }

    /// Returns the HTTP router of the service.
    pub fn router(&self) -> axum::Router {
        let ctx = self.ctx.clone();
        let readiness: Readiness = Arc::new(move || {
            let ctx = ctx.clone();
            Box::pin(async move {
                let ready = ctx.db.ready().await;
                ready.map_err(|unready| NotReady { code: unready.code(), reason: unready.to_string() })
            })
        });
        http::router(self.edge.clone(), readiness)
    }

    /// Returns the token that is cancelled when the service stops; sockets and streams watch it.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops the service: waits for mutations and jobs in progress, then closes the database.
    pub async fn stop(&self) {
        self.stop_by(Instant::now() + STOP_WITHIN).await;
    }

    /// Stops the service by a deadline, if the wait has begun before.
    pub async fn stop_by(&self, deadline: Instant) {
        self.stop.cancel();
        self.tasks.close();
        self.background.close();
        let finished = async {
            self.tasks.wait().await;
            self.background.wait().await;
        };
        if timeout_at(deadline, finished).await.is_err() {
            tracing::warn!("work in progress did not finish in time; uncommitted changes are lost");
        }
        // Work that is still running keeps its connection, and closing the pool would wait for it.
        if timeout(CLOSE_WITHIN, self.ctx.db.clone().close()).await.is_err() {
            tracing::warn!("the database was not closed in time");
        }
    }
}

/// Builds the engine, and the data that each request carries.
fn engine(
    ctx: &Ctx,
    services: &Services,
    options: &Options,
    documents: Documents,
    budgets: Option<Budgets>,
    tasks: &TaskTracker,
) -> Engine {
    let (base, viewers) = (ctx.clone(), ctx.db.viewers());
    let settings = execute::Settings {
        limits: options.limits.clone(),
        documents,
        budgets,
        introspection: !options.production,
        patience: options.patience,
        mutation_patience: options.mutation_patience,
        public: &price::PUBLIC,
        format_of: scalar::format_of,
        per_request: Arc::new(move |request, actor| {
            let peer = request.data.get(&TypeId::of::<Peer>()).and_then(|peer| peer.downcast_ref()).copied();
            let lease = request.data.get(&TypeId::of::<Lease>()).and_then(|lease| lease.downcast_ref()).cloned();
            let kind = request.data.get(&TypeId::of::<OperationType>()).and_then(|kind| kind.downcast_ref()).copied();
            let db = if kind == Some(OperationType::Mutation) { &base.db } else { &viewers };
            let ctx = Ctx { peer, lease, db: db.clone(), ..base.acting_as(*actor) };
            request.data(ctx).data(load::loaders(db.clone(), base.clock.clone()))
        }),
    };
    let schema = schema(Some(services.clone()), options.production);
    Engine::new(schema, options.clock.clone(), options.random.clone(), settings, tasks.clone())
}

/// Evicts idle entries of budgets and throttle from memory.
async fn forget(budgets: Option<Budgets>, throttle: Throttle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
        if let Some(budgets) = &budgets {
            budgets.forget();
        }
        throttle.purge_memory();
    }
}

/// Archives finished events and deletes data past its retention: at the start, then every [`SWEEP_EVERY`], each time
/// until nothing is left.
async fn sweep(ctx: Ctx, keep: retention::Settings, stop: CancellationToken) {
    loop {
        if let Err(error) = close::close_begun(&ctx).await {
            tracing::error!(%error, "cannot close the waitlists of events that have begun");
        }
        if let Err(error) = promote::promote_left(&ctx).await {
            tracing::error!(%error, "cannot promote the waitlists that a dead job has left");
        }
        if let Err(error) = event::archive::archive(&ctx.db, ctx.now()).await {
            tracing::error!(%error, "cannot archive finished events");
        }
        if let Err(error) = account::retention::purge(&ctx.db, ctx.now()).await {
            tracing::error!(%error, "cannot purge ended sign-ins");
        }
        retention::sweep(&ctx, &keep, &stop).await;
        if let Err(error) = event::search::reindex(&ctx.db).await {
            tracing::error!(%error, "cannot index events for the search");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}
