//! All GraphQL about open sessions: renewing, ending and listing them, and changing the password.
//! Not here: opening a session (`account`), and API tokens of client programs (`api_token`).

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

/// A sign-in of yours on one device.
pub struct Session(session::Model);

/// A sign-in of yours on one device.
#[Object]
impl Session {
    /// Opaque id of the session, for `signOut`.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Time of the sign-in.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Time of the last renewal with `refreshSession`, or of the sign-in if there was none. The last use of the session
    /// is at most 15 minutes later.
    async fn seen_at(&self) -> DateTime {
        DateTime(self.0.seen_at.unwrap_or(self.0.created_at))
    }

    /// True for the session of this request.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(acting(ctx)?.actor.session() == Some(self.0.id))
    }
}

/// A page of sessions.
pub type SessionConnection = Connection<Cursor<SessionId>, Session, EmptyFields, EmptyFields>;

/// Queries about sessions.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// Your sessions, oldest first. Needs a signed-in user, not an API token; null otherwise.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn my_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<SessionConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        match sign_out::list(acting(ctx)?, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &session::Model| row.id, Session))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// Token to renew a session with.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The latest refresh token of the session.
    #[graphql(secret)]
    refresh_token: String,
}

/// Session to end.
#[derive(InputObject)]
pub struct SignOutInput {
    /// Id from `mySessions`; by default the session of this request.
    session_id: Option<ID>,
}

/// Sessions to end.
#[derive(InputObject)]
pub struct SignOutEverywhereInput {
    /// True to keep the session of this request; false to end this session too.
    #[graphql(default)]
    keep_current: bool,
}

/// Outcome of `signOut` and `signOutEverywhere`.
#[derive(SimpleObject, Default)]
pub struct SignOutPayload {
    /// Number of sessions ended; null when the request was refused.
    ended: Option<i32>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// The current password and the new one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// Current password of the account.
    #[graphql(secret)]
    current_password: String,
    /// New password of at least 10 characters.
    #[graphql(secret)]
    new_password: String,
}

/// Outcome of `changePassword`.
#[derive(SimpleObject, Default)]
pub struct ChangePasswordPayload {
    /// The signed-in user; null when the request was refused.
    viewer: Option<User>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations about sessions.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Renews a session: exchanges its latest refresh token for a new access token and a new refresh token. Each
    /// refresh token is valid once; a second use ends the session, because the token may be stolen. If the answer was
    /// lost, the exchange can be repeated within ten seconds. No sign-in needed.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token to renew the session with.")] input: RefreshSessionInput,
    ) -> Result<Option<SignInPayload>> {
        let services = ctx.data::<Services>()?;
        let (keys, throttle) = (services.sessions.keys(), &services.throttle);
        signed_in(ctx, refresh::refresh(acting(ctx)?, keys, throttle, &input.refresh_token).await).await
    }

    /// Ends a session of yours: its tokens are refused and its sockets close within a second. Needs a signed-in user,
    /// not an API token.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn sign_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Session to end.")] input: SignOutInput,
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

    /// Ends all your sessions, or all except the session of this request. API tokens stay valid; `revokeApiToken`
    /// revokes them. Needs a signed-in user, not an API token.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn sign_out_everywhere(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Sessions to end.")] input: SignOutEverywhereInput,
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

    /// Changes your password and ends all your other sessions. API tokens stay valid; `revokeApiToken` revokes them.
    /// Needs a signed-in user, not an API token.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current password and the new one.")] input: ChangePasswordInput,
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
