//! Contents of the demo: users, events and bookings.
//! Not here: their creation (`demo`).

use crate::access::Role;
use crate::id::RandomSource;

/// Password of the demo accounts.
pub const PASSWORD: &str = "demo-password";

/// A demo account.
pub struct Person {
    /// E-mail address for signing in.
    pub email: &'static str,
    /// Display name of the user.
    pub name: &'static str,
    /// Role of the account.
    pub role: Role,
    /// Name of the organizer, for organizers.
    pub organizer: Option<&'static str>,
    /// Hint at possible actions with this account.
    pub hint: &'static str,
}

/// The demo accounts.
pub const PEOPLE: &[Person] = &[
    Person {
        email: "grace@demo.test",
        name: "Grace",
        role: Role::Customer,
        organizer: None,
        hint: "books tickets, gets notices",
    },
    Person {
        email: "edsger@demo.test",
        name: "Edsger",
        role: Role::Customer,
        organizer: None,
        hint: "waits for Jazz on the Roof",
    },
    Person {
        email: "ada@demo.test",
        name: "Ada",
        role: Role::Organizer,
        organizer: Some("Rust Nation"),
        hint: "runs Rust Nation",
    },
    Person {
        email: "nina@demo.test",
        name: "Nina",
        role: Role::Organizer,
        organizer: Some("Blue Note Collective"),
        hint: "runs Jazz on the Roof",
    },
    Person {
        email: "kenji@demo.test",
        name: "Kenji",
        role: Role::Organizer,
        organizer: Some("Studio Tsuchi"),
        hint: "runs Pottery Evening",
    },
    Person { email: "root@demo.test", name: "Root", role: Role::Admin, organizer: None, hint: "runs the service" },
];

/// An event of the demo.
pub struct Play {
    /// E-mail address of its organizer.
    pub organizer: &'static str,
    /// Title of the event; its slug follows from it.
    pub title: &'static str,
    /// Description of the event.
    pub description: &'static str,
    /// Venue of the event.
    pub venue: &'static str,
    /// IANA time zone of the venue.
    pub time_zone: &'static str,
    /// Days from the creation of the demo to the event.
    pub in_days: u64,
    /// Local hour at which the event starts.
    pub hour: u32,
    /// Duration in hours.
    pub hours: u64,
    /// Number of tickets.
    pub capacity: i64,
    /// Number of tickets sold.
    pub sold: i64,
    /// Price as decimal text.
    pub price: &'static str,
    /// Currency, an ISO 4217 code.
    pub currency: &'static str,
    /// Set if the event is not published yet.
    pub draft: bool,
}

macro_rules! plays {
    ($($organizer:literal $title:literal $venue:literal $zone:literal +$days:literal @$hour:literal for $hours:literal:
       $sold:literal of $capacity:literal at $price:literal $currency:literal $($draft:ident)?; $description:literal;)*) => {
        &[$(Play {
            organizer: $organizer, title: $title, description: $description, venue: $venue, time_zone: $zone,
            in_days: $days, hour: $hour, hours: $hours, capacity: $capacity, sold: $sold, price: $price,
            currency: $currency, draft: plays!(@draft $($draft)?),
        },)*]
    };
    (@draft draft) => { true };
    (@draft) => { false };
}

/// The events: one with two tickets left, one sold out with a waitlist, one draft, and the others somewhere in between.
#[rustfmt::skip]
pub const EVENTS: &[Play] = plays! {
    "ada@demo.test" "Rust Nation" "Kulturbrauerei, Berlin" "Europe/Berlin" +12 @18 for 4: 38 of 40 at "15.00" "EUR";
        "Talks about Rust in production, and pizza afterwards.";
    "nina@demo.test" "Jazz on the Roof" "Hotel Orania, Berlin" "Europe/Berlin" +17 @20 for 3: 24 of 24 at "20.00" "EUR";
        "A trio under the sky. Bring something warm.";
    "kenji@demo.test" "Pottery Evening" "Studio Tsuchi, Kyoto" "Asia/Tokyo" +9 @19 for 2: 5 of 12 at "4500" "JPY";
        "Two hours at the wheel. Clay, tea and firing are included.";
    "ada@demo.test" "Async Workshop" "betahaus, Berlin" "Europe/Berlin" +20 @9 for 8: 14 of 25 at "120.00" "EUR";
        "A day of executors, streams and cancellation, hands on.";
    "ada@demo.test" "Embedded Night" "c-base, Berlin" "Europe/Berlin" +33 @19 for 3: 11 of 60 at "0.00" "EUR";
        "Blinking lights, and the people who make them blink.";
    "nina@demo.test" "Late Set" "Smalls, New York" "America/New_York" +6 @23 for 3: 41 of 55 at "35.00" "USD";
        "The band that plays when the other bands go home.";
    "nina@demo.test" "Big Band Brunch" "Cadogan Hall, London" "Europe/London" +26 @11 for 3: 52 of 150 at "28.50" "GBP";
        "Seventeen horns and eggs Benedict.";
    "nina@demo.test" "Harbour Blues" "Pier 2/3, Sydney" "Australia/Sydney" +40 @19 for 4: 33 of 200 at "65.00" "AUD";
        "Slow songs, fast ferries.";
    "kenji@demo.test" "Kintsugi for Beginners" "Studio Tsuchi, Kyoto" "Asia/Tokyo" +15 @14 for 3: 9 of 10 at "7800" "JPY";
        "Mend a broken bowl with gold. Bowls are broken for you.";
    "kenji@demo.test" "Glaze Laboratory" "Bahrain Fort, Manama" "Asia/Bahrain" +29 @16 for 4: 8 of 30 at "12.500" "BHD";
        "Ash, iron, copper: what the fire does with them.";
    "kenji@demo.test" "Tea Bowl Exhibition" "Neues Museum, Nuremberg" "Europe/Berlin" +48 @10 for 8: 27 of 300 at "9.00" "EUR";
        "Two hundred bowls, one afternoon.";
    "ada@demo.test" "Compiler Picnic" "Tempelhofer Feld, Berlin" "Europe/Berlin" +60 @12 for 5: 0 of 80 at "0.00" "EUR" draft;
        "Not announced yet: bring a blanket and a parser.";
};

