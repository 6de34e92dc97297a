//! Money beyond the first examples: every currency, every amount in both directions, any text.
//! Not here: the rules for prices of events (`event`).

use boxoffice::money::{BadAmount, Currency, MAX_PRICE_MINOR, Money};

use crate::harness::seeded;

/// Returns every three-letter code that is a currency of this service.
fn currencies() -> Vec<Currency> {
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    codes.filter_map(|code| Currency::parse(&code)).collect()
}

/// ISO 4217, list one: all currencies without two digits, and their number.
#[test]
fn currencies_and_exponents_are_those_of_iso_4217() {
    let in_use: Vec<Currency> = currencies().into_iter().filter(|currency| currency.is_in_use()).collect();
    for currency in &in_use {
        let digits = match currency.code() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
            | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        };
        assert_eq!(currency.exponent(), digits, "{}", currency.code());
    }
    assert!((150..170).contains(&in_use.len()), "{}", in_use.len());
    for code in ["USD", "CHF", "XCD", "PKR", "BDT", "KZT", "GEL", "LKR", "GHS", "VES", "VED", "ZWG", "SLE", "XCG"] {
        assert!(in_use.iter().any(|currency| currency.code() == code), "{code}");
    }
    // Funds and historic currencies can be shown where they are stored, but nothing is sold in them.
    for code in ["HRK", "BGN", "CLF", "USN", "UYW", "ZWL"] {
        assert!(Currency::parse(code).is_some_and(|currency| !currency.is_in_use()), "{code}");
    }
    for code in ["", "EU", "EURO", "eur", "Eur", " EUR", "EUR ", "XXX", "XAU", "XDR", "€", "ÉUR"] {
        assert!(Currency::parse(code).is_none(), "{code:?}");
    }
}

#[test]
fn every_amount_survives_its_text() {
    let random = seeded("money");
    for currency in currencies() {
        let edges = [0, 1, 9, 10, 99, 100, 999, 1_000, MAX_PRICE_MINOR - 1, MAX_PRICE_MINOR];
        let drawn = (0..200).map(|_| (random.fraction() * MAX_PRICE_MINOR as f64) as i64);
        for minor in edges.into_iter().chain(drawn) {
            let money = Money { minor, currency };
            let text = money.decimal();
            assert_eq!(Money::parse(&text, currency), Ok(money), "{text} {}", currency.code());
            let behind = text.split_once('.').map_or(0, |(_, digits)| digits.len());
            assert_eq!(behind, currency.exponent() as usize, "{text} {}", currency.code());
            let negative = Money { minor: -minor, currency }.decimal();
            assert_eq!(negative.trim_start_matches('-'), text);
            assert_eq!(negative.starts_with('-'), minor != 0);
        }
        let beyond = Money { minor: MAX_PRICE_MINOR + 1, currency }.decimal();
        assert_eq!(Money::parse(&beyond, currency), Err(BadAmount::OutOfRange));
        assert_eq!(Money::parse(&Money { minor: i64::MAX, currency }.decimal(), currency).ok(), None);
        let _ = Money { minor: i64::MIN, currency }.decimal(); // the absolute value does not fit into i64
    }
}

/// Any input is either a price that can be shown again, or refused with a reason.
#[test]
fn any_text_is_a_price_or_refused() {
    let random = seeded("prices");
    let letters: Vec<char> = "00123456789...--+eE, '٣\u{0}x".chars().collect();
    let mut accepted = 0;
    for _ in 0..50_000 {
        let length = (random.fraction() * 20.0) as usize;
        let letter = || letters[(random.fraction() * letters.len() as f64) as usize];
        let text: String = (0..length).map(|_| letter()).collect();
        for code in ["JPY", "EUR", "BHD"] {
            let currency = Currency::parse(code).unwrap();
            let Ok(money) = Money::parse(&text, currency) else { continue };
            accepted += 1;
            assert!((0..=MAX_PRICE_MINOR).contains(&money.minor), "{text:?}");
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text:?}");
            let (shown, sent): (f64, f64) = (money.decimal().parse().unwrap(), text.parse().unwrap());
            assert!((shown - sent).abs() < 1e-3 * sent.max(1.0) * f64::EPSILON.sqrt(), "{text:?} {}", money.decimal());
        }
    }
    assert!(accepted > 100, "the draw makes prices too: {accepted}");
}
