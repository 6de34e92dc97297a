//! Browsing: lists of events with filters and sort, paged by key.
//! Not here: who sees drafts is decided by the caller's scope; availability figures (`booking::availability`).

use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, Select, sea_query::LikeExpr};

use super::bookable::{has_no_places, has_places};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::DbError;
use crate::entity::event;
use crate::id::{EventId, OrganizerId};
use crate::page::{Page, Paging};
use crate::status::EventStatus;

/// Whose list this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What everybody sees: published events that are not over.
    Programme,
    /// Every event of an organizer, drafts included.
    Of(OrganizerId),
    /// Every event there is.
    All,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// That begin at or after this.
    pub from: Option<Micros>,
    /// That begin before this.
    pub until: Option<Micros>,
    /// Whose title or venue contains this, whatever the case.
    pub text: Option<String>,
    /// Where a newcomer can book at least one place now (true) or cannot (false).
    pub has_places: Option<bool>,
    /// Of this organizer.
    pub organizer: Option<OrganizerId>,
    /// In this status.
    pub status: Option<EventStatus>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The next one first.
    StartsAtAsc,
    /// The farthest one first.
    StartsAtDesc,
    /// The newest publication first.
    PublishedAtDesc,
}

fn select(ctx: &Ctx, scope: Scope, filter: &Filter) -> Select<event::Entity> {
    let mut all = Condition::all();
    all = match scope {
        Scope::Programme => {
            all.add(event::Column::Status.eq(EventStatus::Published)).add(event::Column::EndsAt.gt(ctx.now()))
        }
        Scope::Of(organizer) => all.add(event::Column::OrganizerId.eq(organizer)),
        Scope::All => all,
    };
    all = all
        .add_option(filter.from.map(|at| event::Column::StartsAt.gte(at)))
        .add_option(filter.until.map(|at| event::Column::StartsAt.lt(at)))
        .add_option(filter.organizer.map(|id| event::Column::OrganizerId.eq(id)))
        .add_option(filter.status.map(|status| event::Column::Status.eq(status)));
    if let Some(text) = &filter.text {
        let escaped = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        all = all.add(event::Column::Search.like(LikeExpr::new(format!("%{escaped}%")).escape('!')));
    }
    if let Some(wanted) = filter.has_places {
        all = all.add(if wanted { has_places(ctx.now()) } else { has_no_places(ctx.now()) });
    }
    event::Entity::find().filter(all)
}

/// One page of events.
pub async fn browse(
    ctx: &Ctx,
    scope: Scope,
    filter: &Filter,
    sort: Sort,
    paging: &Paging<(Micros, EventId)>,
) -> Result<Page<event::Model>, DbError> {
    let key = match sort {
        Sort::StartsAtAsc | Sort::StartsAtDesc => event::Column::StartsAt,
        Sort::PublishedAtDesc => event::Column::PublishedAt,
    };
    let mut query = select(ctx, scope, filter);
    if sort == Sort::PublishedAtDesc {
        query = query.filter(event::Column::PublishedAt.is_not_null());
    }
    let mut cursor = query.cursor_by((key, event::Column::Id));
    if sort != Sort::StartsAtAsc {
        cursor.desc();
    }
    paging.run(cursor, ctx.db.read()).await
}

/// How many events there are on all pages.
pub async fn count(ctx: &Ctx, scope: Scope, filter: &Filter) -> Result<u64, DbError> {
    Ok(select(ctx, scope, filter).count(ctx.db.read()).await?)
}
