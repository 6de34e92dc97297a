//! Conversion of the errors of verbs to GraphQL: refusals become data of the payload, faults become GraphQL errors.
//! Not here: the closed list of faults (`engine::fault`).
//!
//! No `match` here has a wildcard arm, so that a new refusal does not compile without its code.

use async_graphql::{Enum, Error, Interface, Result, SimpleObject};

use super::guard::denied;
use super::scalar::Money;
use crate::db::DbError;
use crate::engine::fault::Fault;
use crate::text::{Invalid, Invalids};
use crate::{account, booking, event, notification};

/// Code of a refusal. New codes may be added: show the `message` of a refusal with an unknown code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// An input field has an invalid value; `path` names the field.
    Invalid,
    /// The object does not exist, or you may not see it.
    NotFound,
    /// An account with this e-mail address exists already.
    EmailTaken,
    /// The e-mail address or the password is wrong.
    InvalidCredentials,
    /// The session has ended: sign in again.
    SessionEnded,
    /// The account with this e-mail address is a member of the organizer already.
    AlreadyMember,
    /// The organizer would have no OWNER left: make another member OWNER first.
    LastOwner,
    /// The current status of the object does not allow this request.
    InvalidTransition,
    /// The event has begun or is over.
    EventOver,
    /// Fewer tickets are available than the request needs.
    NotEnoughTickets,
    /// Tickets are available: book them instead of waiting.
    TicketsAvailable,
    /// You are already waiting for tickets of this ticket type.
    AlreadyWaiting,
    /// The waitlist entry no longer waits for tickets.
    NotWaiting,
    /// The booking is already cancelled.
    AlreadyCancelled,
    /// More tickets are sold or held than the new capacity allows.
    CapacityBelowTaken,
    /// The total price differs from `expectedTotal`.
    PriceChanged,
    /// The idempotency key was used before, with another input or another mutation.
    IdempotencyKeyReused,
}

/// Reason for the refusal of a mutation. A refused mutation changes nothing.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "message", ty = "&String", desc = "Sentence to show to the user."),
    field(name = "code", ty = "&UserErrorCode", desc = "Code of the refusal, for client programs."),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "Path of the input field concerned, beginning with `input`; null when the request as a whole is refused."
    )
)]
pub enum UserError {
    /// A refusal without numbers.
    Refusal(RefusalError),
    /// A refusal with the numbers of tickets available and requested.
    NotEnoughTickets(NotEnoughTicketsError),
    /// A refusal with the number of tickets available.
    TicketsAvailable(TicketsAvailableError),
    /// A refusal with the number of tickets taken.
    CapacityBelowTaken(CapacityBelowTakenError),
    /// A refusal with the current total price.
    PriceChanged(PriceChangedError),
}

/// Refusal without further data.
#[derive(Debug, Clone, SimpleObject)]
pub struct RefusalError {
    /// Sentence to show to the user.
    message: String,
    /// Code of the refusal, for client programs.
    code: UserErrorCode,
    /// Path of the input field concerned, beginning with `input`; null when the request as a whole is refused.
    path: Option<Vec<String>>,
}

/// Refusal because fewer tickets are available than the request needs.
#[derive(Debug, Clone, SimpleObject)]
pub struct NotEnoughTicketsError {
    /// Sentence to show to the user.
    message: String,
    /// Code of the refusal, for client programs.
    code: UserErrorCode,
    /// Path of the input field concerned, beginning with `input`; null when the request as a whole is refused.
    path: Option<Vec<String>>,
    /// Number of tickets that can be booked now.
    available: i32,
    /// Number of tickets that the request asks for.
    requested: i32,
}

/// Refusal to join a waitlist because tickets are available.
#[derive(Debug, Clone, SimpleObject)]
pub struct TicketsAvailableError {
    /// Sentence to show to the user.
    message: String,
    /// Code of the refusal, for client programs.
    code: UserErrorCode,
    /// Path of the input field concerned, beginning with `input`; null when the request as a whole is refused.
    path: Option<Vec<String>>,
    /// Number of tickets that can be booked now.
    available: i32,
}

