//! Events, which customers book, from draft to archive.
//! Not here: tickets and their owners; every change of capacity, calling off included, is in `booking`.

use chrono_tz::Tz;

use crate::access::Action;
use crate::clock::Timestamp;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, MaybeDb};
use crate::entity::event;
use crate::id::OrganizerId;
use crate::money::{BadAmount, Currency, Money};
use crate::status::EventStatus;
use crate::text::{self, Fields, Invalid, Invalids};

pub mod archive;
pub mod bookable;
pub mod browse;
pub mod create;
pub mod delete;
pub mod edit;
pub mod publish;
pub mod search;
pub mod store;

/// The most tickets one event can have.
const CAPACITY_MAX: i64 = 1_000_000;

/// Longest duration of an event: a year, in microseconds.
const LENGTH_MAX: i64 = 366 * 24 * 3_600 * 1_000_000;

/// Reason an operation on an event was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor lacks permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// At least one input field is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalids),
    /// The event does not exist, or is hidden from the actor.
    #[error("there is no such event")]
    NotFound,
    /// The organizer does not exist, or the actor is not a member of it.
    #[error("there is no such organizer")]
    OrganizerNotFound,
    /// The event's status does not allow the operation.
    #[error("the event is {}, which does not allow this", .0.word())]
    InvalidTransition(EventStatus),
    /// The event has begun or is over.
    #[error("the event has begun or is over")]
    Over,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Invalid> for Error {
    fn from(only: Invalid) -> Self {
        Self::Invalid(only.into())
    }
}

impl MaybeDb for Error {
    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns the event that was found if the actor may manage it, or "not found" if it is hidden from the actor.
pub fn may_manage(ctx: &Ctx, event: Option<event::Model>) -> Result<event::Model, Error> {
    let event = event.ok_or(Error::NotFound)?;
    ctx.require(Action::ManageEventOf(event.organizer_id), Error::NotFound)?;
    Ok(event)
}

/// Returns true if the event is visible to all. That is final: no status leads back to a draft.
pub fn is_public(event: &event::Model) -> bool {
    event.status != EventStatus::Draft
}

/// Returns true if the actor may see this event. Drafts are visible only to members of the organizer and to
/// administrators.
pub fn may_see(ctx: &Ctx, event: &event::Model) -> bool {
    is_public(event) || ctx.allow(Action::SeeEventsOf(event.organizer_id)).is_ok()
}

/// Returns the organizer the actor creates an event for: the one that is named, or the only one for which the actor may
/// manage events.
pub fn organizer_for(ctx: &Ctx, named: Option<OrganizerId>) -> Result<OrganizerId, Error> {
    ctx.allow(Action::ManageEvents)?;
    let managed = ctx.actor.organizers(Action::ManageEventOf);
    match (named, managed.as_slice()) {
        (Some(named), managed) if managed.contains(&named) => Ok(named),
        (None, [only]) => Ok(*only),
        (None, []) => Err(Error::Denied(Denied::Role)),
        (None, _) => {
            Err(Invalid::new("organizerId", "must name the organizer, because you manage events of several").into())
        }
        // A member without this right; an administrator, who creates no events; or another organizer.
        (Some(named), _) => match ctx.allow(Action::ManageEventOf(named)) {
            Ok(()) => Err(Error::Denied(Denied::Role)),
            Err(Denied::Hidden) => Err(Error::OrganizerNotFound),
            Err(denied) => Err(denied.into()),
        },
    }
}

fn time_zone(name: &str) -> Result<String, Invalid> {
    let zone: Tz =
        name.trim().parse().map_err(|_| Invalid::new("timeZone", "must be an IANA time zone such as Europe/Berlin"))?;
    Ok(zone.name().to_owned())
}

fn currency(code: &str) -> Result<Currency, Invalid> {
    let known = Currency::parse(code).filter(|currency| currency.is_in_use());
    known.ok_or_else(|| Invalid::new("currency", "must be the ISO 4217 code of a currency in use, such as EUR"))
}

fn price(text: &str, currency: Currency) -> Result<i64, Invalid> {
    match Money::parse(text, currency) {
        Ok(money) => Ok(money.minor),
        Err(error @ (BadAmount::Malformed | BadAmount::TooPrecise | BadAmount::OutOfRange)) => {
            Err(Invalid::new("price", format!("{error} ({} has {} decimals)", currency.code(), currency.exponent())))
        }
    }
}

/// Checks the number of tickets of an event.
pub fn capacity(tickets: i64) -> Result<i64, Invalid> {
    let fits = (1..=CAPACITY_MAX).contains(&tickets);
    if fits { Ok(tickets) } else { Err(Invalid::new("capacity", format!("must be between 1 and {CAPACITY_MAX}"))) }
}

fn title(text: &str) -> Result<String, Invalid> {
    text::line("title", text, 200)
}

fn description(text: &str) -> Result<String, Invalid> {
    text::lines("description", text, 10_000)
}

fn venue(text: &str) -> Result<String, Invalid> {
    text::line("venue", text, 200)
}

/// Checks the beginning of an event that is created or moved at `now`.
fn beginning(starts_at: Timestamp, now: Timestamp) -> Result<(), Invalid> {
    if starts_at > now { Ok(()) } else { Err(Invalid::new("startsAt", "must be in the future")) }
}

/// Checks the end of an event against its beginning and `now`.
fn end(starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Result<(), Invalid> {
    if ends_at <= starts_at {
        return Err(Invalid::new("endsAt", "must be after startsAt"));
    }
    if ends_at <= now {
        return Err(Invalid::new("endsAt", "must be in the future"));
    }
    if ends_at.0.saturating_sub(starts_at.0) > LENGTH_MAX {
        return Err(Invalid::new("endsAt", "must be within a year of startsAt"));
    }
    Ok(())
}

/// Checks the times of an event that is created at `now`.
fn times(fields: &mut Fields, starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) {
    fields.check(beginning(starts_at, now));
    fields.check(end(starts_at, ends_at, now));
}
