//! Handlers of jobs that run in chunks: each chunk is a transaction of its own, fenced by the lease, and any process
//! can continue.
//! Not here: the work of a chunk (`promote`, `close`, `call_off`).

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::ctx::Ctx;
use crate::db::DbError;
use crate::queue::JobKind;
use crate::queue::claim::{Held, Job};
use crate::queue::registry::{Outcome, Run};

type Chunk<K> = Box<dyn Fn(Ctx, K, Held) -> BoxFuture<'static, Result<bool, DbError>> + Send + Sync>;

/// Handler that runs a chunk with the arguments of a job until it returns false or the process stops.
pub struct InChunks<K> {
    ctx: Ctx,
    stop: CancellationToken,
    chunk: Chunk<K>,
}

impl<K: JobKind + Copy> InChunks<K> {
    /// Creates the handler; it stops between chunks once `stop` is cancelled.
    pub fn new<F>(ctx: Ctx, stop: CancellationToken, chunk: F) -> Self
    where
        F: Fn(Ctx, K, Held) -> BoxFuture<'static, Result<bool, DbError>> + Send + Sync + 'static,
    {
        Self { ctx, stop, chunk: Box::new(chunk) }
    }
}

impl<K: JobKind + Copy> Run for InChunks<K> {
    type Kind = K;

    async fn run(&self, args: K, job: Job) -> Outcome {
        while !self.stop.is_cancelled() {
            match (self.chunk)(self.ctx.clone(), args, job.held()).await {
                Ok(true) => {}
                Ok(false) => return Outcome::Done,
                Err(error) => return Outcome::of(&error),
            }
        }
        Outcome::handed_back()
    }
}