/// Refusal because more tickets are sold or held than the new capacity allows.
#[derive(Debug, Clone, SimpleObject)]
pub struct CapacityBelowTakenError {
    /// Sentence to show to the user.
    message: String,
    /// Code of the refusal, for client programs.
    code: UserErrorCode,
    /// Path of the input field concerned, beginning with `input`; null when the request as a whole is refused.
    path: Option<Vec<String>>,
    /// Number of tickets that are sold or held.
    taken: i32,
}

/// Refusal because the total price differs from `expectedTotal`.
#[derive(Debug, Clone, SimpleObject)]
pub struct PriceChangedError {
    /// Sentence to show to the user.
    message: String,
    /// Code of the refusal, for client programs.
    code: UserErrorCode,
    /// Path of the input field concerned, beginning with `input`; null when the request as a whole is refused.
    path: Option<Vec<String>>,
    /// Current total price of the tickets that the request asks for.
    total: Money,
}

/// Converts a number to GraphQL's 32 bits. Numbers of tickets fit, because a capacity is at most a million.
pub fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// Makes a sentence of a verb's message, which begins with a small letter and has no full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Returns the path of an input field; a dot in the name leads to a field inside.
fn path(field: &str) -> Option<Vec<String>> {
    Some(std::iter::once("input").chain(field.split('.')).map(str::to_owned).collect())
}

fn refusal(code: UserErrorCode, error: &impl ToString) -> UserError {
    UserError::Refusal(RefusalError { message: sentence(&error.to_string()), code, path: None })
}

/// Returns a refusal that one input field caused.
fn refusal_at(field: &str, code: UserErrorCode, error: &impl ToString) -> UserError {
    UserError::Refusal(RefusalError { message: sentence(&error.to_string()), code, path: path(field) })
}

/// Returns one error per invalid field.
fn invalid(all: &Invalids) -> Vec<UserError> {
    let one = |error: &Invalid| refusal_at(&error.field, UserErrorCode::Invalid, error);
    all.iter().map(one).collect()
}

/// Converts a database error to its fault. The text goes to the log when the response is masked, never to the client.
pub fn db_fault(error: &DbError) -> Error {
    match error {
        DbError::Overloaded => {
            Fault::Overloaded.retry_after("The service is busy; try again.", std::time::Duration::from_secs(1))
        }
        DbError::Unclear | DbError::FileReplaced | DbError::Failed(_) => Error::new(error.to_string()),
    }
}

/// Returns the object of a payload, which is read after the commit. A missing object is a fault: null beside a success
/// would contradict the success.
pub fn stored<T>(object: Option<T>) -> Result<T> {
    object.ok_or_else(|| Error::new("a committed object cannot be read back"))
}

/// Conversion of a verb's error for the client: refusals for the payload, or a fault.
pub trait IntoUserError {
    /// Returns refusals as data, one per invalid field, or a fault as `Err`.
    fn into_user_error(self) -> Result<Vec<UserError>>;

    /// Returns the fault for a query, which has no payload for refusals: a refusal becomes `NOT_FOUND`.
    fn fault(self) -> Error
    where
        Self: Sized,
    {
        self.into_user_error().map_or_else(|fault| fault, |_| Fault::NotFound.error("There is no such object."))
    }
}

impl IntoUserError for account::Error {
    fn into_user_error(self) -> Result<Vec<UserError>> {
        Ok(vec![match &self {
            Self::Denied(why) => return Err(denied(*why)),
            Self::Db(error) => return Err(db_fault(error)),
            Self::Hashing(why) => return Err(Error::new(why)),
            Self::Throttled { wait, .. } => {
                return Err(Fault::RateLimited.retry_after(sentence(&self.to_string()), *wait));
            }
            Self::Invalid(all) => return Ok(invalid(all)),
            Self::EmailTaken => refusal_at("email", UserErrorCode::EmailTaken, &self),
            Self::BadCredentials => refusal(UserErrorCode::InvalidCredentials, &self),
            Self::WrongPassword => refusal_at("currentPassword", UserErrorCode::InvalidCredentials, &self),
            Self::SessionEnded => refusal_at("refreshToken", UserErrorCode::SessionEnded, &self),
            Self::SessionNotFound => refusal_at("sessionId", UserErrorCode::NotFound, &self),
            Self::TokenNotFound => refusal_at("apiTokenId", UserErrorCode::NotFound, &self),
            Self::OrganizerNotFound => refusal_at("organizerId", UserErrorCode::NotFound, &self),
            Self::MembershipNotFound => refusal_at("membershipId", UserErrorCode::NotFound, &self),
            Self::InvitationNotFound => refusal_at("invitationId", UserErrorCode::NotFound, &self),
            Self::InvitationOver => refusal_at("invitationId", UserErrorCode::InvalidTransition, &self),
            Self::AlreadyMember { field } => refusal_at(field, UserErrorCode::AlreadyMember, &self),
            Self::LastOwner => refusal_at("membershipId", UserErrorCode::LastOwner, &self),
            Self::UserNotFound => refusal_at("userId", UserErrorCode::NotFound, &self),
        }])
    }
}

