//! Guards: the role part of the policy, visible beside the field it protects.
//! Not here: whose object it is. The verb asks that inside its transaction; a guard never touches the database.

use async_graphql::{Context, Error, Guard, Result};
use uuid::Uuid;

use crate::access::{Action, Actor, Decision, Role, SignedIn, Via, decide};
use crate::ctx::{Ctx, Denied};
use crate::engine::fault::Fault;
use crate::id::SessionId;

/// Lets a field be resolved only for those whose role may do this.
pub struct May(pub Action);

impl Guard for May {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        let ctx = ctx.data::<Ctx>()?;
        ctx.allow(self.0).map_err(|denial| match (denial, ctx.actor.signed_in()) {
            (Denied::Role, Some(user)) => Fault::Forbidden.error(forbidden(*user, self.0)),
            (denial, _) => denied(denial),
        })
    }
}

/// Names the roles that may do this, or the token's scopes as the cause.
fn forbidden(user: SignedIn, action: Action) -> String {
    let may = |user: SignedIn| decide(&Actor::User(user), action) == Decision::Allow;
    let in_person = SignedIn { via: Via::Session(SessionId(Uuid::nil())), ..user };
    if may(in_person) {
        return "The scopes of this API token do not cover this.".to_owned();
    }
    let roles: Vec<&str> =
        Role::ALL.iter().filter(|role| may(SignedIn { role: **role, ..in_person })).map(|role| role.word()).collect();
    format!("The role {} may not do this; it needs {}.", user.role.word(), roles.join(" or "))
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
