//! Handlers of jobs that run in chunks: each chunk is a transaction of its own, fenced by the lease, and any process
//! can continue.
//! Not here: the work of a chunk (`promote`, `close`).

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::ctx::Ctx;
use crate::db::DbError;
use crate::queue::claim::{Job, Token};
use crate::queue::worker::{Handled, Handler, Outcome};

/// A job held under a lease.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Id of the job.
    pub id: i64,
    /// Fencing token of the lease.
    pub token: Token,
}

/// Returns a handler that runs `chunk` with a job's arguments until it returns false or `stop` is cancelled.
pub fn handler<A, F>(ctx: Ctx, stop: CancellationToken, chunk: F) -> Handler
where
    A: DeserializeOwned + Copy + Send + Sync + 'static,
    F: Fn(Ctx, A, Held) -> BoxFuture<'static, Result<bool, DbError>> + Send + Sync + 'static,
{
    let chunk = Arc::new(chunk);
    Arc::new(move |jobs, token| {
        let (ctx, stop, chunk) = (ctx.clone(), stop.clone(), chunk.clone());
        Box::pin(async move {
            let mut outcomes = HashMap::new();
            for job in &jobs {
                let outcome = match serde_json::from_str::<A>(&job.args) {
                    Ok(args) => finish(&ctx, &stop, &*chunk, args, held(job, token)).await,
                    Err(error) => Outcome::GiveUp(error.to_string()),
                };
                outcomes.insert(job.id, outcome);
            }
            Handled { outcomes, effects: None }
        })
    })
}

fn held(job: &Job, token: Token) -> Held {
    Held { id: job.id, token }
}

async fn finish<A: Copy, F>(ctx: &Ctx, stop: &CancellationToken, chunk: &F, args: A, held: Held) -> Outcome
where
    F: Fn(Ctx, A, Held) -> BoxFuture<'static, Result<bool, DbError>>,
{
    while !stop.is_cancelled() {
        match chunk(ctx.clone(), args, held).await {
            Ok(true) => {}
            Ok(false) => return Outcome::Done,
            Err(error) => return Outcome::of(&error),
        }
    }
    Outcome::handed_back()
}
