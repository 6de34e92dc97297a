//! Guards: the role part of the policy, visible beside the field it protects.
//! Not here: whose object it is. The verb asks that inside its transaction; a guard never touches the database.

use async_graphql::{Context, Error, Guard, Result};

use super::fault::Fault;
use crate::access::{Action, Actor};
use crate::ctx::{Ctx, Denied};

/// Lets a field be resolved only for those whose role may do this.
pub struct May(pub Action);

impl Guard for May {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        ctx.data::<Ctx>()?.allow(self.0).map_err(denied)
    }
}

/// The fault a denial is.
pub fn denied(denied: Denied) -> Error {
    match denied {
        Denied::SignIn => Fault::Unauthenticated.error("Sign in first."),
        Denied::Role => Fault::Forbidden.error("Your role may not do this."),
        Denied::Hidden => Fault::NotFound.error("There is no such thing."),
    }
}

/// The acting user's context.
pub fn acting<'a>(ctx: &Context<'a>) -> Result<&'a Ctx> {
    ctx.data::<Ctx>()
}

/// Who is acting.
pub fn actor(ctx: &Context<'_>) -> Result<Actor> {
    Ok(acting(ctx)?.actor)
}
