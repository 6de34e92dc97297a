//! All GraphQL about tokens for programs.
//! Not here: what a scope covers (`access::scope`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::Services;
use super::error::{IntoUserError, UserError, stored};
use super::guard::{May, acting};
use super::page::{Args, Cursor, connection, id};
use super::scalar::{DateTime, id_or_nobody};
use crate::access::{Action, Scope, Scopes};
use crate::account::api_token::{self, NewToken};
use crate::entity::api_token as row;
use crate::id::ApiTokenId;

/// One kind of thing a program may do in your name; never more than you may. With whichever scope, a program sees what
/// everybody may see, and who you are: name, e-mail address, role and organizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "ApiScope", remote = "Scope")]
pub enum ApiScope {
    /// Book tickets, wait on the waitlist, see and cancel your own bookings.
    Book,
    /// Create, edit, publish and call off your organizer's events, and cancel bookings of them. To see whose they are, add
    /// READ_SALES.
    ManageEvents,
    /// See bookings, participants and lines of your organizer's events.
    ReadSales,
    /// Read your notices. To see the booking or the waitlist entry one is about, add BOOK or READ_SALES.
    ReadNotices,
}

/// What a program of yours signs in with.
pub struct ApiToken(row::Model);

/// What a program of yours signs in with. The token itself is shown once, when it is made.
#[Object]
impl ApiToken {
    /// Opaque id, for `revokeApiToken`.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// What you call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do.
    async fn scopes(&self) -> Vec<ApiScope> {
        let scopes = Scopes::from_bits(self.0.scopes);
        Scope::ALL.into_iter().filter(|scope| scopes.has(*scope)).map(ApiScope::from).collect()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }

    /// When it was last used, to the hour; null: never.
    async fn used_at(&self) -> Option<DateTime> {
        self.0.used_at.map(DateTime)
    }
}

/// A page of tokens.
pub type ApiTokenConnection = Connection<Cursor<ApiTokenId>, ApiToken, EmptyFields, EmptyFields>;

/// Queries about tokens for programs.
#[derive(Default)]
pub struct ApiTokenQuery;

#[Object]
impl ApiTokenQuery {
    /// Your tokens for programs, oldest first, without those that were revoked. Needs a signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn my_api_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<Option<ApiTokenConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        match api_token::list(acting(ctx)?, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &row::Model| row.id, ApiToken))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// What a token is made from.
#[derive(InputObject)]
pub struct CreateApiTokenInput {
    /// What you call it.
    name: String,
    /// What it may do; one at least.
    scopes: Vec<ApiScope>,
    /// When it ends; within a year.
    expires_at: DateTime,
}

/// Which token.
#[derive(InputObject)]
pub struct RevokeApiTokenInput {
    /// One of `myApiTokens`.
    api_token_id: ID,
}

/// Outcome of `createApiToken`.
#[derive(SimpleObject, Default)]
pub struct CreateApiTokenPayload {
    /// What was made; null when the request was refused.
    api_token: Option<ApiToken>,
    /// The token, for `Authorization: Bearer …`. Shown now and never again; null when the request was refused.
    secret: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `revokeApiToken`.
#[derive(SimpleObject, Default)]
pub struct RevokeApiTokenPayload {
    /// What was revoked; null when the request was refused.
    api_token: Option<ApiToken>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations about tokens for programs.
#[derive(Default)]
pub struct ApiTokenMutation;

#[Object]
impl ApiTokenMutation {
    /// Makes a token for a program that acts in your name, within its scopes. Needs a signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make it from.")] input: CreateApiTokenInput,
    ) -> Result<Option<CreateApiTokenPayload>> {
        let scopes = input.scopes.into_iter().map(Scope::from).collect();
        let new = NewToken { name: input.name, scopes, expires_at: input.expires_at.0 };
        Ok(Some(match api_token::create(acting(ctx)?, new).await {
            Ok((id, secret)) => {
                let api_token = stored(api_token::by_id(acting(ctx)?, id).await.map_err(|error| error.fault())?)?;
                CreateApiTokenPayload {
                    api_token: Some(ApiToken(api_token)),
                    secret: Some(secret),
                    user_errors: Vec::new(),
                }
            }
            Err(error) => CreateApiTokenPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }

    /// Revokes a token of yours: it is refused, and its sockets close, within a second. Needs a signed-in user, in person.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] input: RevokeApiTokenInput,
    ) -> Result<Option<RevokeApiTokenPayload>> {
        let revoked = api_token::revoke(acting(ctx)?, id_or_nobody(&input.api_token_id)?).await;
        Ok(Some(match revoked {
            Ok(id) => {
                ctx.data::<Services>()?.sessions.forget([id.0]);
                let api_token = stored(api_token::by_id(acting(ctx)?, id).await.map_err(|error| error.fault())?)?;
                RevokeApiTokenPayload { api_token: Some(ApiToken(api_token)), user_errors: Vec::new() }
            }
            Err(error) => RevokeApiTokenPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }
}
