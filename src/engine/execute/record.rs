//! The record of an operation: one line of the log, over whichever transport it came. Names, codes, times and prices; no
//! variables, no words of the document but its operation's name, nothing about a person.
//! Not here: the record of what failed inside (`fault`), which has the same request id.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use tokio::time::Instant;

use super::{GraphqlResponse, RequestId};
use crate::clock::Sparse;
use crate::engine::fault::Fault;

/// How much of an operation's name is shown.
const NAME: usize = 64;

/// So many codes of an answer are shown.
const CODES: usize = 3;

/// What is known of an operation so far. Written when it is dropped: an operation that is given up has a record too.
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
    /// Begins with what was sent. Refusals by rate go through `refusals`, so that a flood does not flood the log.
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

    /// The name that the document gives an operation that was asked for without one.
    pub fn named(&mut self, name: &str) {
        self.name.get_or_insert_with(|| shown(name));
    }

    /// Its execution begins; unless a reply comes, it was given up.
    pub fn runs(&mut self) {
        self.outcome = "given up";
    }

    /// What it was answered.
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

/// A name without what no name has, and bounded.
fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(NAME).collect()
}
