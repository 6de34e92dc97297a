//! The closed list of faults: what a client may be told when an answer fails, and the masking of everything else.
//! Not here: expected refusals (they are data of a payload), and which transport shows which status when.

use std::any::Any;
use std::time::Duration;

use async_graphql::{Error, ErrorExtensionValues, Response, ServerError, Value};

/// How many errors of one response are listed; a client that has seen ten has seen enough.
const LISTED: usize = 10;

/// How long a message about the document may be; it may quote the client's own words.
const MESSAGE: usize = 200;

/// Everything that can be wrong with a request as a whole or with a field of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The document is no GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema.
    GraphqlValidationFailed,
    /// A parameter, variable or argument cannot be taken as it is.
    BadUserInput,
    /// Nobody is signed in, or the token is no longer good.
    Unauthenticated,
    /// The role may not.
    Forbidden,
    /// There is no such thing, or not for this viewer.
    NotFound,
    /// Somebody else was faster, or the key was used for something else.
    Conflict,
    /// Too many requests from this viewer.
    RateLimited,
    /// The service has no room right now; the same request may work later.
    Overloaded,
    /// The request asks for more than one request may.
    TooCostly,
    /// Only the hash of a document came, and nobody knows it here.
    PersistedQueryNotFound,
    /// The service failed; the request id finds the record of it.
    Internal,
}

impl Fault {
    /// Every fault.
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

    /// The word in `extensions.code`.
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

    /// The HTTP status of a request that failed as a whole with this fault.
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

    /// The fault of a code, if it is one of ours.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }

    /// The fault an error carries, if any.
    pub fn of(error: &ServerError) -> Option<Self> {
        match error.extensions.as_ref()?.get("code")? {
            Value::String(code) => Self::from_code(code),
            _ => None,
        }
    }

    /// An error for a resolver to return. The text of [`Fault::Internal`] goes to the log, not to the client.
    pub fn error(self, message: impl Into<String>) -> Error {
        Error { message: message.into(), source: None, extensions: Some(self.extensions()) }
    }

    /// The same for a fault that passes: the client is told when to try again.
    pub fn retry_after(self, message: impl Into<String>, wait: Duration) -> Error {
        Error { message: message.into(), source: None, extensions: Some(self.extensions_after(wait)) }
    }

    /// An error about a request as a whole.
    pub fn server_error(self, message: impl Into<String>) -> ServerError {
        let mut error = ServerError::new(message, None);
        error.extensions = Some(self.extensions());
        error
    }

    /// The same for a fault that passes.
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

/// How far a request came; what an error without a code means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Refused by validation.
    Refused,
    /// Fields were resolved.
    Executed,
}

/// Makes every error of a response one of the closed list, masks what is nobody's business and lists ten at most.
///
/// One record is written for all that is masked, with the text of the first; variables are in none of them.
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
        tracing::error!(request_id, error = text, count, "a request failed inside");
    }
    response.errors.truncate(LISTED);
    response
}

/// Whether the engine refused a value while it read arguments: a scalar's own check runs only then, and so does the
/// range of Int. The engine marks such errors by these words alone.
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
    ("Something went wrong on our side. The request id finds it in our records.".to_owned(), extensions)
}

/// What is told of a failure outside of any execution; its record has the same request id.
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

/// The fault of a document the parser refused: one line that says where, without drawing the document.
pub fn parse_failed(error: ServerError) -> ServerError {
    // The parser draws the offending line; what it expected stands behind the last `=`.
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

/// What a panic said, for the log.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// A text on one line, control characters blanked, at most 200 characters.
pub fn one_line(text: &str) -> String {
    let mut line: String = text.chars().take(MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MESSAGE).is_some() {
        line.pop();
        line.push('…');
    }
    line
}
