//! Money as integer minor units with an ISO 4217 currency, and its decimal text.
//! Not here: conversion between currencies, because an event has one currency. Codes and their digits come from
//! `iso_currency`.

use serde::{Deserialize, Serialize, Serializer};

/// Codes that `iso_currency` marks as superseded although ISO 4217 list one still has them.
const STILL_IN_USE: [&str; 1] = ["VES"];

/// Largest price in minor units; keeps every sum of a booking far below 64 bits.
pub const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;

/// Currency of ISO 4217 that has a minor unit. Past currencies are included, so that stored amounts can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Parses a three-letter code, upper case only.
    pub fn parse(code: &str) -> Option<Self> {
        let found = iso_currency::Currency::from_code(code).map(Self)?;
        found.0.exponent().map(|_| found)
    }

    /// Returns true if events may be sold in it: current money, neither a fund nor a metal nor a past currency.
    pub fn is_in_use(self) -> bool {
        let is_past = self.0.is_superseded().is_some() && !STILL_IN_USE.contains(&self.code());
        !self.0.is_fund() && !self.0.is_special() && !is_past
    }

    /// Returns the ISO 4217 code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Returns the number of digits behind the decimal point.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// Amount in minor units (cents, yen, fils) of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Number of minor units.
    pub minor: i64,
    /// Currency of the amount.
    pub currency: Currency,
}

/// Reason why a decimal text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, thiserror::Error)]
pub enum BadAmount {
    /// The text is not digits with at most one point.
    #[error("not a decimal number such as 12.50")]
    Malformed,
    /// The text has more digits behind the point than the currency.
    #[error("more decimals than the currency has")]
    TooPrecise,
    /// The amount is negative or above [`MAX_PRICE_MINOR`].
    #[error("negative or too large")]
    OutOfRange,
}

impl Money {
    /// Formats the amount as decimal text with exactly the currency's digits: `12.50`, `1500` (JPY), `1.250` (BHD).
    pub fn decimal(self) -> String {
        let exponent = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        if exponent == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// Parses a price: digits with at most the currency's decimals, not negative.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, BadAmount> {
        Self::parse_up_to(text, currency, MAX_PRICE_MINOR)
    }

    /// Parses an amount of several prices, with another limit in minor units.
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
