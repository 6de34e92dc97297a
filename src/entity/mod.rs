//! One file per table. Tables form a graph, so they are one module at the bottom and know nobody above.
//! No behaviour here: queries live with the slice that asks them.

pub mod api_token;
pub mod booking;
pub mod booking_item;
pub mod event;
pub mod event_change;
pub mod inbox;
pub mod membership;
pub mod notice;
pub mod organizer;
pub mod quota;
pub mod session;
pub mod slot;
pub mod stock;
pub mod ticket_type;
pub mod users;
pub mod waitlist_entry;
