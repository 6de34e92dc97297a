//! The one ticket that turns what a verb says into what a client reads: refusals become data, faults become errors.
//! Not here: the closed list of faults (`fault`). No arm is a wildcard: a new refusal does not compile without its code.

use async_graphql::{Enum, Error, Interface, Result, SimpleObject};

use super::guard::denied;
use super::scalar::Money;
use crate::db::DbError;
use crate::engine::fault::Fault;
use crate::text::{Invalid, Invalids};
use crate::{account, booking, event, notification};

/// Why a mutation changed nothing. New codes may be added: treat unknown ones by their message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// An input field cannot be taken as it is; `path` says which.
    Invalid,
    /// There is no such object, or not for you.
    NotFound,
    /// There is already an account with this e-mail address.
    EmailTaken,
    /// E-mail address or password is wrong.
    InvalidCredentials,
    /// The session has ended: sign in again.
    SessionEnded,
    /// The object's status does not allow this.
    InvalidTransition,
    /// The event has begun or is over.
    EventOver,
    /// Fewer tickets are free than the request needs.
    NotEnoughTickets,
    /// Tickets are free: book them instead of waiting.
    TicketsAvailable,
    /// You are already waiting for tickets of this kind.
    AlreadyWaiting,
    /// You are not waiting in this line any more.
    NotWaiting,
    /// The booking is already cancelled.
    AlreadyCancelled,
    /// More tickets are sold or held than the new capacity has.
    CapacityBelowTaken,
    /// The tickets cost something else than `expectedTotal`.
    PriceChanged,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
}

/// Why a mutation changed nothing, as data.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "message", ty = "&String", desc = "A sentence that can be shown to people."),
    field(name = "code", ty = "&UserErrorCode", desc = "What programs decide by."),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "The input field this is about, from `input` on; null when it is about the request as a whole."
    )
)]
pub enum UserError {
    /// Without numbers.
    Refusal(RefusalError),
    /// With numbers.
    NotEnoughTickets(NotEnoughTicketsError),
    /// With numbers.
    TicketsAvailable(TicketsAvailableError),
    /// With numbers.
    CapacityBelowTaken(CapacityBelowTakenError),
    /// With the new total.
    PriceChanged(PriceChangedError),
}

/// A refusal that needs no numbers.
#[derive(Debug, Clone, SimpleObject)]
pub struct RefusalError {
    /// A sentence that can be shown to people.
    message: String,
    /// What programs decide by.
    code: UserErrorCode,
    /// The input field this is about; null: the request as a whole.
    path: Option<Vec<String>>,
}

/// Fewer tickets are free than the request needs.
#[derive(Debug, Clone, SimpleObject)]
pub struct NotEnoughTicketsError {
    /// A sentence that can be shown to people.
    message: String,
    /// What programs decide by.
    code: UserErrorCode,
    /// The input field this is about; null: the request as a whole.
    path: Option<Vec<String>>,
    /// Tickets a newcomer could book.
    available: i32,
    /// Tickets asked for.
    requested: i32,
}

/// Nobody needs to wait.
#[derive(Debug, Clone, SimpleObject)]
pub struct TicketsAvailableError {
    /// A sentence that can be shown to people.
    message: String,
    /// What programs decide by.
    code: UserErrorCode,
    /// The input field this is about; null: the request as a whole.
    path: Option<Vec<String>>,
    /// Tickets a newcomer could book.
    available: i32,
}

/// More tickets are taken than the new capacity has.
#[derive(Debug, Clone, SimpleObject)]
pub struct CapacityBelowTakenError {
    /// A sentence that can be shown to people.
    message: String,
    /// What programs decide by.
    code: UserErrorCode,
    /// The input field this is about; null: the request as a whole.
    path: Option<Vec<String>>,
    /// Tickets sold or held.
    taken: i32,
}

/// The tickets cost something else than `expectedTotal`.
#[derive(Debug, Clone, SimpleObject)]
pub struct PriceChangedError {
    /// A sentence that can be shown to people.
    message: String,
    /// What programs decide by.
    code: UserErrorCode,
    /// The input field this is about; null: the request as a whole.
    path: Option<Vec<String>>,
    /// Present price of all tickets the request asks for.
    total: Money,
}

/// Numbers of tickets fit GraphQL's 32 bits: capacity is a million at most.
pub fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// A message made a sentence: verbs say it small and without a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The path of an input field; the parts of a name behind dots are inside it.
fn path(field: &str) -> Option<Vec<String>> {
    Some(std::iter::once("input").chain(field.split('.')).map(str::to_owned).collect())
}

fn refusal(code: UserErrorCode, error: &impl ToString) -> UserError {
    UserError::Refusal(RefusalError { message: sentence(&error.to_string()), code, path: None })
}

/// A refusal that one field is to blame for.
fn refusal_at(field: &str, code: UserErrorCode, error: &impl ToString) -> UserError {
    UserError::Refusal(RefusalError { message: sentence(&error.to_string()), code, path: path(field) })
}

/// An error per field at fault.
fn invalid(all: &Invalids) -> Vec<UserError> {
    let one = |error: &Invalid| refusal_at(&error.field, UserErrorCode::Invalid, error);
    all.iter().map(one).collect()
}

/// The fault a database error is. Its text goes to the log when the response is masked, never to the client.
pub fn db_fault(error: &DbError) -> Error {
    match error {
        DbError::Overloaded => {
            Fault::Overloaded.retry_after("The service is busy; try again.", std::time::Duration::from_secs(1))
        }
        DbError::Unclear | DbError::FileReplaced | DbError::Failed(_) => Error::new(error.to_string()),
    }
}

/// The object of a payload, read after its commit. One that is not there is a fault: null beside a success would tell a
/// client that it has something which nobody stored.
pub fn stored<T>(object: Option<T>) -> Result<T> {
    object.ok_or_else(|| Error::new("what was committed cannot be read"))
}

/// What a verb's error is for a client: a refusal to put into the payload, or a fault.
pub trait IntoUserError {
    /// `Ok`: data, an error per field at fault. `Err`: a fault.
    fn into_user_error(self) -> Result<Vec<UserError>>;

    /// The same where there is no payload for data, in a query: what is refused there is not there.
    fn fault(self) -> Error
    where
        Self: Sized,
    {
        self.into_user_error().map_or_else(|fault| fault, |_| Fault::NotFound.error("There is no such thing."))
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
