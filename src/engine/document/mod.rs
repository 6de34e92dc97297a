//! Lookup of the document of a request: the text it brings, a text that was sent before and is referenced by its hash
//! (Apollo's automatic persisted queries), or a document of the operator's trusted list, which excludes all others.
//! Not here: reading the list from its folder (`trusted`), and the limits of a document (`cost`).

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Request;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::response::GraphqlResponse;
use crate::access::{Lease, Peer};

pub mod trusted;

/// Capacity of the cache of texts by hash, in bytes; the least recently used text is evicted first.
pub const REMEMBERED: u64 = 16 * 1024 * 1024;

/// Size of a cache entry beyond its text, in bytes.
const ENTRY: usize = 256;

/// Request as a transport read it: a text, an id, or both, and its other parameters.
#[derive(Debug)]
pub struct Params {
    /// Text of the document; `None` when only its id was sent.
    pub text: Option<String>,
    /// Id of the document: its SHA-256 in lower case hex, or an id of the trusted list. Together with a text it is the
    /// hash of that text.
    pub id: Option<String>,
    /// Operation name, variables and extensions. The query of this request is empty.
    pub request: Request,
    /// Cursor that replaces the argument `after` of a subscription.
    pub after: Option<String>,
}

impl Params {
    /// Returns the parameters with the client's address.
    pub fn sent_from(self, peer: Option<Peer>) -> Self {
        match peer {
            Some(peer) => Self { request: self.request.data(peer), ..self },
            None => self,
        }
    }

    /// Returns the parameters with the lease of a connection, which allows its token to be renewed.
    pub fn under(self, lease: Lease) -> Self {
        Self { request: self.request.data(lease), ..self }
    }

    /// Returns the parameters with a cursor to resume after.
    pub fn after(self, cursor: Option<String>) -> Self {
        Self { after: cursor, ..self }
    }
}

/// Documents that are known by id; cheap to clone.
#[derive(Clone)]
pub struct Documents {
    trusted: Option<Arc<HashMap<String, String>>>,
    remembered: Cache<String, Arc<str>>,
}

/// Allows any document. A text is cached when its hash is sent along.
impl Default for Documents {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Documents {
    /// Allows only these documents, given as text by id.
    pub fn trusted(documents: HashMap<String, String>) -> Self {
        Self::of(Some(Arc::new(documents)))
    }

    fn of(trusted: Option<Arc<HashMap<String, String>>>) -> Self {
        let weight = |id: &String, text: &Arc<str>| u32::try_from(id.len() + text.len() + ENTRY).unwrap_or(u32::MAX);
        Self { trusted, remembered: Cache::builder().weigher(weight).max_capacity(REMEMBERED).build() }
    }

    /// Returns the text of the requested document.
    pub fn find(&self, text: Option<String>, id: Option<&str>) -> Result<String, GraphqlResponse> {
        let unknown = || GraphqlResponse::refused(Fault::PersistedQueryNotFound, "PersistedQueryNotFound");
        match (&self.trusted, text, id) {
            (None, Some(text), _) => Ok(text),
            (None, None, Some(id)) => self.remembered.get(id).map(|text| text.to_string()).ok_or_else(unknown),
            (Some(trusted), Some(text), _) if trusted.contains_key(&sha256(&text)) => Ok(text),
            (Some(_), Some(_), _) => {
                let message = "This service runs only the documents of its trusted list, and this one is not listed.";
                Err(GraphqlResponse::refused(Fault::Forbidden, message))
            }
            (Some(trusted), None, Some(id)) => trusted.get(id).cloned().ok_or_else(unknown),
            (_, None, None) => Err(GraphqlResponse::refused(Fault::BadUserInput, "The parameter query is missing.")),
        }
    }

    /// Caches a text that was sent with its hash and has passed every check.
    pub fn remember(&self, id: String, text: &str) {
        if self.trusted.is_none() && !self.remembered.contains_key(&id) {
            self.remembered.insert(id, text.into());
        }
    }

    /// Returns the size of the cache, in bytes.
    pub fn remembered(&self) -> u64 {
        self.remembered.run_pending_tasks(); // completes pending evictions
        self.remembered.weighted_size()
    }
}

/// Returns the SHA-256 of a document in lower case hex.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
