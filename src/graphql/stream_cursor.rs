//! Cursors of log streams: sealed positions that clients keep and give back to any process of the service.
//! Not here: the streams (`live` of each noun), and the cursors of pages (`page`).
//!
//! A position in the history would reveal how much happens in the whole service, so a cursor is encrypted. Its key is
//! derived from the secret that signs access tokens. It survives restarts and is the same in every process, and the
//! previous secret still opens the cursors it sealed. A cursor of a secret that is gone starts anew with `resync`, as a
//! cursor of another history does. A cursor is bound to its log and to the owner of that log; with any other it is
//! refused. The same position has the same cursor (AES-256-GCM-SIV stays safe with one nonce), so a client may compare
//! cursors.

use std::sync::Arc;

use async_graphql::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::account::token::Keys;
use crate::engine::fault::Fault;
use crate::id::{OrganizerId, UserId};

/// First byte of each cursor; each layout has its own number.
const LAYOUT: u8 = 3;

/// Number of bytes that identify a history.
const EPOCH: usize = 8;

/// Number of bytes that identify a key.
const KEY_ID: usize = 4;

/// Number of bytes of a whole cursor: layout, key, history, position, authentication tag.
const LENGTH: usize = 1 + KEY_ID + EPOCH + 8 + 16;

/// A log that can be streamed, with the owner of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Notices of a user.
    Notices(UserId),
    /// Changes of a customer's bookings.
    Bookings(UserId),
    /// Changes of the bookings of an organizer's events.
    Sales(OrganizerId),
}

impl Log {
    /// Returns the bytes that a cursor is authenticated with, so that it opens only as a cursor of this log and this
    /// owner.
    fn binding(self) -> [u8; 18] {
        let (kind, owner) = match self {
            Self::Notices(user) => (b'n', user.0),
            Self::Bookings(user) => (b'b', user.0),
            Self::Sales(organizer) => (b's', organizer.0),
        };
        let mut bytes = [0; 18];
        bytes[0] = LAYOUT;
        bytes[1] = kind;
        bytes[2..].copy_from_slice(owner.as_bytes());
        bytes
    }
}

/// Error for a service secret that no key of cursors can be derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot derive the key of stream cursors")]
pub struct Underivable;

/// Keys of cursors: the first key seals, all keys open. Cheap to clone.
#[derive(Clone)]
pub struct CursorKeys(Arc<Vec<([u8; KEY_ID], LessSafeKey)>>);

impl CursorKeys {
    /// Derives the keys from the key ring of access tokens.
    pub fn new(ring: &Keys) -> Result<Self, Underivable> {
        let derived = ring.derive("stream cursor", "").map_err(|_| Underivable)?;
        let key = |text: &String| {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Underivable)?;
            let key = UnboundKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| Underivable)?;
            let mut id = [0; KEY_ID];
            id.copy_from_slice(&Sha256::digest(&bytes)[..KEY_ID]);
            Ok((id, LessSafeKey::new(key)))
        };
        Ok(Self(Arc::new(derived.iter().map(key).collect::<Result<_, _>>()?)))
    }

    /// Returns the cursors of a log in the history with the name `epoch`.
    pub fn of(&self, log: Log, epoch: &str) -> Cursors {
        let digest = Sha256::digest(epoch.as_bytes());
        let mut epoch = [0; EPOCH];
        epoch.copy_from_slice(&digest[..EPOCH]);
        Cursors { keys: self.clone(), binding: log.binding(), epoch }
    }
}

/// Seals and opens the cursors of one log in one history.
#[derive(Clone)]
pub struct Cursors {
    keys: CursorKeys,
    binding: [u8; 18],
    epoch: [u8; EPOCH],
}

/// Position in an opened cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Position in this history.
    Here(i64),
    /// Position in another history, such as the one before a restored backup, or position sealed with a key that is
    /// gone.
    Elsewhere,
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl Cursors {
    /// Returns the cursor behind the entry with this number.
    pub fn seal(&self, seq: i64) -> Result<String> {
        let failed = || Error::new("a stream cursor cannot be sealed");
        let (id, key) = self.keys.0.first().ok_or_else(failed)?;
        let mut bytes = [self.epoch.as_slice(), &seq.to_be_bytes()].concat();
        key.seal_in_place_append_tag(nonce(), Aad::from(self.binding), &mut bytes).map_err(|_| failed())?;
        Ok(URL_SAFE_NO_PAD.encode([[LAYOUT].as_slice(), id, &bytes].concat()))
    }

    /// Opens a cursor. Returns `None` if it was sealed for another log or owner, or altered.
    pub fn open(&self, text: &str) -> Option<Opened> {
        if text.len() > 2 * LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (LAYOUT, bytes) = bytes.split_first().map(|(layout, bytes)| (*layout, bytes))? else { return None };
        let (id, sealed) = bytes.split_first_chunk::<KEY_ID>()?;
        let Some((_, key)) = self.keys.0.iter().find(|(own, _)| own == id) else { return Some(Opened::Elsewhere) };
        let mut sealed = sealed.to_vec();
        let plain = key.open_in_place(nonce(), Aad::from(self.binding), &mut sealed).ok()?;
        let (epoch, seq) = plain.split_first_chunk::<EPOCH>()?;
        let seq = i64::from_be_bytes(seq.try_into().ok()?);
        Some(if *epoch == self.epoch { Opened::Here(seq) } else { Opened::Elsewhere })
    }

    /// Returns the position to start behind, and true if the client has to fetch its list again. The position is that
    /// of the client's cursor if it belongs to this history and is not past `head`, else `head`.
    pub fn start(&self, after: Option<String>, head: i64) -> Result<(i64, bool)> {
        let Some(text) = after else { return Ok((head, false)) };
        let opened = self.open(&text);
        match opened {
            None => Err(Fault::BadUserInput.error("after is not a cursor of this stream: subscribe again without it.")),
            Some(Opened::Here(seq)) if seq <= head => Ok((seq, false)),
            Some(Opened::Here(_) | Opened::Elsewhere) => Ok((head, true)),
        }
    }
}
