//! All GraphQL about accounts: user, sign-up and sign-in.
//! Not here: the rules, which are in the verbs of `crate::account`, and organizers (`organizer`).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::Services;
use super::error::{IntoUserError, UserError, stored};
use super::guard::{May, acting};
use super::load::{Load, MembershipsOf, failed};
use super::membership::Membership;
use super::organizer::{Organizer, organizer_by_id};
use super::page::id;
use super::scalar::DateTime;
use crate::access::{Action, MemberRole, Role};
use crate::account::refresh::Refresh;
use crate::account::session::Opened;
use crate::account::sign_in::sign_in;
use crate::account::sign_up::{self, NewAccount};
use crate::entity::{membership, users};

/// A user, and the path on which the viewer reached it.
pub struct User {
    row: users::Model,
    reached: Reached,
}

/// Path on which a user was reached; it decides which of the user's fields are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// Any other path: the public fields for every viewer, all fields for the user and for admins.
    Otherwise,
    /// Sales that the viewer may see: the organizer has to be able to reach the customer.
    AsCustomer,
    /// Team of an organizer that the viewer may see: its members have to be able to reach each other.
    AsMember,
    /// Session of the user that was opened in this request.
    BySigningIn,
}

impl User {
    /// A user with the fields that every viewer may see.
    pub fn new(row: users::Model) -> Self {
        Self { row, reached: Reached::Otherwise }
    }

    /// A customer as the organizer of their booking sees them.
    pub fn customer(row: users::Model) -> Self {
        Self { row, reached: Reached::AsCustomer }
    }

    /// A member of an organizer as its owners and managers see them.
    pub fn member(row: users::Model) -> Self {
        Self { row, reached: Reached::AsMember }
    }

    /// A user who has just signed in.
    fn signed_in(row: users::Model) -> Self {
        Self { row, reached: Reached::BySigningIn }
    }

    /// Returns the user's memberships, oldest first.
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<membership::Model>> {
        let found = ctx.data::<Load>()?.load_one(MembershipsOf(self.row.id)).await.map_err(failed)?;
        Ok(found.unwrap_or_default())
    }

    /// Returns true if the viewer is this user, by session or by the sign-in of this request, or an administrator.
    fn is_open_to(&self, ctx: &Context<'_>) -> Result<bool> {
        let acting = acting(ctx)?;
        Ok(self.reached == Reached::BySigningIn
            || acting.allow(Action::AccountOf(self.row.id)).is_ok()
            || acting.allow(Action::Administer).is_ok())
    }
}

/// A person with an account.
#[Object]
impl User {
    /// Opaque id of the user.
    pub async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Display name of the user.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// E-mail address. Null unless you are this user, an ADMIN, or an ORGANIZER that reaches the user through a
    /// booking, participant or waitlist entry of its own event, or as a member of its own organizer.
    async fn email(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let visible = [Reached::AsCustomer, Reached::AsMember].contains(&self.reached) || self.is_open_to(ctx)?;
        Ok(visible.then_some(self.row.email.as_str()))
    }

    /// Role of the user.
    async fn role(&self) -> Role {
        self.row.role
    }

    /// First organizer that this user is OWNER of; null when there is none. `memberships` has all. Null unless you are
    /// this user or an ADMIN.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        if !self.is_open_to(ctx)? {
            return Ok(None);
        }
        match self.members(ctx).await?.iter().find(|row| row.role == MemberRole::Owner) {
            Some(owned) => organizer_by_id(ctx, owned.organizer_id).await,
            None => Ok(None),
        }
    }

    /// Organizers that this user is a member of, oldest membership first, at most 16; they give rights only to an
    /// ORGANIZER. Null unless you are this user or an ADMIN.
    async fn memberships(&self, ctx: &Context<'_>) -> Result<Option<Vec<Membership>>> {
        if !self.is_open_to(ctx)? {
            return Ok(None);
        }
        Ok(Some(self.members(ctx).await?.into_iter().map(Membership).collect()))
    }

    /// True if an administrator has withdrawn the right to sign in. Null unless you are this user or an ADMIN.
    async fn disabled(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        Ok(self.is_open_to(ctx)?.then_some(self.row.disabled_at.is_some()))
    }

    /// Time at which the account was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }
}

/// Role of a new account. Only an administrator creates administrators (`createAdmin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum SignUpRole {
    /// A user that books tickets, joins waitlists, cancels bookings and receives notices.
    Customer,
    /// A user that runs the events of an organizer; the organizer is created with the account.
    Organizer,
}

/// Details of the account to open.
#[derive(InputObject)]
pub struct SignUpInput {
    /// E-mail address; one account per address, upper and lower case being the same.
    email: String,
    /// Password of at least 10 characters.
    #[graphql(secret)]
    password: String,
    /// Display name of the user.
    name: String,
    /// Role of the account.
    #[graphql(default_with = "SignUpRole::Customer")]
    role: SignUpRole,
    /// Name of the organizer that an ORGANIZER acts for; by default the display name.
    organizer_name: Option<String>,
}

