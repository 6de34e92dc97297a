//! Database entities, one file per table. Tables refer to each other, so they form one module below all slices, and use
//! none of them.
//! Not here: queries, which are in the slice that runs them.

pub mod api_token;
pub mod booking;
pub mod booking_item;
pub mod event;
pub mod event_change;
pub mod inbox;
pub mod membership;
pub mod membership_invitation;
pub mod notice;
pub mod organizer;
pub mod quota;
pub mod session;
pub mod slot;
pub mod stock;
pub mod ticket_type;
pub mod users;
pub mod waitlist_entry;
