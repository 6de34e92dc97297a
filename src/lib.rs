//! Boxoffice sells tickets for events over GraphQL and notifies everyone concerned, live and durably.
//!
//! This file is the map of the crate, in reading order; `ARCHITECTURE.md` follows one booking through it.
//!
//! ```text
//! client ──HTTP / WebSocket──► http ──► graphql ──► verb of a slice: one write, appends domain events last
//!                                                             │ commit
//!  subscription ◄── bus ◄── relay: numbers domain events ──► reactions ──► notices, jobs ──► worker: deliveries
//! ```
//!
//! A group uses its own modules and the groups above it in this file, never one below. The order inside a group is
//! listed in `tests/it/architecture.rs`, which checks both.
#![warn(missing_docs)]

// The shared vocabulary.
pub mod clock;
pub mod domain_event;
#[expect(missing_docs, reason = "columns are explained in their migration")]
pub mod entity;
pub mod id;
pub mod money;
pub mod status;
pub mod sync;
pub mod text;
pub mod zone;

// The database, and access to data.
pub mod access;
pub mod ctx;
pub mod db;
pub mod engine;
pub mod page;

// Steps around a commit.
pub mod bus;
pub mod idempotency;
pub mod outbox;
pub mod queue;
pub mod relay;

// The slices: folders are nouns, files are verbs.
pub mod account;
pub mod booking;
pub mod event;

// Effects of a commit.
pub mod jobs;
pub mod notification;
pub mod reactions;

// Interfaces to the outside.
pub mod app;
pub mod cli;
pub mod demo;
pub mod graphql;
pub mod http;
pub mod retention;
