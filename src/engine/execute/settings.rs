//! Settings of the engine, and the data it attaches to each request.
//! Not here: reading the settings (`app`, `cli`).

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Request;

use crate::access::Actor;
use crate::engine::budget::Budgets;
use crate::engine::cost::Limits;
use crate::engine::document::Documents;

/// Attaches data that lives as long as one request, such as DataLoaders. The actor, [`OperationType`] and [`RequestId`]
/// are attached already.
pub type PerRequest = Arc<dyn Fn(Request, &Actor) -> Request + Send + Sync>;

/// Id of a request in records and in `INTERNAL` errors; part of the request's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Settings that the engine receives once, at the start.
#[derive(Clone)]
pub struct Settings {
    /// Limits of a document.
    pub limits: Limits,
    /// Documents that are known by id, and whether others run.
    pub documents: Documents,
    /// Rate limits of viewers; `None` for no limit.
    pub budgets: Option<Budgets>,
    /// True if the schema may be queried by introspection.
    pub introspection: bool,
    /// Timeout of a query; 5 s.
    pub patience: Duration,
    /// Timeout of waiting for the answer of a mutation, which continues afterwards; 30 s. It is longer than a query's
    /// because the outcome of a commit that lost its database connection is checked on another connection, and that
    /// answer is worth the wait.
    pub mutation_patience: Duration,
    /// Root fields that are the same for every viewer without an account.
    pub public: &'static [&'static str],
    /// Format of a scalar by its name, for the message of a refused value.
    pub format_of: fn(&str) -> Option<&'static str>,
    /// Hook that attaches data to each request; see [`PerRequest`].
    pub per_request: PerRequest,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            documents: Documents::default(),
            budgets: None,
            introspection: true,
            patience: Duration::from_secs(5),
            mutation_patience: Duration::from_secs(30),
            public: &[],
            format_of: |_| None,
            per_request: Arc::new(|request, _| request),
        }
    }
}
