//! The extension that tells request errors from execution errors; a response alone does not say.
//! Not here: what follows from the difference (`fault` words errors by it, `http` chooses a status).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Response, ServerError, ServerResult, ValidationResult, Variables};

use crate::graphql::fault::Stage;

/// How far a request came, told by the engine through [`Stages`].
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

impl Progress {
    fn reached(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            stage if stage == Stage::Refused as u8 => Stage::Refused,
            stage if stage == Stage::Executed as u8 => Stage::Executed,
            _ => Stage::Begun,
        }
    }
}

/// Goes into the schema. Without it there nothing leaks: every error without a code is masked.
pub struct Stages;

impl ExtensionFactory for Stages {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

fn reached(ctx: &ExtensionContext<'_>, stage: Stage) {
    if let Some(progress) = ctx.data_opt::<Progress>() {
        progress.reached(stage);
    }
}

#[async_trait]
impl Extension for Stages {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        next.run(ctx, query, variables).await.inspect_err(|_| reached(ctx, Stage::Refused))
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.inspect_err(|_| reached(ctx, Stage::Refused))
    }

    async fn execute(&self, ctx: &ExtensionContext<'_>, operation: Option<&str>, next: NextExecute<'_>) -> Response {
        reached(ctx, Stage::Executed);
        next.run(ctx, operation).await
    }
}
