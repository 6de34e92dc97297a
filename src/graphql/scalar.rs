//! Scalars and values that all nouns use: times, amounts of money, and ids received from clients.
//! Not here: objects of a single noun.

use async_graphql::{ID, InputValueError, InputValueResult, Result, Scalar, ScalarType, SimpleObject, Value};

use crate::clock::Timestamp;
use crate::engine::fault::Fault;
use crate::id::{BadId, NodeId};
use crate::money;

/// Format of each scalar of this service, as named in the error for a wrong value.
const FORMATS: [(&str, &str); 3] = [
    ("DateTime", "RFC 3339 text with an offset such as 2026-12-24T19:30:00+01:00, from 1970 to 9999"),
    ("Decimal", "a decimal number as text such as \"12.50\""),
    ("CurrencyCode", "an ISO 4217 code in capitals such as EUR"),
];

/// Returns the format of a scalar; `None` for types that need no explanation.
pub fn format_of(scalar: &str) -> Option<&'static str> {
    FORMATS.iter().find(|(name, _)| *name == scalar).map(|(_, format)| *format)
}

/// Returns the error for a value that does not have the format of a scalar.
fn misfit<T: async_graphql::InputType>(scalar: &str) -> InputValueError<T> {
    InputValueError::custom(format!("expected {}", format_of(scalar).unwrap_or(scalar)))
}

/// A point in time as RFC 3339 text. Sent in UTC with up to six decimals of a second; accepted with any offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

/// A point in time as RFC 3339 text. Sent in UTC with up to six decimals of a second; accepted with any offset.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Timestamp::from_rfc3339(text).map(Self).ok_or_else(|| misfit("DateTime")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if Timestamp::from_rfc3339(text).is_some())
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.rfc3339())
    }
}

/// A decimal number as text. It is sent with exactly as many decimals as the currency has (`12.50` EUR, `1500` JPY,
/// `1.250` BHD) and accepted with fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(pub String);

/// A decimal number as text. It is sent with exactly as many decimals as the currency has (`12.50` EUR, `1500` JPY,
/// `1.250` BHD) and accepted with fewer.
#[Scalar(name = "Decimal", specified_by_url = "https://en.wikipedia.org/wiki/Decimal_separator")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        if !Self::is_valid(&value) {
            return Err(misfit("Decimal"));
        }
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        let Value::String(text) = value else { return false };
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.len() <= 32
            && digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.matches('.').count() <= 1
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A currency code of ISO 4217: three capital letters, such as `EUR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencyCode(pub String);

/// A currency code of ISO 4217: three capital letters, such as `EUR`.
#[Scalar(name = "CurrencyCode", specified_by_url = "https://www.iso.org/iso-4217-currency-codes.html")]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        if !Self::is_valid(&value) {
            return Err(misfit("CurrencyCode"));
        }
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// An amount of money. A value without an id.
#[derive(Debug, Clone, SimpleObject)]
pub struct Money {
    /// Amount, with exactly as many decimals as the currency has.
    amount: Decimal,
    /// Currency of the amount.
    currency: CurrencyCode,
}

impl Money {
    /// Returns an amount in minor units of a stored currency.
    pub fn of(minor: i64, currency: &str) -> Result<Self> {
        let currency = money::Currency::parse(currency)
            .ok_or_else(|| async_graphql::Error::new(format!("unknown stored currency {currency:?}")))?;
        Ok(money::Money { minor, currency }.into())
    }
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        Self { amount: Decimal(money.decimal()), currency: CurrencyCode(money.currency.code().to_owned()) }
    }
}

/// Reads an id from a client. A malformed id is a fault. An id of another type is `None`, like an id without an object.
pub fn id_of<N: NodeId>(id: &ID) -> Result<Option<N>> {
    match N::parse(id) {
        Ok(id) => Ok(Some(id)),
        Err(BadId::OtherType { .. }) => Ok(None),
        Err(BadId::Malformed) => Err(Fault::BadUserInput.error("This is not an id of this service.")),
    }
}

/// Reads an id from a client for a verb that cannot work without the object. An id of another type becomes one without
/// an object, so that the verb reports "not found".
pub fn id_or_nobody<N: NodeId>(id: &ID) -> Result<N> {
    Ok(id_of(id)?.unwrap_or_else(|| N::from(uuid::Uuid::nil())))
}