/// Credentials to sign in with.
#[derive(InputObject)]
pub struct SignInInput {
    /// E-mail address of the account; upper and lower case are the same.
    email: String,
    /// Password of the account.
    #[graphql(secret)]
    password: String,
}

/// Details of the administrator's account to create.
#[derive(InputObject)]
pub struct CreateAdminInput {
    /// E-mail address; one account per address, upper and lower case being the same.
    email: String,
    /// Password of at least 10 characters.
    #[graphql(secret)]
    password: String,
    /// Display name of the user.
    name: String,
}

/// Tokens of a session. Send the access token as `Authorization: Bearer <accessToken>`; on a socket, send the same
/// header in the payload of `connection_init`. A value without an id.
#[derive(SimpleObject)]
pub struct AccessToken {
    /// Access token that authenticates requests.
    access_token: String,
    /// Expiry of the access token; call `refreshSession` before it.
    expires_at: DateTime,
    /// Single-use token for `refreshSession`, which renews the session without the password. Keep it secret.
    refresh_token: String,
    /// Expiry of the refresh token; after it the user has to sign in again.
    refresh_expires_at: DateTime,
}

/// Outcome of `signUp`, `signIn` and `refreshSession`.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    /// Tokens of the session; null when the request was refused.
    token: Option<AccessToken>,
    /// The signed-in user; null when the request was refused.
    viewer: Option<User>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `createAdmin`.
#[derive(SimpleObject, Default)]
pub struct CreateAdminPayload {
    /// The new administrator; null when the request was refused.
    user: Option<User>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Builds the payload of a session that was opened or renewed.
pub(super) async fn signed_in(
    ctx: &Context<'_>,
    opened: Result<(Opened, Refresh), crate::account::Error>,
) -> Result<Option<SignInPayload>> {
    let (opened, refresh) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return Ok(Some(SignInPayload { user_errors: error.into_user_error()?, ..Default::default() }));
        }
    };
    let services = ctx.data::<Services>()?;
    let (access_token, expires_at) = services.sessions.token(opened.user, opened.session)?;
    let viewer = stored(ctx.data::<Load>()?.load_one(opened.user).await.map_err(failed)?)?;
    Ok(Some(SignInPayload {
        token: Some(AccessToken {
            access_token,
            expires_at: DateTime(expires_at),
            refresh_token: refresh.token,
            refresh_expires_at: DateTime(refresh.expires_at),
        }),
        viewer: Some(User::signed_in(viewer)),
        user_errors: Vec::new(),
    }))
}

/// Queries about accounts.
#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The signed-in user; null, without an error, for a request without a sign-in. No sign-in needed.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match acting(ctx)?.actor.user_id() {
            Some(user) => Ok(ctx.data::<Load>()?.load_one(user).await.map_err(failed)?.map(User::new)),
            None => Ok(None),
        }
    }
}

/// Mutations about accounts.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Opens an account as customer or organizer, and signs in. No sign-in needed.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Details of the account.")] input: SignUpInput,
    ) -> Result<Option<SignInPayload>> {
        let role = match input.role {
            SignUpRole::Customer => Role::Customer,
            SignUpRole::Organizer => Role::Organizer,
        };
        let account = NewAccount {
            email: input.email,
            password: input.password,
            name: input.name,
            organizer_name: input.organizer_name,
        };
        let Services { hasher, throttle, .. } = ctx.data::<Services>()?;
        signed_in(ctx, sign_up::sign_up(acting(ctx)?, hasher, throttle, account, role).await).await
    }

    /// Signs in. An unknown address and a wrong password give the same answer. No sign-in needed.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Credentials to sign in with.")] input: SignInInput,
    ) -> Result<Option<SignInPayload>> {
        let Services { hasher, throttle, .. } = ctx.data::<Services>()?;
        signed_in(ctx, sign_in(acting(ctx)?, hasher, throttle, &input.email, input.password).await).await
    }

    /// Creates an administrator's account. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn create_admin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Details of the account.")] input: CreateAdminInput,
    ) -> Result<Option<CreateAdminPayload>> {
        let account =
            NewAccount { email: input.email, password: input.password, name: input.name, organizer_name: None };
        let hasher = &ctx.data::<Services>()?.hasher;
        Ok(Some(match sign_up::create_admin(acting(ctx)?, hasher, account).await {
            Ok(opened) => {
                let user = stored(ctx.data::<Load>()?.load_one(opened.user).await.map_err(failed)?)?;
                CreateAdminPayload { user: Some(User::new(user)), user_errors: Vec::new() }
            }
            Err(error) => CreateAdminPayload { user: None, user_errors: error.into_user_error()? },
        }))
    }
}
