//! Settings of the engine, and what it attaches to each request.
//! Not here: where they are set (`app`, `cli`).

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Request;

use crate::access::Actor;
use crate::engine::budget::Budgets;
use crate::engine::cost::Limits;
use crate::engine::document::Documents;

/// Attaches what lives as long as one request, such as DataLoaders. Actor, [`OperationType`] and
/// [`RequestId`] are there already.
pub type PerRequest = Arc<dyn Fn(Request, &Actor) -> Request + Send + Sync>;

/// The name of a request in records and in `INTERNAL` errors; in the request's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// What the engine is told once, at the start.
#[derive(Clone)]
pub struct Settings {
    /// What a document may ask for.
    pub limits: Limits,
    /// Which documents are known by name, and whether others run.
    pub documents: Documents,
    /// Who may still ask how much; none: everybody as much as they like.
    pub budgets: Option<Budgets>,
    /// Whether the schema may be asked for.
    pub introspection: bool,
    /// How long a query may take; 5 s.
    pub patience: Duration,
    /// How long the answer of a mutation is waited for, which goes on afterwards; 30 s. Longer than a query, because a
    /// connection that dies while it commits is asked about on another one, and that answer is worth the wait.
    pub mutation_patience: Duration,
    /// Root fields that show every viewer without an account the same.
    pub public: &'static [&'static str],
    /// Format of a scalar by its name, for the message of a refused value.
    pub format_of: fn(&str) -> Option<&'static str>,
    /// See [`PerRequest`].
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
