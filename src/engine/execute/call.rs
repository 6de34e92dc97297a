//! From a response of the engine to the reply of an operation: its shape, its errors, and whether anything was executed.
//! Not here: what is executed (`execute`).

use std::any::Any;

use async_graphql::{Response, ServerError, Value};

use super::shape::Shape;
use super::variables::{self, VariablePositions};
use super::{GraphqlResponse, RequestId};
use crate::engine::fault::{self, Stage};

/// One execution: its name, the shape of what comes out, and what is the variables' fault.
pub(super) struct Call {
    pub id: RequestId,
    pub shape: Shape,
    pub filled: VariablePositions,
    /// See [`super::Settings::format_of`].
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

    /// Makes the errors of validation say what a client needs: the format that was expected, and whose fault it is.
    fn name_causes(&self, response: &mut Response) {
        variables::name_formats(response, self.format_of);
        self.filled.blame(response);
    }

    /// The errors of fields that gave no stream.
    pub fn refused(&self, mut response: Response) -> GraphqlResponse {
        let stage = stage(&response);
        if stage == Stage::Refused {
            self.name_causes(&mut response);
        }
        GraphqlResponse { response: Box::new(fault::finish(response, stage, &self.id.0)), executed: false }
    }

    /// The text of a panic goes through the same mask as any other internal error.
    pub fn panicked(&self, panic: &(dyn Any + Send)) -> GraphqlResponse {
        let text = format!("panic: {}", fault::panic_text(panic));
        let response = Response::from_errors(vec![ServerError::new(text, None)]);
        GraphqlResponse { response: Box::new(fault::finish(response, Stage::Executed, &self.id.0)), executed: false }
    }
}

/// Whether a response comes from execution. The engine does not say, but its resolvers leave traces: data, the path of
/// the field that failed, or the error it failed with. Validation leaves none of them.
fn stage(response: &Response) -> Stage {
    let left_traces = |error: &ServerError| !error.path.is_empty() || error.source.is_some();
    let is_refused =
        response.data == Value::Null && !response.errors.is_empty() && !response.errors.iter().any(left_traces);
    if is_refused { Stage::Refused } else { Stage::Executed }
}
