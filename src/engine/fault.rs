//! Closed list of faults: the errors that a client may see when an answer fails, and the masking of all others.
//! Not here: expected refusals (they are data of a payload), and the status of a fault in each transport.

use std::any::Any;
use std::time::Duration;

use async_graphql::{Error, ErrorExtensionValues, Response, ServerError, Value};

/// Errors of one response that are listed; further ones help no client.
const LISTED: usize = 10;

/// Characters of a message about the document, which may quote the client's own words.
const MESSAGE: usize = 200;

/// Errors of a request as a whole or of one of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema.
    GraphqlValidationFailed,
    /// A parameter, variable or argument is not acceptable.
    BadUserInput,
    /// The request needs a signed-in user, or its token is no longer valid.
    Unauthenticated,
    /// The viewer's role does not allow this.
    Forbidden,
    /// The object does not exist, or is not visible to this viewer.
    NotFound,
    /// Another request was faster, or the key was used for another request.
    Conflict,
    /// Too many requests from this viewer.
    RateLimited,
    /// The service has no capacity right now; the same request may work later.
    Overloaded,
    /// The request exceeds the limits of one request.
    TooCostly,
    /// Only the hash of a document was sent, and the service does not know it.
    PersistedQueryNotFound,
    /// The service failed; the request id identifies the record of it.
    Internal,
}

impl Fault {
    /// All faults of the list.
    pub const ALL: [Self; 12] = [
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::BadUserInput,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimited,
        Self::Overloaded,
        Self::TooCostly,
        Self::PersistedQueryNotFound,
        Self::Internal,
    ];

    /// Returns the value of `extensions.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::TooCostly => "TOO_COSTLY",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::Internal => "INTERNAL",
        }
    }

    /// Returns the HTTP status of a request that failed as a whole with this fault.
    pub fn http_status(self) -> u16 {
        match self {
            Self::GraphqlParseFailed
            | Self::GraphqlValidationFailed
            | Self::BadUserInput
            | Self::TooCostly
            | Self::PersistedQueryNotFound => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RateLimited => 429,
            Self::Overloaded => 503,
            Self::Internal => 500,
        }
    }

    /// Returns the fault of a code, if the code is on the list.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }

    /// Returns the fault that an error carries, if any.
    pub fn of(error: &ServerError) -> Option<Self> {
        match error.extensions.as_ref()?.get("code")? {
            Value::String(code) => Self::from_code(code),
            _ => None,
        }
    }

    /// Returns an error for a resolver. The text of [`Fault::Internal`] goes to the log, not to the client.
    pub fn error(self, message: impl Into<String>) -> Error {
        Error { message: message.into(), source: None, extensions: Some(self.extensions()) }
    }

    /// Returns an error for a temporary fault, which tells the client when to try again.
    pub fn retry_after(self, message: impl Into<String>, wait: Duration) -> Error {
        Error { message: message.into(), source: None, extensions: Some(self.extensions_after(wait)) }
    }

    /// Returns an error of a request as a whole.
    pub fn server_error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        error.extensions = Some(self.extensions());
        error
    }

    /// Returns an error of a request as a whole for a temporary fault.
    pub fn server_error_after(self, message: impl Into<String>, wait: Duration) -> ServerError {
        let mut error = ServerError::new(message, None);
        error.extensions = Some(self.extensions_after(wait));
        error
    }

    fn extensions_after(self, wait: Duration) -> ErrorExtensionValues {
        let mut extensions = self.extensions();
        // GraphQL's Int has 32 bits.
        extensions.set("retryAfterMs", i32::try_from(wait.as_millis()).unwrap_or(i32::MAX));
        extensions
    }

    fn extensions(self) -> ErrorExtensionValues {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.code());
        extensions
    }
}

/// Stage that a request reached, which decides the meaning of an error without a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The request was refused by validation.
    Refused,
    /// Fields were resolved.
    Executed,
}

/// Gives every error of a response a code of the closed list, masks internal errors, and lists ten at most.
///
/// One record is written for all masked errors, with the text of the first; variables are in no record.
pub fn finish(mut response: Response, stage: Stage, request_id: &str) -> Response {
    let mut masked: Option<(String, usize)> = None;
    for error in &mut response.errors {
        match (Fault::of(error), stage) {
            (Some(Fault::Internal), _) => mask(error, request_id, &mut masked),
            (Some(_), _) => {}
            (None, Stage::Refused) => assign(error, Fault::GraphqlValidationFailed),
            (None, Stage::Executed) if is_about_input(error) => assign(error, Fault::BadUserInput),
            (None, Stage::Executed) => mask(error, request_id, &mut masked),
        }
    }
    if let Some((text, count)) = masked {
        tracing::error!(request_id, error = text, count, "a request failed with an internal error");
    }
    response.errors.truncate(LISTED);
    response
}

/// Returns true if async-graphql refused a value while it read arguments: the check of a scalar runs only then, and so
/// does the range check of Int. async-graphql marks such errors only by these words.
fn is_about_input(error: &ServerError) -> bool {
    ["Failed to parse \"", "Expected input type \""].iter().any(|start| error.message.starts_with(start))
}

fn assign(error: &mut ServerError, fault: Fault) {
    error.message = one_line(&error.message);
    error.extensions = Some(fault.extensions());
}

fn mask(error: &mut ServerError, request_id: &str, masked: &mut Option<(String, usize)>) {
    let path: Vec<String> = error.path.iter().map(segment).collect();
    let text = format!("{} (at {})", error.message, if path.is_empty() { "/".to_owned() } else { path.join(".") });
    masked.get_or_insert((text, 0)).1 += 1;
    let (message, extensions) = masked_as(request_id);
    error.message = message;
    error.source = None;
    error.extensions = Some(extensions);
}

fn masked_as(request_id: &str) -> (String, ErrorExtensionValues) {
    let mut extensions = Fault::Internal.extensions();
    extensions.set("requestId", request_id);
    ("Something went wrong on our side. The request id identifies it in our records.".to_owned(), extensions)
}

/// Returns the masked error of a failure outside of any execution; its record has the same request id.
pub fn masked(request_id: &str) -> ServerError {
    let (message, extensions) = masked_as(request_id);
    let mut error = ServerError::new(message, None);
    error.extensions = Some(extensions);
    error
}

fn segment(segment: &async_graphql::PathSegment) -> String {
    match segment {
        async_graphql::PathSegment::Field(name) => name.clone(),
        async_graphql::PathSegment::Index(index) => index.to_string(),
    }
}

/// Returns the fault of a document that the parser refused: one line with the position, without the parser's drawing.
pub fn parse_failed(error: ServerError) -> ServerError {
    // The parser draws the offending line; the expected token follows the last `=`.
    let reason = match error.message.rsplit_once("\n") {
        Some((_, last)) => last.trim().trim_start_matches('=').trim(),
        None => error.message.as_str(),
    };
    let message = match error.locations.first() {
        Some(at) => format!("Syntax error at line {}, column {}: {reason}", at.line, at.column),
        None => format!("Syntax error: {reason}"),
    };
    let mut failed = Fault::GraphqlParseFailed.server_error(one_line(&message));
    failed.locations = error.locations;
    failed
}

/// Returns the text of a panic, for the log.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// Returns a text on one line of at most 200 characters, with control characters replaced by spaces.
pub fn one_line(text: &str) -> String {
    let mut line: String = text.chars().take(MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MESSAGE).is_some() {
        line.pop();
        line.push('…');
    }
    line
}
