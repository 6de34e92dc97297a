//! All GraphQL of administrators about the accounts of other users.
//! Not here: creating administrators (`account`).

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

/// Conditions that listed users meet; all of them apply.
#[derive(InputObject, Default)]
pub struct UserFilter {
    /// Only users with this role.
    role: Option<Role>,
    /// Only the user with this e-mail address; upper and lower case are the same.
    email: Option<String>,
}

/// Queries for administrators.
#[derive(Default)]
pub struct UsersQuery;

#[Object]
impl UsersQuery {
    /// All users, oldest account first. Needs ADMIN; null otherwise.
    #[graphql(guard = "May(Action::Administer)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Conditions that the users meet.")] filter: Option<UserFilter>,
    ) -> Result<Option<UserConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let UserFilter { role, email } = filter.unwrap_or_default();
        match administer::list(acting(ctx)?, Filter { role, email }, paging).await {
            Ok(page) => Ok(Some(connection(page, EmptyFields, |row: &users::Model| row.id, User::new))),
            Err(error) => Err(error.fault()),
        }
    }
}

/// User and the role to give.
#[derive(InputObject)]
pub struct SetUserRoleInput {
    /// Id of the user; not your own.
    user_id: ID,
    /// New role of the user.
    role: Role,
}

/// User to disable or enable.
#[derive(InputObject)]
pub struct UserInput {
    /// Id of the user; not your own.
    user_id: ID,
}

/// Outcome of `setUserRole`, `disableUser` and `enableUser`.
#[derive(SimpleObject, Default)]
pub struct UserPayload {
    /// The user after the change; null when the request was refused.
    user: Option<User>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Mutations for administrators.
#[derive(Default)]
pub struct UsersMutation;

#[Object]
impl UsersMutation {
    /// Gives a user another role. Operations on the user's sockets end within a second. A new ORGANIZER gets an
    /// organizer with the user's name. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "User and the new role.")] input: SetUserRoleInput,
    ) -> Result<Option<UserPayload>> {
        let done = administer::set_role(acting(ctx)?, id_or_nobody(&input.user_id)?, input.role).await;
        payload(ctx, done).await
    }

    /// Withdraws a user's right to sign in and ends all sessions of the user within a second. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "User to change.")] input: UserInput,
    ) -> Result<Option<UserPayload>> {
        let done = administer::disable(acting(ctx)?, id_or_nobody(&input.user_id)?).await;
        payload(ctx, done).await
    }

    /// Restores a user's right to sign in. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "User to change.")] input: UserInput,
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
