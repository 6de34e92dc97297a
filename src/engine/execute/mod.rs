//! Entry point of every transport: text, tokens, one parse, cost and execution, up to the final errors of the response.
//! Not here: authentication (`account::session`), the framing of an answer by its transport (`http`), and the schema.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{ObjectType, Request, Schema, ServerError, SubscriptionType, Value};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use self::call::Call;
use self::inputs::Inputs;
use self::record::Record;
use self::shape::{Shape, Types};
use self::variables::VariablePositions;
use super::budget::Balance;
use super::cost::{self, Cost, Refusal};
use super::document::Params;
use super::fault::{self, Fault};
use super::graph::Graph;
use super::response::GraphqlResponse;
use crate::access::{Actor, Peer};
use crate::clock::{Clock, Sparse};
use crate::id::RandomSource;

mod call;
mod inputs;
mod merge;
mod record;
mod resume;
mod root;
mod settings;
pub mod shape;
mod typename;
mod variables;
mod walk;

pub use settings::{PerRequest, RequestId, Settings};

/// Points that an address pays for a credential that has to be looked up, so that guessing credentials empties its
/// bucket.
const LOOK_UP: u64 = 100;

/// Executes requests; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    graph: Box<dyn Graph>,
    types: Types,
    inputs: Inputs,
    clock: Clock,
    random: RandomSource,
    settings: Settings,
    tasks: TaskTracker,
    refusals: Arc<Sparse>,
}

/// Request that was parsed, keeps the limits, and names one operation.
pub struct Prepared {
    request: Request,
    kind: OperationType,
    cost: Cost,
    shape: Shape,
    filled: VariablePositions,
    resumable: bool,
    public: bool,
    id: RequestId,
    record: Option<Record>,
}

impl Prepared {
    /// Returns query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.kind
    }

    /// Returns true for a subscription that can resume after a cursor; see [`GraphqlResponse::cursor`].
    pub fn is_resumable(&self) -> bool {
        self.resumable
    }

    /// Returns true for a query of the catalog alone, which is the same for every viewer without an account.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Returns the measured size and cost of the operation.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

