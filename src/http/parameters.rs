//! Reads a GraphQL request from a client: the parameters `query`, `documentId`, `operationName`, `variables` and
//! `extensions` from a JSON object or a query string, and the bearer token. Pure; HTTP and WebSocket share it.
//! Not here: the content of the document.

use async_graphql::{Request, Variables};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::engine::document::{Params, sha256};
use crate::engine::fault::{Fault, one_line};
use crate::engine::response::GraphqlResponse;

/// Byte order mark, which some editors and platforms write before a text, and which JSON does not allow.
const BOM: &str = "\u{feff}";

/// Returns JSON without a leading byte order mark.
pub(super) fn without_bom(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

fn bad(message: impl Into<String>) -> GraphqlResponse {
    GraphqlResponse::refused(Fault::BadUserInput, message)
}

/// Requests of a body.
#[derive(Debug)]
pub enum Asked {
    /// Single request outside of a batch.
    One(Box<Params>),
    /// Batch of requests, each readable or not on its own.
    Batch(Vec<Result<Params, GraphqlResponse>>),
}

/// Reads the requests in the bytes of a JSON body.
pub fn from_body(body: &[u8]) -> Result<Asked, GraphqlResponse> {
    let body: Value = serde_json::from_slice(body.strip_prefix(BOM.as_bytes()).unwrap_or(body))
        .map_err(|error| bad(one_line(&format!("The body is not JSON in UTF-8: {error}."))))?;
    match body {
        Value::Object(parameters) => from_object(parameters).map(|ask| Asked::One(Box::new(ask))),
        Value::Array(requests) => Ok(Asked::Batch(requests.into_iter().map(from_value).collect())),
        _ => Err(bad("The body must be a JSON object with a string in query.")),
    }
}

fn from_value(request: Value) -> Result<Params, GraphqlResponse> {
    match request {
        Value::Object(parameters) => from_object(parameters),
        _ => Err(bad("Each request of a batch must be a JSON object.")),
    }
}

/// Reads a request from its parameters as JSON. Unknown parameters are ignored, as the specification requires.
pub fn from_object(mut parameters: Map<String, Value>) -> Result<Params, GraphqlResponse> {
    let extensions = match parameters.remove("extensions") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(extensions)) => extensions,
        Some(_) => return Err(bad("The parameter extensions must be an object.")),
    };
    let text = string(&mut parameters, "query")?;
    let id = match (string(&mut parameters, "documentId")?, hash(&extensions)?) {
        (Some(_), Some(_)) => return Err(bad("A document has one id: send documentId or persistedQuery, not both.")),
        (Some(_), None) if text.is_some() => return Err(bad("Send the parameter query or documentId, not both.")),
        (Some(id), None) => Some(id.strip_prefix("sha256:").map_or(id.clone(), str::to_ascii_lowercase)),
        (None, hash) => hash,
    };
    match (&text, &id) {
        (None, None) => return Err(bad("The parameter query is missing.")),
        (Some(text), Some(id)) if sha256(text) != *id => return Err(bad("The hash does not match the query.")),
        _ => {}
    }
    let mut request = Request::new("");
    request.operation_name = string(&mut parameters, "operationName")?;
    request.variables = match parameters.remove("variables") {
        None | Some(Value::Null) => Variables::default(),
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(_) => return Err(bad("The parameter variables must be an object.")),
    };
    for (name, value) in extensions {
        let value =
            async_graphql::Value::from_json(value).map_err(|_| bad("The parameter extensions is not valid."))?;
        request.extensions.insert(name, value);
    }
    Ok(Params { text, id, request, after: None })
}

fn string(parameters: &mut Map<String, Value>, name: &str) -> Result<Option<String>, GraphqlResponse> {
    match parameters.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("The parameter {name} must be a string."))),
    }
}

/// Reads the hash in `extensions.persistedQuery`, as Apollo's clients send it.
fn hash(extensions: &Map<String, Value>) -> Result<Option<String>, GraphqlResponse> {
    let Some(persisted) = extensions.get("persistedQuery").filter(|value| !value.is_null()) else { return Ok(None) };
    match (&persisted["version"], &persisted["sha256Hash"]) {
        (Value::Number(version), Value::String(hash)) if version.as_u64() == Some(1) => {
            Ok(Some(hash.to_ascii_lowercase()))
        }
        _ => Err(bad("The extension persistedQuery needs version 1 and a string in sha256Hash.")),
    }
}

/// Reads a request from the decoded pairs of a query string, where `variables` and `extensions` are JSON. An empty
/// parameter counts as missing, and a repeated one is refused as ambiguous.
pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Params, GraphqlResponse> {
    let mut parameters = Map::new();
    for (name, text) in pairs.into_iter().filter(|(_, text)| !text.is_empty()) {
        let value = match name.as_str() {
            "query" | "documentId" | "operationName" => Value::String(text),
            "variables" | "extensions" => serde_json::from_str(without_bom(&text))
                .map_err(|_| bad(format!("The parameter {name} is not JSON.")))?,
            _ => continue,
        };
        if parameters.insert(name, value).is_some() {
            return Err(bad("A parameter is given twice."));
        }
    }
    from_object(parameters)
}

/// Credential in an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// No header, or an empty one.
    None,
    /// Bearer token, which is not verified yet.
    Bearer(String),
    /// Header in any other form.
    Broken,
}

impl Credential {
    /// Reads the credential from the headers of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => value.to_str().map_or(Self::Broken, Self::parse),
            (Some(_), Some(_)) => Self::Broken,
        }
    }

    /// Reads `Bearer …`, with the scheme in any case. An empty text counts as none, because clients send it for a
    /// viewer without a token.
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::None;
        }
        match text.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                Self::Bearer(token.trim().to_owned())
            }
            _ => Self::Broken,
        }
    }
}
