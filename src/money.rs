//! Money as integer minor units with an ISO 4217 currency, and its decimal text.
//! Not here: conversion between currencies; there is none, an event has one.

use serde::{Deserialize, Serialize};

/// Currencies sold in, with their ISO 4217 minor-unit exponents (ISO 4217:2015, list one).
const CURRENCIES: &[(&str, u32)] = &[
    ("AED", 2),
    ("ARS", 2),
    ("AUD", 2),
    ("BGN", 2),
    ("BHD", 3),
    ("BRL", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("COP", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("EGP", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("HKD", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KES", 2),
    ("KRW", 0),
    ("KWD", 3),
    ("MAD", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("NGN", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PEN", 2),
    ("PHP", 2),
    ("PLN", 2),
    ("QAR", 2),
    ("RON", 2),
    ("RSD", 2),
    ("SAR", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("THB", 2),
    ("TND", 3),
    ("TRY", 2),
    ("TWD", 2),
    ("UAH", 2),
    ("USD", 2),
    ("UYU", 2),
    ("VND", 0),
    ("ZAR", 2),
];

/// The largest price in minor units: keeps every sum of a booking far inside 64 bits.
pub const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;

/// An ISO 4217 code this service knows the exponent of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Currency(&'static str);

impl Currency {
    /// Reads a three-letter code, upper case only.
    pub fn parse(code: &str) -> Option<Self> {
        CURRENCIES.iter().find(|(known, _)| *known == code).map(|(known, _)| Self(known))
    }

    /// The code.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// How many digits stand behind the point.
    pub fn exponent(self) -> u32 {
        CURRENCIES.iter().find(|(known, _)| *known == self.0).map_or(2, |(_, exponent)| *exponent)
    }
}

/// An amount in minor units (cents, yen, fils) of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// In which currency.
    pub currency: Currency,
}

/// Why a decimal text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, thiserror::Error)]
pub enum BadAmount {
    /// Not digits with at most one point.
    #[error("not a decimal number such as 12.50")]
    Malformed,
    /// More digits behind the point than the currency has.
    #[error("more decimals than the currency has")]
    TooPrecise,
    /// Negative or beyond [`MAX_PRICE_MINOR`].
    #[error("negative or too large")]
    OutOfRange,
}

impl Money {
    /// The amount as decimal text with exactly the currency's digits: `12.50`, `1500` (JPY), `1.250` (BHD).
    pub fn decimal(self) -> String {
        let exponent = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        if exponent == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// Reads a price: digits with at most the currency's decimals, not negative.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, BadAmount> {
        Self::parse_up_to(text, currency, MAX_PRICE_MINOR)
    }

    /// Reads an amount of several prices: the same with another limit in minor units.
    pub fn parse_up_to(text: &str, currency: Currency, max_minor: i64) -> Result<Self, BadAmount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 || fraction.len() > 15 || !digits(fraction) {
            return Err(BadAmount::Malformed);
        }
        if whole.starts_with('-') && digits(&whole[1..]) {
            return Err(BadAmount::OutOfRange);
        }
        if !digits(whole) || (text.contains('.') && fraction.is_empty()) {
            return Err(BadAmount::Malformed);
        }
        let exponent = currency.exponent() as usize;
        if fraction.len() > exponent {
            return Err(BadAmount::TooPrecise);
        }
        let minor: i64 = format!("{whole}{fraction:0<exponent$}").parse().map_err(|_| BadAmount::OutOfRange)?;
        if minor > max_minor {
            return Err(BadAmount::OutOfRange);
        }
        Ok(Self { minor, currency })
    }
}
