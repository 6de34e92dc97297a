//! The pure allocator: each rule by itself, and thousands of random floors that must never oversell.
//! Not here: databases.

use std::collections::HashMap;

use boxoffice::booking::allocate::{Floor, Kind, Outcome, Pool, Waiting, Wish, allocate};
use boxoffice::id::{Chance, EventId, TicketTypeId, UserId};
use boxoffice::status::{EventStatus, Fulfilment};
use uuid::Uuid;

use crate::harness::seeded;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn kind(n: u128) -> TicketTypeId {
    id(100 + n)
}

fn waiting(n: u128, quantity: i64, accepts_part: bool) -> Waiting {
    Waiting { entry: id(n), user: id(n), kind: kind(0), quantity, accepts_part, line_no: n as i64 }
}

/// One kind of place, `capacity` places, `sold` of them sold, a line.
fn floor(capacity: i64, sold: i64, line: Vec<Waiting>) -> Floor {
    Floor {
        event: id::<EventId>(1),
        organizer: id(2),
        status: EventStatus::Published,
        begun: false,
        revision: 0,
        line_tail: line.len() as i64,
        kinds: vec![Kind { id: kind(0), slot: id(3), quota: id(4), price_minor: 0 }],
        pools: vec![Pool { id: id(4), capacity, sold, held: 0, line, line_goes_on: false }],
        open: HashMap::new(),
    }
}

fn wish(user: u128, quantity: i64, fulfilment: Fulfilment) -> Wish {
    Wish { user: id::<UserId>(user), items: vec![(kind(0), quantity)], fulfilment }
}

fn booked(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Granted { booked, .. } => booked.iter().map(|(_, quantity)| quantity).sum(),
        Outcome::Refused { .. } => 0,
    }
}

use Fulfilment::{AllOrNothing, Partial, PartialAndWaitlist};

#[test]
fn the_line_is_served_first_and_in_order() {
    let line = vec![waiting(1, 2, false), waiting(2, 1, false), waiting(3, 1, false)];
    let done = allocate(floor(3, 0, line), &[wish(9, 1, AllOrNothing)]);
    let granted: Vec<(Uuid, i64)> = done.promotions.iter().map(|p| (p.waiting.entry.0, p.granted)).collect();
    assert_eq!(granted, [(Uuid::from_u128(1), 2), (Uuid::from_u128(2), 1)]);
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
    assert_eq!(done.floor.pools[0].sold, 3);
}

#[test]
fn a_head_that_does_not_fit_blocks_everybody() {
    let line = vec![waiting(1, 3, false), waiting(2, 1, false)];
    let done = allocate(floor(2, 0, line), &[wish(9, 1, Partial)]);
    assert!(done.promotions.is_empty());
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

#[test]
fn a_head_that_accepts_part_takes_it_and_stays() {
    let done = allocate(floor(2, 0, vec![waiting(1, 5, true), waiting(2, 1, false)]), &[]);
    assert_eq!(done.promotions.len(), 1);
    assert_eq!(done.promotions[0].granted, 2);
    assert_eq!(done.floor.pools[0].line[0].quantity, 3);
}

#[test]
fn newcomers_are_served_in_order_of_arrival() {
    let wishes = [wish(1, 3, AllOrNothing), wish(2, 3, AllOrNothing), wish(3, 2, AllOrNothing), wish(4, 1, Partial)];
    let done = allocate(floor(5, 0, vec![]), &wishes);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [3, 0, 2, 0]);
    assert_eq!(done.outcomes[1], Outcome::Refused { available: 2, requested: 3 });
}

#[test]
fn who_queues_first_keeps_later_ones_from_overtaking() {
    // The second wish leaves nothing, the third queues; a place that the fourth could have had does not exist.
    let wishes = [wish(1, 4, PartialAndWaitlist), wish(2, 4, PartialAndWaitlist), wish(3, 1, Partial)];
    let done = allocate(floor(6, 0, vec![]), &wishes);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [4, 2, 0]);
    let Outcome::Granted { queued, .. } = &done.outcomes[1] else { panic!() };
    assert_eq!((queued[0].quantity, queued[0].line_no), (2, 1));
}