impl Engine {
    /// Engine for `schema`. Mutations run on `tasks`, so that a graceful stop can wait for them.
    pub fn new<Q, M, S>(
        schema: Schema<Q, M, S>,
        clock: Clock,
        random: RandomSource,
        settings: Settings,
        tasks: TaskTracker,
    ) -> Self
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let sdl = schema.sdl();
        let read = || Ok((Types::read(&sdl)?, Inputs::read(&sdl)?));
        let (types, inputs) = read().unwrap_or_else(|error: async_graphql::parser::Error| {
            // The definition of a built schema can be read. Without its types, answers contain null only for fields
            // that failed, and only async-graphql checks values.
            tracing::error!(%error, "the schema's definition cannot be read");
            Default::default()
        });
        let refusals = Arc::new(Sparse::new(Duration::from_secs(1)));
        Self(Arc::new(Inner { graph: Box::new(schema), types, inputs, clock, random, settings, tasks, refusals }))
    }

    /// Returns the tracker of mutations and of other tasks that a graceful stop has to wait for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Finds the requested document, parses it once, checks its cost and its values, and removes arguments that were
    /// left out. Nothing unchecked is ever executed, because this is the only source of a [`Prepared`].
    pub fn prepare(&self, ask: Params) -> Result<Prepared, GraphqlResponse> {
        let given = ask.request.data.get(&TypeId::of::<RequestId>()).and_then(|id| id.downcast_ref::<RequestId>());
        let request_id = given.cloned().unwrap_or_else(|| self.request_id());
        let name = ask.request.operation_name.as_deref();
        let mut record = Record::begin(request_id.clone(), name, self.0.refusals.clone());
        match self.check(ask, request_id, &mut record) {
            Ok(prepared) => Ok(Prepared { record: Some(record), ..prepared }),
            Err(reply) => {
                record.answered(&reply);
                Err(reply)
            }
        }
    }

    fn check(&self, ask: Params, request_id: RequestId, record: &mut Record) -> Result<Prepared, GraphqlResponse> {
        let Settings { limits, documents, .. } = &self.0.settings;
        let Params { text, id, mut request, after } = ask;
        let is_new = text.is_some();
        request.query = readable(documents.find(text, id.as_deref())?)?;
        limits.check_text(&request.query)?;
        request.operation_name.take_if(|name| name.is_empty());
        let name = request.operation_name.clone();
        let mut variables = std::mem::take(&mut request.variables);
        let document = request.parsed_query().map_err(fault::parse_failed)?;
        let cost = cost::check(document, name.as_deref(), &variables, limits)?;
        if let Some(document) = typename::readable(document)? {
            request.set_parsed_query(document);
        }
        inputs::said_once(&request.query)?;
        let document = request.parsed_query().map_err(fault::parse_failed)?;
        let operation = &cost::pick(document, name.as_deref())?.node;
        let kind = operation.ty;
        let own = document.operations.iter().find(|(_, one)| std::ptr::eq(&one.node, operation));
        if let Some((Some(own), _)) = own {
            record.named(own);
        }
        (record.kind, record.cost) = (Some(kind), cost.cost);
        if kind == OperationType::Subscription {
            limits.check_subscription(cost)?;
        }
        let mut rewritten = None;
        let mut resumable = false;
        if kind == OperationType::Subscription {
            let root;
            (root, rewritten) = root::single_root(document, operation, name.as_deref())?;
            resumable = self.0.types.is_resumable(&root);
            if let Some(cursor) = after.filter(|_| resumable) {
                let document = rewritten.as_ref().unwrap_or(document);
                rewritten = resume::behind(&cursor, document, &root, &mut variables).or(rewritten);
            }
        }
        if cost.introspection > 0 && !self.0.settings.introspection {
            let message = "Introspection is switched off here; the schema is published as schema.graphql.";
            return Err(GraphqlResponse::refused(Fault::Forbidden, message));
        }
        variables::require(operation, &variables)?;
        self.0.inputs.check(document, operation, &variables, &self.0.types)?;
        merge::check(document, operation, &self.0.types)?;
        let filled = VariablePositions::read(document, &variables);
        let asked = rewritten.as_ref().unwrap_or(document);
        rewritten = variables::without_left_out(asked, operation, &variables).or(rewritten);
        variables::fill(operation, &mut variables);
        let shape = self.0.types.shape(document, operation);
        let public = kind == OperationType::Query && root::asks_only(document, operation, self.0.settings.public);
        if let Some(document) = rewritten {
            request.set_parsed_query(document);
        }
        request.variables = variables;
        if let Some(id) = id.filter(|_| is_new) {
            documents.remember(id, &request.query);
        }
        Ok(Prepared { request, kind, cost, shape, filled, resumable, public, id: request_id, record: None })
    }

    /// Executes a query or a mutation. A mutation runs in a task of its own, so the write continues when the client
    /// disconnects or the timeout passes.
    pub async fn execute(&self, actor: Actor, mut prepared: Prepared) -> GraphqlResponse {
        let mut record = prepared.record.take();
        record.iter_mut().for_each(Record::runs);
        let reply = self.paid(actor, prepared).await;
        record.iter_mut().for_each(|record| record.answered(&reply));
        reply
    }

    async fn paid(&self, actor: Actor, prepared: Prepared) -> GraphqlResponse {
        let balance = match self.charge(&actor, &prepared) {
            Ok(balance) => balance,
            Err(refused) => return refused,
        };
        let mut reply = self.run(actor, prepared).await;
        if let Some(balance) = balance {
            reply.response.extensions.insert("cost".to_owned(), balance.extension());
        }
        reply
    }

    async fn run(&self, actor: Actor, prepared: Prepared) -> GraphqlResponse {
        let Settings { patience, mutation_patience, .. } = self.0.settings;
        let kind = prepared.kind;
        let (request, call) = self.call(actor, prepared);
        let inner = self.0.clone();
        let id = call.id.clone();
        let span = tracing::info_span!("graphql", request_id = %id.0, %kind);
        let run = async move {
            match AssertUnwindSafe(inner.graph.execute(request)).catch_unwind().await {
                Ok(response) => call.finish(response),
                Err(panic) => call.panicked(panic.as_ref()),
            }
        }
        .instrument(span);
        let late = match kind {
            OperationType::Query => match tokio::time::timeout(patience, run).await {
                Ok(reply) => return reply,
                Err(_) => "The query took too long and was cancelled.",
            },
            OperationType::Mutation => match tokio::time::timeout(mutation_patience, self.0.tasks.spawn(run)).await {
                Ok(Ok(reply)) => return reply,
                Ok(Err(_)) => "The service is stopping; try again with the same idempotency key.",
                Err(_) => "The mutation is still running; try again with the same idempotency key.",
            },
            OperationType::Subscription => {
                return GraphqlResponse::refused(Fault::BadUserInput, "A subscription needs a streaming transport.");
            }
        };
        tracing::warn!(request_id = %id.0, %kind, "an operation exceeded its timeout");
        GraphqlResponse::refused(Fault::Overloaded, late)
    }

    /// Executes a subscription as a stream of replies. Its first reply is a request error when the subscription could
    /// not start. A query or mutation gives its one reply.
    pub fn subscribe(
        &self,
        actor: Actor,
        mut prepared: Prepared,
    ) -> impl Stream<Item = GraphqlResponse> + Send + use<> {
        if prepared.kind != OperationType::Subscription {
            let engine = self.clone();
            return stream::once(async move { engine.execute(actor, prepared).await }).boxed();
        }
        let mut record = prepared.record.take();
        record.iter_mut().for_each(Record::runs);
        if let Err(refused) = self.charge(&actor, &prepared) {
            record.iter_mut().for_each(|record| record.answered(&refused));
            return stream::once(async move { refused }).boxed();
        }
        let (request, call) = self.call(actor, prepared);
        let mut responses = AssertUnwindSafe(self.0.graph.subscribe(request)).catch_unwind().fuse().boxed();
        let replies = async move {
            let first = responses.next().await;
            // A subscription that could not start looks like a result that failed, but nothing follows it.
            let second = match &first {
                Some(Ok(response)) if response.data == Value::Null => responses.next().now_or_never(),
                _ => None,
            };
            let refused = matches!(second, Some(None));
            let head = first.into_iter().chain(second.flatten());
            let replies = stream::iter(head).chain(responses).map(move |item| match item {
                Ok(response) if refused => call.refused(response),
                Ok(response) => call.finish(response),
                Err(panic) => call.panicked(panic.as_ref()),
            });
            // The record is written when the stream ends.
            replies.inspect(move |reply| record.iter_mut().for_each(|record| record.answered(reply)))
        };
        replies.flatten_stream().boxed()
    }

    /// Takes the price of looking up a credential from the bucket of its address.
    pub fn charge_look_up(&self, peer: Option<Peer>) -> Result<(), GraphqlResponse> {
        let charged = self.charge_points(&Actor::Anonymous, peer, LOOK_UP).map(drop);
        if charged.is_err() {
            self.refused_by_rate("too many unknown tokens");
        }
        charged
    }

    /// Logs that a client was refused for asking too much, except during a flood of such refusals.
    pub fn refused_by_rate(&self, reason: &str) {
        if let Some(left_out) = self.0.refusals.let_through() {
            tracing::warn!(reason, left_out, "refused by rate");
        }
    }

    /// Takes the cost of an operation from its viewer's bucket.
    fn charge(&self, actor: &Actor, prepared: &Prepared) -> Result<Option<Balance>, GraphqlResponse> {
        let peer = prepared.request.data.get(&TypeId::of::<Peer>()).and_then(|peer| peer.downcast_ref()).copied();
        self.charge_points(actor, peer, prepared.cost.cost)
    }

    fn charge_points(
        &self,
        actor: &Actor,
        peer: Option<Peer>,
        points: u64,
    ) -> Result<Option<Balance>, GraphqlResponse> {
        let Some(budgets) = &self.0.settings.budgets else { return Ok(None) };
        budgets.charge(actor, peer, points).map(Some).map_err(|(wait, balance)| {
            let seconds = wait.as_millis().div_ceil(1_000);
            let message = format!("You have used up your points; try again in {seconds} s.");
            let mut refused: GraphqlResponse = Fault::RateLimited.server_error_after(message, wait).into();
            refused.response.extensions.insert("cost".to_owned(), balance.extension());
            refused
        })
    }

    /// Logs a panic outside of any execution, such as in a transport, and returns the error that the client gets.
    pub fn panicked(&self, what: &str, panic: &(dyn Any + Send)) -> ServerError {
        self.panicked_in(&self.request_id(), what, panic)
    }

    /// Logs a panic of a request that has an id, and returns the error that the client gets.
    pub fn panicked_in(&self, id: &RequestId, what: &str, panic: &(dyn Any + Send)) -> ServerError {
        tracing::error!(request_id = id.0, error = fault::panic_text(panic), "{what} panicked");
        fault::masked(&id.0)
    }

    /// Returns a new request id.
    pub fn request_id(&self) -> RequestId {
        RequestId(self.0.random.id::<Uuid>(self.0.clock.now()).to_string())
    }

    fn call(&self, actor: Actor, prepared: Prepared) -> (Request, Call) {
        let Prepared { request, kind, shape, filled, id, .. } = prepared;
        let request = request.data(actor).data(kind).data(id.clone());
        (
            (self.0.settings.per_request)(request, &actor),
            Call { id, shape, filled, format_of: self.0.settings.format_of },
        )
    }
}

/// Returns a document in a form that the parser can read.
fn readable(text: String) -> Result<String, Refusal> {
    match cost::without_long_escapes(&text) {
        Ok(Cow::Borrowed(_)) => Ok(text),
        Ok(Cow::Owned(text)) => Ok(text),
        Err(cost::NoCharacter(escape)) => {
            let message =
                format!("The escape {escape} names no character: write both halves of a pair, or \\u{{1F3B7}}.");
            Err(Refusal { fault: Fault::GraphqlParseFailed, message: fault::one_line(&message) })
        }
    }
}
