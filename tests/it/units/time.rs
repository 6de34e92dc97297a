//! Timestamps, clocks and backoff at their limits.
//! Not here: actions at a time.

use std::time::Duration;

use boxoffice::clock::{Clock, Timestamp};
use boxoffice::queue::Backoff;

use crate::harness::{BEGINNING, seeded};

/// The last instant that can be stored: one microsecond before the year 10000.
const LAST: Timestamp = Timestamp(253_402_300_799_999_999);

#[test]
fn every_instant_that_is_read_can_be_shown_again() {
    let random = seeded("instants");
    let drawn = (0..5_000).map(|_| Timestamp((random.fraction() * LAST.0 as f64) as i64));
    for instant in
        [Timestamp(0), Timestamp(1), Timestamp(999), Timestamp(1_000), BEGINNING, LAST].into_iter().chain(drawn)
    {
        assert_eq!(Timestamp::from_rfc3339(&instant.rfc3339()), Some(instant), "{}", instant.rfc3339());
    }
    for (text, shown) in [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"), // a leap second is the next one
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00Z"), // the hour that clocks in Berlin skip
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456Z"),
        ("2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1970-01-01T14:00:00+14:00", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(Timestamp::from_rfc3339(text).unwrap().rfc3339(), shown, "{text}");
    }
    for text in [
        "1970-01-01T00:59:59+01:00", // before 1970 in UTC
        "9999-12-31T23:59:59-00:01", // behind 9999 in UTC
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00 Europe/Berlin",
        " 2026-01-01T00:00:00Z",
        "1767225600",
    ] {
        assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
    }
    // The value of a damaged row is shown as it is, not as a false time.
    assert_eq!(Timestamp(i64::MAX).rfc3339(), i64::MAX.to_string());
}

#[test]
fn arithmetic_stays_at_its_ends() {
    assert_eq!(Timestamp(5).plus(Duration::from_secs(1)), Timestamp(1_000_005));
    assert_eq!(Timestamp(5).minus(Duration::from_secs(1)), Timestamp(-999_995));
    assert_eq!(Timestamp(i64::MAX - 1).plus(Duration::MAX), Timestamp(i64::MAX));
    assert_eq!(Timestamp(-2).minus(Duration::MAX), Timestamp(i64::MIN));
    assert_eq!((Timestamp(1_999_999).seconds(), Timestamp(-1).seconds()), (1, -1));
}

#[test]
fn a_manual_clock_stands_still_and_never_goes_back() {
    let clock = Clock::manual(BEGINNING);
    let copy = clock.clone();
    assert_eq!((clock.now(), copy.now()), (BEGINNING, BEGINNING));
    copy.advance(Duration::from_secs(1));
    assert_eq!(clock.now(), BEGINNING.plus(Duration::from_secs(1)), "copies are one clock");
    clock.set(BEGINNING);
    assert_eq!(clock.now(), BEGINNING.plus(Duration::from_secs(1)));
    clock.set(LAST);
    assert_eq!(copy.now(), LAST);
    let before = Clock::System.now();
    Clock::System.advance(Duration::from_secs(3_600));
    Clock::System.set(LAST);
    assert!(Clock::System.now() >= before && Clock::System.now() < LAST, "the machine's clock is not ours to move");
}

#[test]
fn waits_grow_to_a_limit_and_spread_by_a_tenth() {
    let exponential = Backoff::Exponential(Duration::from_secs(2));
    let exact: Vec<u64> = (1..=12).map(|failed| exponential.after(failed, 0.5).as_secs()).collect();
    assert_eq!(exact, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
    let fixed = Backoff::Fixed(Duration::from_secs(5));
    for failed in [i64::MIN, -1, 0, 1, 2, 31, 32, 33, 64, 65, i64::MAX] {
        for backoff in [exponential, fixed, Backoff::Exponential(Duration::MAX), Backoff::Fixed(Duration::MAX)] {
            let [least, middle, most] = [0.0, 0.5, 1.0].map(|random| backoff.after(failed, random).as_secs_f64());
            assert!((least / middle - 0.9).abs() < 1e-6 && (most / middle - 1.1).abs() < 1e-6, "{backoff:?} {failed}");
            assert!(most <= 990.0, "{backoff:?} {failed}");
            // A random number out of range does not lengthen it.
            assert_eq!(backoff.after(failed, 7.0).as_secs_f64(), most);
            assert_eq!(backoff.after(failed, -7.0).as_secs_f64(), least);
        }
        assert_eq!(fixed.after(failed, 0.5), Duration::from_secs(5));
    }
}
