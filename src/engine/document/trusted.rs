//! Reads the trusted list from its folder: `*.graphql` files, each known by the SHA-256 of its text, and manifests
//! (`*.json`) that give ids to their documents: Apollo's `persisted-query-manifest.json`, or a map of id to text as the
//! client preset of GraphQL Code Generator writes it. The folder is read once, at the start, and a document that does
//! not fit the schema is refused then.
//! Not here: the use of the list for a request (`super`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::DocumentOperations;
use async_graphql::{Executor, Request, Response, ServerError, async_trait};
use serde_json::Value;

use super::sha256;
use crate::engine::cost::{self, Limits};
use crate::engine::fault;

/// Reason why a folder is not a trusted list.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// A file or the folder cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// File or folder that cannot be read.
        path: PathBuf,
        /// Cause of the failure.
        error: std::io::Error,
    },
    /// The folder contains no documents, and with an empty list no request would run.
    #[error("there are no documents in {}", .0.display())]
    Empty(PathBuf),
    /// A document does not fit the schema, or a file is not a document.
    #[error("{}{}, line {line}: {message}", path.display(), id.as_ref().map(|id| format!(", document {id}")).unwrap_or_default())]
    Invalid {
        /// File of the document.
        path: PathBuf,
        /// Id of the document in a manifest.
        id: Option<String>,
        /// Line in the text of the document.
        line: usize,
        /// Description of the error.
        message: String,
    },
}

/// Returns all documents of a folder as text by id. `validator` is a schema with the extension [`OnlyValidate`].
pub async fn read(
    folder: &Path,
    limits: &Limits,
    validator: &impl Executor,
) -> Result<HashMap<String, String>, Untrusted> {
    let unreadable = |path: &Path, error| Untrusted::Unreadable { path: path.to_owned(), error };
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| unreadable(folder, error))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort(); // so that the first error is the same each time
    let mut documents = HashMap::new();
    for path in paths {
        let is = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        if !is("graphql") && !is("json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        let named = match is("json") {
            true => manifest(&path, &text)?,
            false => vec![(None, text)],
        };
        for (id, text) in named {
            if let Err((line, message)) = check(validator, limits, &text).await {
                return Err(Untrusted::Invalid { path, id, line, message });
            }
            // Clients print a document without the line end that editors write after it.
            let trimmed = text.trim_end();
            documents.extend([(sha256(trimmed), trimmed.to_owned()), (sha256(&text), text.clone())]);
            documents.extend(id.map(|id| (id, text)));
        }
    }
    if documents.is_empty() { Err(Untrusted::Empty(folder.to_owned())) } else { Ok(documents) }
}

/// Returns the documents of a manifest, each with its own id.
fn manifest(path: &Path, text: &str) -> Result<Vec<(Option<String>, String)>, Untrusted> {
    let invalid = |line: usize, message: &str| {
        let message = message.to_owned();
        Untrusted::Invalid { path: path.to_owned(), id: None, line, message }
    };
    let value: Value = serde_json::from_str(text).map_err(|error| invalid(error.line(), "not JSON"))?;
    let not_understood = || invalid(1, "neither a persisted query manifest nor a map of id to document");
    let Value::Object(map) = value else { return Err(not_understood()) };
    let pair = |id: &Value, text: &Value| Some((Some(id.as_str()?.to_owned()), text.as_str()?.to_owned()));
    let named: Option<Vec<_>> = match map.get("operations") {
        Some(Value::Array(operations)) => operations.iter().map(|one| pair(&one["id"], &one["body"])).collect(),
        _ => map.iter().map(|(id, text)| Some((Some(id.clone()), text.as_str()?.to_owned()))).collect(),
    };
    named.ok_or_else(not_understood)
}

/// Checks a document. The error is its line and a description.
async fn check(validator: &impl Executor, limits: &Limits, text: &str) -> Result<(), (usize, String)> {
    limits.check_text(text).map_err(|refusal| (1, refusal.message))?;
    let wrong = |error: ServerError| {
        let line = error.locations.first().map_or(1, |at| at.line);
        (line, fault::one_line(&error.message))
    };
    let plain = cost::without_long_escapes(text)
        .map_err(|escape| (1, format!("the escape {} names no character", escape.0)))?;
    let document = parse_query(plain.as_ref()).map_err(|error| wrong(fault::parse_failed(error.into())))?;
    let name = match &document.operations {
        DocumentOperations::Single(_) => None,
        // Validation covers the whole document, whichever operation is chosen.
        DocumentOperations::Multiple(all) => all.keys().next().map(|name| name.to_string()),
    };
    let mut request = Request::new(text);
    request.operation_name = name;
    request.set_parsed_query(document);
    match validator.execute(request).await.errors.into_iter().next() {
        Some(error) => Err(wrong(error)),
        None => Ok(()),
    }
}

/// Extension of a schema that validates documents and executes none.
pub struct OnlyValidate;

impl ExtensionFactory for OnlyValidate {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for OnlyValidate {
    async fn execute(&self, _: &ExtensionContext<'_>, _: Option<&str>, _: NextExecute<'_>) -> Response {
        Response::default()
    }
}
