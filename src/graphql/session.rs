//! All GraphQL about sign-ins once they are open: going on, ending, the list of them, the password.
//! Not here: opening one (`account`), and tokens for programs (`api_token`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::Services;
use super::account::{SignInPayload, User, signed_in};
use super::booking::me;
use super::error::{IntoUserError, UserError, int, stored};
use super::guard::{May, acting};
use super::load::{Load, failed};
use super::page::{Args, Cursor, connection, id};
use super::scalar::{DateTime, id_or_nobody};
use crate::access::Action;
use crate::account::{change_password, refresh, sign_out};
use crate::entity::session;
use crate::id::SessionId;

/// One sign-in of yours, on one device.
pub struct Session(session::Model);

/// One sign-in of yours, on one device.
#[Object]
impl Session {
    /// Opaque id, for `signOut`.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last renewed; to the quarter of an hour when it was last used.
    async fn seen_at(&self) -> DateTime {
        DateTime(self.0.seen_at.unwrap_or(self.0.created_at))
    }

    /// Whether it is the one you ask with.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(acting(ctx)?.actor.session() == Some(self.0.id))
    }
}

/// A page of sign-ins.
pub type SessionConnection = Connection<Cursor<SessionId>, Session, EmptyFields, EmptyFields>;

/// Queries about sign-ins.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// Where you are signed in, oldest first. Needs a signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn my_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<Option<SessionConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        match sign_out::list(acting(ctx)?, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &session::Model| row.id, Session))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// What to go on with.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The refresh token that came last.
    #[graphql(secret)]
    refresh_token: String,
}

/// Which session to end.
#[derive(InputObject)]
pub struct SignOutInput {
    /// One of `mySessions`; the one you ask with when left out.
    session_id: Option<ID>,
}

/// Which sessions to end.
#[derive(InputObject)]
pub struct SignOutEverywhereInput {
    /// Whether the session you ask with goes on.
    #[graphql(default)]
    keep_current: bool,
}

/// Outcome of `signOut` and `signOutEverywhere`.
#[derive(SimpleObject, Default)]
pub struct SignOutPayload {
    /// How many sessions ended; null when the request was refused.
    ended: Option<i32>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// The old password and the new one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The current password.
    #[graphql(secret)]
    current_password: String,
    /// At least 10 characters.
    #[graphql(secret)]
    new_password: String,
}

/// Outcome of `changePassword`.
#[derive(SimpleObject, Default)]
pub struct ChangePasswordPayload {
    /// Whose password it is now; null when the request was refused.
    viewer: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations about sign-ins.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// A new access token and a new refresh token for the one that came last; no other token is needed. Each refresh token
    /// is good once: one that is used again ends the session, because two hands have it. Within ten seconds a lost answer
    /// can be asked for again.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to go on with.")] input: RefreshSessionInput,
    ) -> Result<Option<SignInPayload>> {
        let services = ctx.data::<Services>()?;
        let (keys, throttle) = (services.sessions.keys(), &services.throttle);
        signed_in(ctx, refresh::refresh(acting(ctx)?, keys, throttle, &input.refresh_token).await).await
    }

    /// Ends a session of yours: its tokens are refused and its sockets close within a second. Needs a signed-in user, in
    /// person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn sign_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session to end.")] input: SignOutInput,
    ) -> Result<Option<SignOutPayload>> {
        let named = match input.session_id {
            Some(named) => Some(id_or_nobody(&named)?),
            None => acting(ctx)?.actor.session(),
        };
        let done = match named {
            Some(session) => sign_out::end(acting(ctx)?, session).await,
            None => Err(crate::account::Error::SessionNotFound),
        };
        Ok(Some(match done {
            Ok(session) => {
                ctx.data::<Services>()?.sessions.forget([session.0]);
                SignOutPayload { ended: Some(1), user_errors: Vec::new() }
            }
            Err(error) => SignOutPayload { ended: None, user_errors: error.into_user_error()? },
        }))
    }

    /// Ends all your sessions, or all but this one. Your programs go on: their tokens end with `revokeApiToken`. Needs a
    /// signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn sign_out_everywhere(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which sessions to end.")] input: SignOutEverywhereInput,
    ) -> Result<Option<SignOutPayload>> {
        let acting = acting(ctx)?;
        let here = acting.actor.session();
        Ok(Some(match sign_out::end_all(acting, here.filter(|_| input.keep_current)).await {
            Ok(ended) => {
                ctx.data::<Services>()?.sessions.forget(here.map(|here| here.0));
                SignOutPayload { ended: Some(int(i64::try_from(ended).unwrap_or(i64::MAX))), user_errors: Vec::new() }
            }
            Err(error) => SignOutPayload { ended: None, user_errors: error.into_user_error()? },
        }))
    }

    /// Changes your password and ends every other session of yours. Your programs go on: their tokens end with
    /// `revokeApiToken`. Needs a signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old password and the new one.")] input: ChangePasswordInput,
    ) -> Result<Option<ChangePasswordPayload>> {
        let services = ctx.data::<Services>()?;
        let (hasher, throttle) = (&services.hasher, &services.throttle);
        let ChangePasswordInput { current_password, new_password } = input;
        let changed =
            change_password::change_password(acting(ctx)?, hasher, throttle, current_password, new_password).await;
        Ok(Some(match changed {
            Ok(_) => {
                let viewer = stored(ctx.data::<Load>()?.load_one(me(ctx)?).await.map_err(failed)?)?;
                ChangePasswordPayload { viewer: Some(User::new(viewer)), user_errors: Vec::new() }
            }
            Err(error) => ChangePasswordPayload { viewer: None, user_errors: error.into_user_error()? },
        }))
    }
}
