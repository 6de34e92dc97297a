//! Turns a response of async-graphql into the reply of an operation: its shape, its errors, and whether anything was
//! executed.
//! Not here: the execution itself (`execute`).

use std::any::Any;

use async_graphql::{Response, ServerError, Value};

use super::RequestId;
use super::shape::Shape;
use super::variables::{self, VariablePositions};
use crate::engine::fault::{self, Stage};
use crate::engine::response::GraphqlResponse;

/// One execution: its id, the shape of its answer, and the arguments that take their value from variables.
pub(super) struct Call {
    pub id: RequestId,
    pub shape: Shape,
    pub filled: VariablePositions,
    /// Format of a scalar by its name; see [`super::Settings::format_of`].
    pub format_of: fn(&str) -> Option<&'static str>,
}

impl Call {
    pub fn finish(&self, mut response: Response) -> GraphqlResponse {
        let stage = stage(&response);
        match stage {
            Stage::Executed => self.shape.complete(&mut response),
            Stage::Refused => self.name_causes(&mut response),
        }
        GraphqlResponse {
            response: Box::new(fault::finish(response, stage, &self.id.0)),
            executed: stage == Stage::Executed,
        }
    }

    /// Adds to the errors of validation the expected format, and marks errors that a variable's value caused.
    fn name_causes(&self, response: &mut Response) {
        variables::name_formats(response, self.format_of);
        self.filled.blame(response);
    }

    /// Returns the errors of a subscription that gave no stream.
    pub fn refused(&self, mut response: Response) -> GraphqlResponse {
        let stage = stage(&response);
        if stage == Stage::Refused {
            self.name_causes(&mut response);
        }
        GraphqlResponse { response: Box::new(fault::finish(response, stage, &self.id.0)), executed: false }
    }

    /// Masks a panic like any other internal error.
    pub fn panicked(&self, panic: &(dyn Any + Send)) -> GraphqlResponse {
        let text = format!("panic: {}", fault::panic_text(panic));
        let response = Response::from_errors(vec![ServerError::new(text, None)]);
        GraphqlResponse { response: Box::new(fault::finish(response, Stage::Executed, &self.id.0)), executed: false }
    }
}

/// Returns the stage a response comes from. async-graphql does not report it, but its resolvers leave traces: data, the
/// path of the field that failed, or the error it failed with. Validation leaves no such trace.
fn stage(response: &Response) -> Stage {
    let left_traces = |error: &ServerError| !error.path.is_empty() || error.source.is_some();
    let is_refused =
        response.data == Value::Null && !response.errors.is_empty() && !response.errors.iter().any(left_traces);
    if is_refused { Stage::Refused } else { Stage::Executed }
}
