//! Which document a request means: the text it brings, one that was sent before and is asked for by its hash (Apollo's
//! automatic persisted queries), or one of a list that an operator trusts, beside which nothing runs.
//! Not here: reading the list from its folder (`trusted`), and what a document may ask for (`execute`).

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Request;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::execute::GraphqlResponse;
use super::fault::Fault;
use crate::access::{Lease, Peer};

pub mod trusted;

/// How much text is remembered by its hash, in bytes; what was not asked for longest is forgotten.
pub const REMEMBERED: u64 = 16 * 1024 * 1024;

/// What an entry costs beside its text, in bytes.
const ENTRY: usize = 256;

/// A request as a transport read it: a text, an id, or both, and everything else.
#[derive(Debug)]
pub struct Params {
    /// The document; none: only its id came.
    pub text: Option<String>,
    /// What the document is called: its SHA-256 in lower case hex, or an id of the trusted list. Beside a text: its hash.
    pub id: Option<String>,
    /// Operation name, variables, extensions. Its query is empty.
    pub request: Request,
    /// A cursor that stands in for the argument `after` of a subscription.
    pub after: Option<String>,
}

impl Params {
    /// The same, sent from there.
    pub fn sent_from(self, peer: Option<Peer>) -> Self {
        match peer {
            Some(peer) => Self { request: self.request.data(peer), ..self },
            None => self,
        }
    }

    /// The same on a connection whose token may be renewed.
    pub fn under(self, lease: Lease) -> Self {
        Self { request: self.request.data(lease), ..self }
    }

    /// The same going on behind a cursor.
    pub fn after(self, cursor: Option<String>) -> Self {
        Self { after: cursor, ..self }
    }
}

/// The documents that are known by name; cheap to clone.
#[derive(Clone)]
pub struct Documents {
    trusted: Option<Arc<HashMap<String, String>>>,
    remembered: Cache<String, Arc<str>>,
}

/// Any document may be sent, and is remembered when its hash comes along.
impl Default for Documents {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Documents {
    /// Only these, text by id.
    pub fn trusted(documents: HashMap<String, String>) -> Self {
        Self::of(Some(Arc::new(documents)))
    }

    fn of(trusted: Option<Arc<HashMap<String, String>>>) -> Self {
        let weight = |id: &String, text: &Arc<str>| u32::try_from(id.len() + text.len() + ENTRY).unwrap_or(u32::MAX);
        Self { trusted, remembered: Cache::builder().weigher(weight).max_capacity(REMEMBERED).build() }
    }

    /// The text of the document that is meant.
    pub fn find(&self, text: Option<String>, id: Option<&str>) -> Result<String, GraphqlResponse> {
        let unknown = || GraphqlResponse::refused(Fault::PersistedQueryNotFound, "PersistedQueryNotFound");
        match (&self.trusted, text, id) {
            (None, Some(text), _) => Ok(text),
            (None, None, Some(id)) => self.remembered.get(id).map(|text| text.to_string()).ok_or_else(unknown),
            (Some(trusted), Some(text), _) if trusted.contains_key(&sha256(&text)) => Ok(text),
            (Some(_), Some(_), _) => {
                let message = "This service runs the documents of its trusted list only, and this is none of them.";
                Err(GraphqlResponse::refused(Fault::Forbidden, message))
            }
            (Some(trusted), None, Some(id)) => trusted.get(id).cloned().ok_or_else(unknown),
            (_, None, None) => Err(GraphqlResponse::refused(Fault::BadUserInput, "The parameter query is missing.")),
        }
    }

    /// Keeps a text that came with its hash and has passed every check.
    pub fn remember(&self, id: String, text: &str) {
        if self.trusted.is_none() && !self.remembered.contains_key(&id) {
            self.remembered.insert(id, text.into());
        }
    }

    /// How much is remembered, in bytes.
    pub fn remembered(&self) -> u64 {
        self.remembered.run_pending_tasks(); // what is to be forgotten is forgotten by now
        self.remembered.weighted_size()
    }
}

/// The hash of a document in lower case hex.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
