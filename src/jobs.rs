//! Kinds of job and their handlers: the one list of both.
//! Not here: the work of a job, and running it (`queue`).

use tokio_util::sync::CancellationToken;

use crate::account::administer::EndWaitlistEntries;
use crate::booking::call_off::{self, CallOff};
use crate::booking::serve_waitlist::ServeWaitlist;
use crate::booking::{close, promote};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::notification::deliver::{Channel, Delivery};
use crate::notification::fanout::{FanOut, FanningOut};
use crate::notification::inbox::Deliver;
use crate::queue::JobKind;
use crate::queue::registry::{Registry, RegistryError};

/// Kinds of job that this release enqueues.
pub const KINDS: [&str; 5] =
    [Deliver::KIND, FanOut::KIND, CallOff::KIND, ServeWaitlist::KIND, EndWaitlistEntries::KIND];

/// Returns the handler of each kind of job. Long jobs stop between two chunks once `stop` is cancelled.
pub fn registry(ctx: &Ctx, bus: &Bus, channel: &Channel, stop: &CancellationToken) -> Result<Registry, RegistryError> {
    let (bus, channel) = (bus.clone(), channel.clone());
    Registry::default()
        .batch(Delivery { ctx: ctx.clone(), channel })?
        .single(FanningOut { ctx: ctx.clone(), bus, stop: stop.clone() })?
        .single(call_off::handler(ctx.clone(), stop.clone()))?
        .single(promote::handler(ctx.clone(), stop.clone()))?
        .single(close::handler(ctx.clone(), stop.clone()))?
        .with_all_of(&KINDS)
}