#[test]
fn an_entry_grows_and_goes_to_the_end() {
    let mut before = floor(1, 1, vec![waiting(1, 2, false), waiting(2, 1, false)]);
    before.open.insert((id(1), kind(0)), waiting(1, 2, false));
    let done = allocate(before, &[wish(1, 3, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((queued[0].grown, queued[0].quantity, queued[0].line_no), (Some(id(1)), 5, 3));
    assert_eq!(done.floor.pools[0].line[0].entry, id(2), "it left its place");
}

#[test]
fn kinds_that_share_a_quota_share_its_places() {
    let mut before = floor(3, 0, vec![]);
    before.kinds.push(Kind { id: kind(1), slot: id(3), quota: id(4), price_minor: 0 });
    let both = Wish { user: id(9), items: vec![(kind(0), 2), (kind(1), 2)], fulfilment: AllOrNothing };
    let done = allocate(before.clone(), std::slice::from_ref(&both));
    assert_eq!(done.outcomes, [Outcome::Refused { available: 3, requested: 4 }]);
    assert_eq!(done.floor.pools[0].sold, 0, "a refusal changes nothing");
    let done = allocate(before, &[Wish { fulfilment: Partial, ..both }]);
    assert_eq!(booked(&done.outcomes[0]), 3);
}

#[test]
fn nobody_is_served_when_the_event_is_not_on_sale() {
    for (status, begun) in
        [(EventStatus::Cancelled, false), (EventStatus::Published, true), (EventStatus::Draft, false)]
    {
        let done = allocate(Floor { status, begun, ..floor(5, 0, vec![waiting(1, 1, false)]) }, &[]);
        assert!(done.promotions.is_empty(), "{status:?}");
    }
}

/// A random floor with a line as a reader would have loaded it.
fn random_floor(chance: &Chance) -> Floor {
    let draw = |n: i64| (chance.fraction() * n as f64) as i64;
    let capacity = 1 + draw(12);
    let sold = draw(capacity + 1);
    let length = draw(6);
    let line: Vec<Waiting> =
        (0..length).map(|n| waiting(50 + n as u128, 1 + draw(4), chance.fraction() < 0.5)).collect();
    let free = (capacity - sold) as usize;
    let loaded: Vec<Waiting> = line.iter().take(free + 1).copied().collect();
    let mut floor = floor(capacity, sold, loaded.clone());
    floor.pools[0].line_goes_on = line.len() > loaded.len();
    floor.line_tail = 100;
    floor
}

#[test]
fn thousands_of_random_floors_stay_sound() {
    let chance = seeded("allocate");
    for round in 0..20_000 {
        let before = random_floor(&chance);
        let draw = |n: i64| (chance.fraction() * n as f64) as i64;
        let wishes: Vec<Wish> = (0..draw(6))
            .map(|n| wish(200 + n as u128, 1 + draw(5), [AllOrNothing, Partial, PartialAndWaitlist][draw(3) as usize]))
            .collect();
        let waits = !before.pools[0].line.is_empty() || before.pools[0].line_goes_on;
        let done = allocate(before.clone(), &wishes);
        let (old, new) = (&before.pools[0], &done.floor.pools[0]);
        let promoted: i64 = done.promotions.iter().map(|promotion| promotion.granted).sum();
        let sold: i64 = done.outcomes.iter().map(booked).sum();
        assert!(new.sold <= new.capacity, "round {round}: oversold");
        assert_eq!(new.sold - old.sold, promoted + sold, "round {round}: places appear or vanish");
        // Order of the line: a promoted entry never has an unserved one before it.
        for (served, promotion) in old.line.iter().zip(&done.promotions) {
            assert_eq!(served.entry, promotion.waiting.entry, "round {round}: somebody was passed over");
        }
        let still_waits = waits && (new.line_goes_on || !new.line.is_empty());
        if still_waits && !done.promotions.iter().any(|p| p.granted == p.waiting.quantity) {
            assert_eq!(sold, 0, "round {round}: a newcomer overtook the line");
        }
        for (wish, outcome) in wishes.iter().zip(&done.outcomes) {
            let wanted = wish.items[0].1;
            match (wish.fulfilment, outcome) {
                (AllOrNothing, Outcome::Granted { .. }) => assert_eq!(booked(outcome), wanted),
                (Partial, Outcome::Granted { queued, .. }) => assert!(booked(outcome) > 0 && queued.is_empty()),
                (PartialAndWaitlist, Outcome::Granted { queued, .. }) => {
                    let rest: i64 = queued.iter().map(|queued| queued.quantity).sum();
                    assert_eq!(booked(outcome) + rest, wanted);
                }
                (PartialAndWaitlist, Outcome::Refused { .. }) => panic!("round {round}: refused instead of queued"),
                (_, Outcome::Refused { requested, .. }) => assert_eq!(*requested, wanted),
            }
        }
    }
}