impl IntoUserError for event::Error {
    fn into_user_error(self) -> Result<Vec<UserError>> {
        Ok(vec![match &self {
            Self::Denied(why) => return Err(denied(*why)),
            Self::Db(error) => return Err(db_fault(error)),
            Self::Invalid(all) => return Ok(invalid(all)),
            Self::NotFound => refusal_at("eventId", UserErrorCode::NotFound, &self),
            Self::OrganizerNotFound => refusal_at("organizerId", UserErrorCode::NotFound, &self),
            Self::InvalidTransition(_) => refusal(UserErrorCode::InvalidTransition, &self),
            Self::Over => refusal(UserErrorCode::EventOver, &self),
        }])
    }
}

impl IntoUserError for event::create::CreateError {
    fn into_user_error(self) -> Result<Vec<UserError>> {
        match self {
            Self::Event(error) => error.into_user_error(),
            Self::KeyReused => Ok(vec![refusal_at("idempotencyKey", UserErrorCode::IdempotencyKeyReused, &self)]),
        }
    }
}

impl IntoUserError for booking::Error {
    fn into_user_error(self) -> Result<Vec<UserError>> {
        let message = sentence(&self.to_string());
        Ok(vec![match &self {
            Self::Denied(why) => return Err(denied(*why)),
            Self::Db(error) => return Err(db_fault(error)),
            Self::Internal => return Err(Error::new(self.to_string())),
            Self::Invalid(all) => return Ok(invalid(all)),
            Self::EventNotFound => refusal_at("eventId", UserErrorCode::NotFound, &self),
            Self::BookingNotFound => refusal_at("bookingId", UserErrorCode::NotFound, &self),
            Self::EntryNotFound => refusal_at("entryId", UserErrorCode::NotFound, &self),
            Self::NotOnSale(_) => refusal(UserErrorCode::InvalidTransition, &self),
            Self::EventOver => refusal(UserErrorCode::EventOver, &self),
            Self::AlreadyWaiting | Self::WaitingForTheSame { .. } => refusal(UserErrorCode::AlreadyWaiting, &self),
            Self::OtherTotal { total } => UserError::PriceChanged(PriceChangedError {
                message,
                code: UserErrorCode::PriceChanged,
                path: path("expectedTotal"),
                total: Money::from(*total),
            }),
            Self::AlreadyCancelled => refusal(UserErrorCode::AlreadyCancelled, &self),
            Self::NotWaiting => refusal(UserErrorCode::NotWaiting, &self),
            Self::KeyReused => refusal_at("idempotencyKey", UserErrorCode::IdempotencyKeyReused, &self),
            Self::NotEnoughTickets { available, requested } => UserError::NotEnoughTickets(NotEnoughTicketsError {
                message,
                code: UserErrorCode::NotEnoughTickets,
                path: None,
                available: int(*available),
                requested: int(*requested),
            }),
            Self::TicketsAvailable { available } => UserError::TicketsAvailable(TicketsAvailableError {
                message,
                code: UserErrorCode::TicketsAvailable,
                path: None,
                available: int(*available),
            }),
            Self::CapacityBelowTaken { taken } => UserError::CapacityBelowTaken(CapacityBelowTakenError {
                message,
                code: UserErrorCode::CapacityBelowTaken,
                path: path("capacity"),
                taken: int(*taken),
            }),
        }])
    }
}

impl IntoUserError for notification::read::Error {
    fn into_user_error(self) -> Result<Vec<UserError>> {
        match &self {
            Self::Denied(why) => Err(denied(*why)),
            Self::Db(error) => Err(db_fault(error)),
        }
    }
}
