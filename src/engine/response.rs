//! Answer to an operation as every transport sends it.
//! Not here: its execution (`execute`), and its HTTP status (`http::answer`).

use async_graphql::{Response, ServerError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::engine::cost::Refusal;
use crate::engine::fault::Fault;

/// Response, and whether anything was executed. A response without execution has no `data` and is a request error.
#[derive(Debug)]
pub struct GraphqlResponse {
    /// Response in which each error carries a code of the closed list.
    pub response: Box<Response>,
    /// True if fields were resolved.
    pub executed: bool,
}

impl GraphqlResponse {
    /// Returns a request error.
    pub fn refused(fault: Fault, message: impl Into<String>) -> Self {
        fault.server_error(message).into()
    }

    /// Returns true if everything requested is present.
    pub fn is_whole(&self) -> bool {
        self.executed && self.response.errors.is_empty()
    }

    /// Returns the fault of the first error, if there is an error.
    pub fn fault(&self) -> Option<Fault> {
        self.response.errors.first().map(|error| Fault::of(error).unwrap_or(Fault::Internal))
    }
}

impl From<ServerError> for GraphqlResponse {
    fn from(error: ServerError) -> Self {
        Self { response: Box::new(Response::from_errors(vec![error])), executed: false }
    }
}

impl From<Refusal> for GraphqlResponse {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal.fault, refusal.message)
    }
}

/// Order of the specification: errors first, and `data` only if something was executed.
impl Serialize for GraphqlResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.response.errors.is_empty() {
            map.serialize_entry("errors", &self.response.errors)?;
        }
        if self.executed {
            map.serialize_entry("data", &self.response.data)?;
        }
        if !self.response.extensions.is_empty() {
            map.serialize_entry("extensions", &self.response.extensions)?;
        }
        map.end()
    }
}
