//! Record of an operation: one log line, whichever transport it came by. It holds names, codes, times and prices; no
//! variables, no text of the document except its operation's name, and no personal data.
//! Not here: the record of an internal error (`fault`), which has the same request id.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use tokio::time::Instant;

use super::RequestId;
use crate::clock::Sparse;
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

/// Characters of an operation's name that are logged.
const NAME: usize = 64;

/// Codes of an answer that are logged.
const CODES: usize = 3;

/// State of a record. It is logged on drop, so that an abandoned operation has a record too.
pub(super) struct Record {
    id: RequestId,
    name: Option<String>,
    pub kind: Option<OperationType>,
    pub cost: u64,
    began: Instant,
    outcome: &'static str,
    codes: Vec<&'static str>,
    messages: u64,
    refusals: Arc<Sparse>,
}

impl Record {
    /// Begins a record with the request. Refusals by rate pass through `refusals`, so that a flood of them does not
    /// flood the log.
    pub fn begin(id: RequestId, name: Option<&str>, refusals: Arc<Sparse>) -> Self {
        let name = name.map(shown);
        Self {
            id,
            name,
            kind: None,
            cost: 0,
            began: Instant::now(),
            outcome: "not run",
            codes: Vec::new(),
            messages: 0,
            refusals,
        }
    }

    /// Sets the name that the document gives to an operation if the request named none.
    pub fn named(&mut self, name: &str) {
        self.name.get_or_insert_with(|| shown(name));
    }

    /// Marks the start of the execution. Unless a reply follows, the operation was abandoned.
    pub fn runs(&mut self) {
        self.outcome = "given up";
    }

    /// Adds a reply to the record.
    pub fn answered(&mut self, reply: &GraphqlResponse) {
        self.messages += 1;
        self.outcome = match (reply.executed, reply.response.errors.is_empty()) {
            (true, true) => "done",
            (true, false) => "errors",
            (false, _) => "refused",
        };
        for error in &reply.response.errors {
            let code = Fault::of(error).unwrap_or(Fault::Internal).code();
            if self.codes.len() < CODES && !self.codes.contains(&code) {
                self.codes.push(code);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Self { id, name, kind, cost, began, outcome, codes, messages, refusals } = self;
        let (id, name, kind) = (id.0.as_str(), name.as_deref(), kind.map(|kind| kind.to_string()));
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if *outcome == "refused" && codes.first() == Some(&Fault::RateLimited.code()) {
            if let Some(left_out) = refusals.let_through() {
                tracing::warn!(
                    request_id = id,
                    operation = name,
                    kind,
                    cost,
                    left_out,
                    "refused by rate: bucket empty"
                );
            }
            return;
        }
        let code = (!codes.is_empty()).then(|| codes.join(","));
        tracing::info!(request_id = id, operation = name, kind, outcome, code, ms, cost, messages, "operation");
    }
}

/// Returns a name of bounded length, without characters that no name contains.
fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(NAME).collect()
}