/// The waitlist for Jazz on the Roof: customer, event, number of tickets.
pub const LINE: &[(&str, usize, i64)] = &[
    ("edsger@demo.test", 1, 2),
    ("barbara@demo.test", 1, 1),
    ("niklaus@demo.test", 1, 4),
    ("frances@demo.test", 1, 2),
];

macro_rules! customers {
    ($($first:literal $last:literal)*) => { &[$((concat!($first, "@demo.test"), concat!($first, " ", $last)),)*] };
}

/// Further customers; their random password is not known to any user.
#[rustfmt::skip]
pub const SEED_CUSTOMERS: &[(&str, &str)] = customers! {
    "barbara" "Liskov" "niklaus" "Wirth" "frances" "Allen" "donald" "Knuth" "alan" "Kay" "adele" "Goldberg" "john" "Backus"
    "jean" "Bartik" "ken" "Thompson" "dennis" "Ritchie" "radia" "Perlman" "leslie" "Lamport" "karen" "Jones" "tony" "Hoare"
    "robin" "Milner" "margaret" "Hamilton" "annie" "Easley" "katherine" "Johnson" "mary" "Wilkes" "ivan" "Sutherland"
    "seymour" "Papert" "marvin" "Minsky" "lynn" "Conway" "carver" "Mead" "susan" "Kare" "bjarne" "Stroustrup" "guido" "Rossum"
    "yukihiro" "Matsumoto" "sophie" "Wilson" "steve" "Furber"
};

/// An order of the demo: tickets of one event for one customer; some orders are cancelled.
pub struct DemoOrder {
    /// E-mail address of the customer.
    pub who: &'static str,
    /// Index into [`EVENTS`].
    pub event: usize,
    /// Number of tickets.
    pub quantity: i64,
    /// Set if the booking is cancelled at once.
    pub cancels: bool,
}

/// Draws orders that sell exactly the numbers in [`EVENTS`], in a realistic mixture, with some cancellations in
/// between.
pub fn orders(random: &RandomSource) -> Vec<DemoOrder> {
    let pick = |n: usize| (random.fraction() * n as f64) as usize;
    let mut orders = Vec::new();
    for (event, play) in EVENTS.iter().enumerate() {
        let mut left = play.sold;
        while left > 0 {
            let quantity = [1, 1, 1, 1, 2, 2, 3][pick(7)].min(left);
            left -= quantity;
            orders.push(DemoOrder {
                who: SEED_CUSTOMERS[pick(SEED_CUSTOMERS.len())].0,
                event,
                quantity,
                cancels: false,
            });
            // Only with enough tickets left for a booking that is cancelled again.
            if play.capacity - play.sold > 30 && random.fraction() < 0.4 {
                orders.push(DemoOrder {
                    who: SEED_CUSTOMERS[pick(SEED_CUSTOMERS.len())].0,
                    event,
                    quantity: 1,
                    cancels: true,
                });
            }
        }
    }
    // Grace gets a booking history.
    for (event, quantity) in [(5, 2), (6, 1)] {
        if let Some(order) = orders.iter_mut().find(|order| order.event == event && order.quantity == quantity) {
            order.who = "grace@demo.test";
        }
    }
    // Shuffled, so that the sales of all events overlap.
    for at in (1..orders.len()).rev() {
        orders.swap(at, pick(at + 1));
    }
    orders
}
