//! From what a client sent to a GraphQL request: the parameters `query`, `operationName`, `variables` and `extensions`
//! out of a JSON object or a query string, and the bearer token. Pure; HTTP and the socket read them alike.
//! Not here: anything that looks into the document.

use async_graphql::{Request, Variables};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::graphql::execute::Reply;
use crate::graphql::fault::{Fault, one_line};

fn bad(message: impl Into<String>) -> Reply {
    Reply::refused(Fault::BadUserInput, message)
}

/// A request from the bytes of a JSON body.
pub fn from_body(body: &[u8]) -> Result<Request, Reply> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| bad(one_line(&format!("The body is not JSON in UTF-8: {error}."))))?;
    match body {
        Value::Object(parameters) => from_object(parameters),
        Value::Array(_) => Err(bad("Batches are not taken: send one request at a time, as a JSON object.")),
        _ => Err(bad("The body must be a JSON object with a string in query.")),
    }
}

/// A request from the parameters as JSON. Parameters that nobody knows are left alone, as the specification wants.
pub fn from_object(mut parameters: Map<String, Value>) -> Result<Request, Reply> {
    let extensions = match parameters.remove("extensions") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(extensions)) => extensions,
        Some(_) => return Err(bad("The parameter extensions must be an object.")),
    };
    let query = match parameters.remove("query") {
        Some(Value::String(query)) => query,
        None | Some(Value::Null) if extensions.contains_key("persistedQuery") => {
            // Nobody keeps documents here yet; this answer makes Apollo's clients send theirs.
            return Err(Reply::refused(Fault::PersistedQueryNotFound, "PersistedQueryNotFound"));
        }
        None | Some(Value::Null) => return Err(bad("The parameter query is missing.")),
        Some(_) => return Err(bad("The parameter query must be a string.")),
    };
    let mut request = Request::new(query);
    request.operation_name = match parameters.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(bad("The parameter operationName must be a string.")),
    };
    request.variables = match parameters.remove("variables") {
        None | Some(Value::Null) => Variables::default(),
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(_) => return Err(bad("The parameter variables must be an object.")),
    };
    for (name, value) in extensions {
        let value =
            async_graphql::Value::from_json(value).map_err(|_| bad("The parameter extensions is not usable."))?;
        request.extensions.insert(name, value);
    }
    Ok(request)
}

/// A request from the decoded pairs of a query string; `variables` and `extensions` are JSON there. An empty parameter
/// is a missing one, and one that comes twice could mean two things.
pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Request, Reply> {
    let mut parameters = Map::new();
    for (name, text) in pairs.into_iter().filter(|(_, text)| !text.is_empty()) {
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(text),
            "variables" | "extensions" => {
                serde_json::from_str(&text).map_err(|_| bad(format!("The parameter {name} is not JSON.")))?
            }
            _ => continue,
        };
        if parameters.insert(name, value).is_some() {
            return Err(bad("A parameter is given twice."));
        }
    }
    from_object(parameters)
}

/// The token of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// No header.
    None,
    /// A bearer token; whether it is good is not known here.
    Bearer(String),
    /// Something else.
    Broken,
}

impl Credential {
    /// What the headers of a request say.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => value.to_str().map_or(Self::Broken, Self::parse),
            (Some(_), Some(_)) => Self::Broken,
        }
    }

    /// Reads `Bearer …`; the scheme in any case.
    pub fn parse(text: &str) -> Self {
        match text.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                Self::Bearer(token.trim().to_owned())
            }
            _ => Self::Broken,
        }
    }
}
