//! The answer to an operation as every transport sends it.
//! Not here: how it comes about (`execute`), and the status it has over HTTP (`http::answer`).

use async_graphql::{Response, ServerError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::engine::cost::Refusal;
use crate::engine::fault::Fault;

/// A response, and whether anything was executed: without that it has no `data` and is a request error.
#[derive(Debug)]
pub struct GraphqlResponse {
    /// The response; each of its errors carries a code of the closed list.
    pub response: Box<Response>,
    /// Whether fields were resolved.
    pub executed: bool,
}

impl GraphqlResponse {
    /// A request error.
    pub fn refused(fault: Fault, message: impl Into<String>) -> Self {
        fault.server_error(message).into()
    }

    /// Whether everything that was asked for is there.
    pub fn is_whole(&self) -> bool {
        self.executed && self.response.errors.is_empty()
    }

    /// The fault of the first error, if there is an error.
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

/// As the specification orders it: errors first, `data` only where something was executed.
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
