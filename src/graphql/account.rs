//! All GraphQL about accounts: user, organizer, sign-up and sign-in.
//! Not here: rules; the verbs of `crate::account` have them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::Services;
use super::error::{IntoUserError, UserError, stored};
use super::guard::{May, acting};
use super::load::{Load, failed};
use super::page::id;
use super::scalar::DateTime;
use crate::access::{Action, Role};
use crate::account::refresh::Refresh;
use crate::account::sign_in::sign_in;
use crate::account::sign_up::{self, NewAccount, Opened};
use crate::entity::{organizer, users};
use crate::id::OrganizerId;

/// A person with an account.
pub struct User {
    row: users::Model,
    reached: Reached,
}

/// How a user was reached decides what of them is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// In some other way: what everybody may see, and all of it to themselves and admins.
    Otherwise,
    /// Through sales the viewer may see: their organizer needs to reach them.
    AsCustomer,
    /// By opening their session just now.
    BySigningIn,
}

impl User {
    /// A user as anybody may see them.
    pub fn new(row: users::Model) -> Self {
        Self { row, reached: Reached::Otherwise }
    }

    /// A customer as the organizer of their booking sees them.
    pub fn customer(row: users::Model) -> Self {
        Self { row, reached: Reached::AsCustomer }
    }

    /// A user who just proved to be this one.
    fn signed_in(row: users::Model) -> Self {
        Self { row, reached: Reached::BySigningIn }
    }

    /// Whether the viewer is this user or an administrator.
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
    /// Opaque id.
    pub async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// E-mail address. Null unless you are this user, an ADMIN, or the ORGANIZER whose event they booked.
    async fn email(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let visible = self.reached == Reached::AsCustomer || self.is_open_to(ctx)?;
        Ok(visible.then_some(self.row.email.as_str()))
    }

    /// What kind of account it is.
    async fn role(&self) -> Role {
        self.row.role
    }

    /// The organizer this user acts for. Null for everybody else, and unless you are this user or an ADMIN.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        if !self.is_open_to(ctx)? {
            return Ok(None);
        }
        let organizer = crate::account::store::organizer_of(acting(ctx)?.db.read(), self.row.id).await;
        match organizer.map_err(|error| super::error::db_fault(&error))? {
            Some(organizer) => organizer_by_id(ctx, organizer).await,
            None => Ok(None),
        }
    }

    /// Whether an administrator has taken the right to sign in. Null unless you are this user or an ADMIN.
    async fn disabled(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        Ok(self.is_open_to(ctx)?.then_some(self.row.disabled_at.is_some()))
    }

    /// When the account was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.row.created_at)
    }
}

/// The account that sells.
pub struct Organizer(pub(super) organizer::Model);

/// The account that sells. Users with the role ORGANIZER act for one.
#[Object]
impl Organizer {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// The name shown beside its events.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Readable address; fixed once given. Null for an account that an earlier release has just opened.
    async fn slug(&self) -> Option<&str> {
        self.0.slug.as_deref()
    }
}

/// The organizer with this id.
pub async fn organizer_by_id(ctx: &Context<'_>, id: OrganizerId) -> Result<Option<Organizer>> {
    Ok(ctx.data::<Load>()?.load_one(id).await.map_err(failed)?.map(Organizer))
}

/// What an account can be opened as. Administrators are made by administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum SignUpRole {
    /// Books, waits, cancels, gets notices.
    Customer,
    /// Runs the events of an organizer, which is opened with the account.
    Organizer,
}

/// What an account is opened with.
#[derive(InputObject)]
pub struct SignUpInput {
    /// E-mail address; one account per address, whatever its case.
    email: String,
    /// At least 10 characters.
    #[graphql(secret)]
    password: String,
    /// Display name.
    name: String,
    /// Customer or organizer.
    #[graphql(default_with = "SignUpRole::Customer")]
    role: SignUpRole,
    /// Name of the organizer that an ORGANIZER acts for; the display name when left out.
    organizer_name: Option<String>,
}

/// Whose session to open.
#[derive(InputObject)]
pub struct SignInInput {
    /// E-mail address, whatever its case.
    email: String,
    /// Password.
    #[graphql(secret)]
    password: String,
}

/// What an administrator's account is opened with.
#[derive(InputObject)]
pub struct CreateAdminInput {
    /// E-mail address; one account per address, whatever its case.
    email: String,
    /// At least 10 characters.
    #[graphql(secret)]
    password: String,
    /// Display name.
    name: String,
}

/// Proof of a sign-in: send it as `Authorization: Bearer <accessToken>`, on sockets in the `connection_init` payload.
/// A value without an id.
#[derive(SimpleObject)]
pub struct AccessToken {
    /// The token.
    access_token: String,
    /// When it ends; `refreshSession` before.
    expires_at: DateTime,
    /// Good once, for `refreshSession`: what to go on with without the password. Keep it as a secret.
    refresh_token: String,
    /// When the refresh token ends; sign in again before.
    refresh_expires_at: DateTime,
}

/// Outcome of `signUp`, `signIn` and `refreshSession`.
#[derive(SimpleObject, Default)]
pub struct SignInPayload {
    /// Proof of the sign-in; null when it was refused.
    token: Option<AccessToken>,
    /// Who signed in; null when it was refused.
    viewer: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `createAdmin`.
#[derive(SimpleObject, Default)]
pub struct CreateAdminPayload {
    /// The new administrator; null when it was refused.
    user: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a session that was opened or renewed is shown as.
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
    /// Who is signed in; null when nobody is.
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
    /// Opens an account as customer or organizer, and signs in.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to open it with.")] input: SignUpInput,
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

    /// Signs in. Unknown address and wrong password give the same answer.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose session to open.")] input: SignInInput,
    ) -> Result<Option<SignInPayload>> {
        let Services { hasher, throttle, .. } = ctx.data::<Services>()?;
        signed_in(ctx, sign_in(acting(ctx)?, hasher, throttle, &input.email, input.password).await).await
    }

    /// Makes an administrator. Needs ADMIN.
    #[graphql(guard = "May(Action::Administer)")]
    async fn create_admin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to open the account with.")] input: CreateAdminInput,
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
