//! API tokens: created and revoked by the user they act for, shown once, limited to scopes.
//! Not here: the actions that a scope covers (`access::scope`), and the recognition of a token (`session`).

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{Error, revocation, secret};
use crate::access::{Action, Scope, Scopes};
use crate::clock::Timestamp;
use crate::ctx::{Ctx, Denied};
use crate::db::{self, DbError, Priority};
use crate::entity::api_token;
use crate::id::{ApiTokenId, NodeId};
use crate::page::{Page, Paging};
use crate::text::{self, Fields, Invalid};

/// Longest lifetime of a token.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Most live tokens of one user.
const TOKENS_MAX: i64 = 50;

/// Input for a new token.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Name that the user gives the token.
    pub name: String,
    /// Scopes of the token.
    pub scopes: Vec<Scope>,
    /// Time at which the token expires; within a year.
    pub expires_at: Timestamp,
}

/// Creates a token. Returns the id of its row and the token itself, which is not stored. The token outlives the session
/// that creates it. The session is therefore checked in the transaction: the cached state of a session may be half a
/// minute old.
pub async fn create(ctx: &Ctx, new: NewToken) -> Result<(ApiTokenId, String), Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let session = ctx.actor.session().ok_or(Denied::SignIn)?;
    let now = ctx.now();
    let mut fields = Fields::default();
    let name = fields.check(text::line("name", &new.name, 100));
    if new.scopes.is_empty() {
        fields.refuse("scopes", "must contain at least one scope");
    }
    if new.expires_at <= now || new.expires_at > now.plus(LONGEST) {
        fields.refuse("expiresAt", "must be in the future, within a year");
    }
    let name = fields.finish(|| name)?;
    let id: ApiTokenId = ctx.id();
    let (token, secret) = secret::api_token(id, &ctx.random);
    let row = api_token::Model {
        id,
        user_id: user,
        name,
        hash: secret::hash(&secret),
        scopes: Scopes::of(&new.scopes).bits(),
        created_at: now,
        expires_at: new.expires_at,
        used_at: None,
        revoked_at: None,
    };
    let row = &row;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // The lock admits one creation at a time per user, so that the counts below are true. A change of password
            // writes the same row: it has either ended the session already or comes later.
            let sql = format!("SELECT id FROM users WHERE id = $1{}", db::for_update(&tx));
            db::run(&tx, &sql, [user.into()]).await?;
            let sql = "SELECT count(*) AS n FROM session WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
            if db::number(&tx, sql, [session.into(), user.into()]).await? == 0 {
                return Err(Denied::SignIn.into());
            }
            let sql =
                "SELECT count(*) AS n FROM api_token WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2";
            if db::number(&tx, sql, [user.into(), now.into()]).await? >= TOKENS_MAX {
                return Err(Invalid::new("name", format!("you have {TOKENS_MAX} tokens: revoke one first")).into());
            }
            let row: api_token::ActiveModel = row.clone().into();
            let insert = api_token::Entity::insert(sea_orm::IntoActiveModel::into_active_model(row));
            insert.exec_without_returning(&tx).await.map_err(DbError::from)?;
            Ok::<_, Error>(())
        })
        .await?;
    tracing::info!(user = %user.to_global_id(), token = %id.to_global_id(), "API token created");
    Ok((id, token))
}

/// Revokes one of the viewer's own tokens. Revoking a revoked token changes nothing.
#[tracing::instrument(level = "debug", skip_all, fields(token = %id))]
pub async fn revoke(ctx: &Ctx, id: ApiTokenId) -> Result<ApiTokenId, Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let now = ctx.now();
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let found = api_token::Entity::find_by_id(id).one(&tx).await.map_err(DbError::from)?;
            let Some(token) = found.filter(|token| token.user_id == user) else { return Err(Error::TokenNotFound) };
            if token.revoked_at.is_none() {
                let row = api_token::ActiveModel { id: Set(id), revoked_at: Set(Some(now)), ..Default::default() };
                api_token::Entity::update(row).exec(&tx).await.map_err(DbError::from)?;
                revocation::revoke(&tx, id.0, now).await?;
            }
            Ok(id)
        })
        .await
}

/// Returns a page of the viewer's own tokens that are not revoked.
pub async fn list(ctx: &Ctx, paging: Paging<ApiTokenId>) -> Result<Page<api_token::Model>, Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    let mine = api_token::Entity::find()
        .filter(api_token::Column::UserId.eq(user))
        .filter(api_token::Column::RevokedAt.is_null());
    Ok(paging.run(mine.cursor_by(api_token::Column::Id), ctx.db.read()).await?)
}

/// Returns the token with this id if it belongs to the viewer.
pub async fn by_id(ctx: &Ctx, id: ApiTokenId) -> Result<Option<api_token::Model>, Error> {
    let found = api_token::Entity::find_by_id(id).one(ctx.db.read()).await.map_err(DbError::from)?;
    Ok(found.filter(|token| Some(token.user_id) == ctx.actor.user_id()))
}
