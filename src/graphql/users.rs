//! All GraphQL of administrators about other people's accounts.
//! Not here: making administrators (`account`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::account::User;
use super::error::{IntoUserError, UserError, stored};
use super::guard::{May, acting};
use super::load::{Load, failed};
use super::page::{Args, Cursor, connection};
use super::scalar::id_or_nobody;
use crate::access::{Action, Role};
use crate::account::{
    self,
    administer::{self, Filter},
};
use crate::entity::users;
use crate::id::UserId;

/// A page of users.
pub type UserConnection = Connection<Cursor<UserId>, User, EmptyFields, EmptyFields>;

/// Which users.
#[derive(InputObject, Default)]
pub struct UserFilter {
    /// Of this role.
    role: Option<Role>,
    /// Who has this e-mail address, whatever its case.
    email: Option<String>,
}

/// Queries of administrators.
#[derive(Default)]
pub struct UsersQuery;

#[Object]
impl UsersQuery {
    /// Everybody with an account, oldest first. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<UserFilter>,
    ) -> Result<Option<UserConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let UserFilter { role, email } = filter.unwrap_or_default();
        match administer::list(acting(ctx)?, Filter { role, email }, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &users::Model| row.id, User::new))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// Whose role, and which.
#[derive(InputObject)]
pub struct SetUserRoleInput {
    /// Whose; not your own.
    user_id: ID,
    /// Which.
    role: Role,
}

/// Which user.
#[derive(InputObject)]
pub struct UserInput {
    /// Which; not yourself.
    user_id: ID,
}

/// Outcome of `setUserRole`, `disableUser` and `enableUser`.
#[derive(SimpleObject, Default)]
pub struct UserPayload {
    /// The user as they are now; null when the request was refused.
    user: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations of administrators.
#[derive(Default)]
pub struct UsersMutation;

#[Object]
impl UsersMutation {
    /// Gives a user another role. What runs on their sockets ends within a second. An ORGANIZER gets an organizer of their
    /// name. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose role, and which.")] input: SetUserRoleInput,
    ) -> Result<Option<UserPayload>> {
        let done = administer::set_role(acting(ctx)?, id_or_nobody(&input.user_id)?, input.role).await;
        payload(ctx, done).await
    }

    /// Takes from a user the right to sign in, and ends every sign-in of theirs within a second. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which user.")] input: UserInput,
    ) -> Result<Option<UserPayload>> {
        let done = administer::disable(acting(ctx)?, id_or_nobody(&input.user_id)?).await;
        payload(ctx, done).await
    }

    /// Gives a user the right to sign in back. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which user.")] input: UserInput,
    ) -> Result<Option<UserPayload>> {
        let done = administer::enable(acting(ctx)?, id_or_nobody(&input.user_id)?).await;
        payload(ctx, done).await
    }
}

async fn payload(ctx: &Context<'_>, done: Result<UserId, account::Error>) -> Result<Option<UserPayload>> {
    Ok(Some(match done {
        Ok(id) => {
            let user = stored(ctx.data::<Load>()?.load_one(id).await.map_err(failed)?)?;
            UserPayload { user: Some(User::new(user)), user_errors: Vec::new() }
        }
        Err(error) => UserPayload { user: None, user_errors: error.into_user_error()? },
    }))
}
