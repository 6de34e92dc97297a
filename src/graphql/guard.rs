//! Guards: the role part of the access policy, written beside the field it protects.
//! Not here: the check of an object's owner. The verb makes it inside its transaction; a guard never reads the
//! database.

use async_graphql::{Context, Error, Guard, Result};
use uuid::Uuid;

use crate::access::{Action, Actor, Decision, Role, SignedIn, Via, decide};
use crate::ctx::{Ctx, Denied};
use crate::engine::fault::Fault;
use crate::id::SessionId;

/// Guard that resolves a field only for viewers with a role that allows this action.
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

/// Returns the message of a refusal: the roles that may do this, or the API token's scopes as the cause.
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

/// Converts a denial to its fault.
pub fn denied(denied: Denied) -> Error {
    match denied {
        Denied::SignIn => Fault::Unauthenticated.error("Sign in first."),
        Denied::Role => Fault::Forbidden.error("Your role may not do this."),
        Denied::Hidden => Fault::NotFound.error("There is no such object."),
    }
}

/// Returns the context of the request: its actor, clock and database.
pub fn acting<'a>(ctx: &Context<'a>) -> Result<&'a Ctx> {
    ctx.data::<Ctx>()
}

/// Returns the actor of the request.
pub fn actor(ctx: &Context<'_>) -> Result<Actor> {
    Ok(acting(ctx)?.actor)
}
