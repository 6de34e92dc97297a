//! All GraphQL about API tokens, which client programs sign in with.
//! Not here: the actions a scope covers (`access::scope`).

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

/// Permission of an API token. A client program can never do more than its user. Every token can read public data and
/// the name, e-mail address, role and organizer of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "ApiScope", remote = "Scope")]
pub enum ApiScope {
    /// Books tickets, joins and leaves waitlists, and reads and cancels your own bookings.
    Book,
    /// Creates, edits, publishes, calls off and deletes your organizer's events, and cancels bookings of them. To read
    /// those bookings and their customers, a token needs READ_SALES.
    ManageEvents,
    /// Reads bookings, participants and waitlists of your organizer's events.
    ReadSales,
    /// Reads your notices. To read the booking or waitlist entry of a notice, a token also needs BOOK (your own) or
    /// READ_SALES (of your organizer's events).
    ReadNotices,
}

/// A token that a client program of yours signs in with.
pub struct ApiToken(row::Model);

/// A token that a client program of yours signs in with. Its secret is shown once, when the token is created.
#[Object]
impl ApiToken {
    /// Opaque id of the token, for `revokeApiToken`.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Name you gave the token.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Scopes of the token: its permissions.
    async fn scopes(&self) -> Vec<ApiScope> {
        let scopes = Scopes::from_bits(self.0.scopes);
        Scope::ALL.into_iter().filter(|scope| scopes.has(*scope)).map(ApiScope::from).collect()
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Expiry of the token.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }

    /// Time of the last use, exact to one hour; null when the token was never used.
    async fn used_at(&self) -> Option<DateTime> {
        self.0.used_at.map(DateTime)
    }
}

/// A page of API tokens.
pub type ApiTokenConnection = Connection<Cursor<ApiTokenId>, ApiToken, EmptyFields, EmptyFields>;

/// Queries about API tokens.
#[derive(Default)]
pub struct ApiTokenQuery;

#[Object]
impl ApiTokenQuery {
    /// Your API tokens that are not revoked, oldest first. Needs a signed-in user, not an API token; null otherwise.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn my_api_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<ApiTokenConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        match api_token::list(acting(ctx)?, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &row::Model| row.id, ApiToken))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// Details of the API token to create.
#[derive(InputObject)]
pub struct CreateApiTokenInput {
    /// Name of the token, for your own use.
    name: String,
    /// Scopes of the token: its permissions, at least one.
    scopes: Vec<ApiScope>,
    /// Expiry of the token; at most a year from now.
    expires_at: DateTime,
}

/// API token to revoke.
#[derive(InputObject)]
pub struct RevokeApiTokenInput {
    /// Id from `myApiTokens`.
    api_token_id: ID,
}

/// Outcome of `createApiToken`.
#[derive(SimpleObject, Default)]
pub struct CreateApiTokenPayload {
    /// The new token; null when the request was refused.
    api_token: Option<ApiToken>,
    /// Secret of the token; send it as `Authorization: Bearer …`. It is shown only here. Null when the request was
    /// refused.
    secret: Option<String>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `revokeApiToken`.
#[derive(SimpleObject, Default)]
pub struct RevokeApiTokenPayload {
    /// The revoked token; null when the request was refused.
    api_token: Option<ApiToken>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations about API tokens.
#[derive(Default)]
pub struct ApiTokenMutation;

#[Object]
impl ApiTokenMutation {
    /// Creates an API token for a client program that acts in your name within the token's scopes. Needs a signed-in
    /// user, not an API token.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Details of the token.")] input: CreateApiTokenInput,
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

    /// Revokes an API token of yours: it is refused and its sockets close within a second. Needs a signed-in user, not
    /// an API token.
    #[graphql(guard = "May(Action::ManageAccount)")]
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token to revoke.")] input: RevokeApiTokenInput,
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
