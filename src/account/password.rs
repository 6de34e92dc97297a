//! Password hashes: argon2id on a few threads of its own, at a lower priority than the rest of the process, so that a
//! flood of sign-ins does not delay bookings (`benches/under_attack.rs`).
//! Not here: the account a password belongs to.
//!
//! Parameters follow OWASP's Password Storage cheat sheet: 19 MiB, two passes, one lane. A hash carries its own
//! parameters, so older ones still verify and are renewed at the next sign-in.
//!
//! Passwords are normalised before they are hashed (RFC 8265, OpaqueString), because keyboards and systems write the
//! same letters with different code points.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use unicode_normalization::UnicodeNormalization;

use super::Error;
use crate::db::DbError;
use crate::sync;

/// Most requests that wait per hashing thread; further ones are refused and told to retry.
const WAITING_PER_PLACE: usize = 64;

/// Parameters that decide the cost of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Cost {
    /// Minimum recommended by OWASP.
    pub const STANDARD: Self = Self { memory_kib: 19_456, passes: 2 };
    /// Cheap parameters for tests and demo customers, which sign up hundreds of users.
    pub const TEST: Self = Self { memory_kib: 64, passes: 1 };
}

/// Hashes and verifies passwords, at most a few at once: each takes 19 MiB and tens of milliseconds of a core.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    waiting: mpsc::Sender<Work>,
    /// Hash of a text that is no account's password. An unknown account is verified against it, so that it takes
    /// equally long.
    decoy: Arc<str>,
    work: Arc<AtomicU64>,
}

/// Work of a hashing thread, in the thread's memory.
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Memory that argon2 fills. Each hashing thread keeps its own, 19 MiB from its first hash on: allocating and freeing
/// it takes a fifth of a hash, and meanwhile delays every other allocation of the process. It is not wiped between
/// hashes: an attacker who can read this process's memory reads the incoming passwords anyway.
struct Memory {
    blocks: Vec<Block>,
    /// Counter of the work done in it.
    work: Arc<AtomicU64>,
}

impl Memory {
    fn new(work: &Arc<AtomicU64>) -> Self {
        Self { blocks: Vec::new(), work: work.clone() }
    }
}

/// Longest text that is accepted as a password, in bytes: 200 characters take less in any encoding.
pub const BYTES_MAX: usize = 4_000;

/// Returns a password in the form in which it is hashed: every kind of space as the ASCII space, and NFC (RFC 8265,
/// 4.2.2). Case and leading or trailing spaces stay.
pub fn normalized(password: &str) -> String {
    let as_space = |c| match c {
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    };
    password.chars().map(as_space).nfc().collect()
}

impl Hasher {
    /// Starts a hasher with `at_once` threads, one at least. Half the number of cores leaves the other half to
    /// everything else.
    pub fn new(cost: Cost, at_once: usize) -> Result<Self, Error> {
        let work = Arc::new(AtomicU64::new(0));
        let decoy = hash(cost, "no account has this password", &mut Memory::new(&work))?.into();
        let at_once = at_once.max(1);
        let (waiting, works) = mpsc::channel(at_once * WAITING_PER_PLACE);
        let works = Arc::new(Mutex::new(works));
        for _ in 0..at_once {
            let (works, memory) = (works.clone(), Memory::new(&work));
            std::thread::Builder::new().name("hashing".into()).spawn(move || serve(&works, memory)).map_err(failed)?;
        }
        Ok(Self { cost, waiting, decoy, work })
    }

    /// Returns the work done so far: KiB filled, over all passes of all hashes.
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let cost = self.cost;
        self.in_a_place(move |memory| hash(cost, &password, memory)).await?
    }

    /// Returns true if `stored` is a hash of `password`. None does the same work and returns false. A text that is no
    /// argon2 hash cannot be judged and is an error.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let decoy = self.decoy.clone();
        self.in_a_place(move |memory| {
            let is_same = verify(&password, stored.as_deref().unwrap_or(&decoy), memory)?;
            Ok(is_same && stored.is_some())
        })
        .await?
    }

    /// Returns true if a stored hash was made with other parameters than today's.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let wanted = format!("m={},t={},p=1", self.cost.memory_kib, self.cost.passes);
        !stored.starts_with("$argon2id$") || stored.split('$').nth(3) != Some(wanted.as_str())
    }

    async fn in_a_place<T>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
    {
        let (done, outcome) = oneshot::channel();
        let run = move |memory: &mut Memory| {
            // A caller that has gone, as during a stop, does not need the result.
            if !done.is_closed() {
                let _ = done.send(work(memory));
            }
        };
        self.waiting.try_send(Box::new(run)).map_err(|error| match error {
            TrySendError::Full(_) => DbError::Overloaded.into(),
            TrySendError::Closed(_) => failed("no hashing thread is left"),
        })?;
        outcome.await.map_err(failed)
    }
}

/// Worker loop: one hash at a time until the last [`Hasher`] is dropped.
fn serve(works: &Mutex<mpsc::Receiver<Work>>, mut memory: Memory) {
    yield_to_others();
    loop {
        // The lock is held only by an idle thread that waits for work, never during a hash.
        let next = sync::lock(works).blocking_recv();
        let Some(work) = next else { return };
        // A panic drops the sender of the result, so its caller gets an error; the thread continues.
        let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
    }
}

/// Lowers the priority of this thread: others get a core about ten times as often, but not always, because a user who
/// signs in also needs a hashing thread in time. Linux has priorities per thread; elsewhere this would slow the whole
/// process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "cannot lower the priority of a hashing thread; passwords are hashed at the usual one");
    }
}

fn hash(cost: Cost, password: &str, memory: &mut Memory) -> Result<String, Error> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(failed)?;
    let (algorithm, version, salt) = (Algorithm::Argon2id, Version::V0x13, Salt::generate());
    let hash = digest(&Argon2::new(algorithm, version, params.clone()), password, &salt, memory)?;
    let (version, params) = (Some(version.into()), (&params).try_into().map_err(failed)?);
    Ok(PasswordHash { algorithm: algorithm.ident(), version, params, salt: Some(salt), hash: Some(hash) }.to_string())
}

fn verify(password: &str, stored: &str, memory: &mut Memory) -> Result<bool, Error> {
    let stored = PasswordHash::new(stored).map_err(failed)?;
    let (Some(version), Some(salt), Some(hash)) = (stored.version, &stored.salt, &stored.hash) else {
        return Err(failed("a part of a stored hash is missing"));
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(failed)?;
    let version = Version::try_from(version).map_err(failed)?;
    let params = Params::try_from(&stored).map_err(failed)?;
    // Takes equally long wherever they differ: `Output` compares in constant time.
    Ok(digest(&Argon2::new(algorithm, version, params), password, salt, memory)? == *hash)
}

fn digest(argon: &Argon2, password: &str, salt: &Salt, memory: &mut Memory) -> Result<Output, Error> {
    let params = argon.params();
    let needed = params.block_count();
    let Memory { blocks, work } = memory;
    // Frees memory that a more expensive hash needed.
    blocks.truncate(needed);
    blocks.shrink_to(needed);
    blocks.try_reserve_exact(needed - blocks.len()).map_err(failed)?;
    blocks.resize(needed, Block::default());
    work.fetch_add(u64::from(params.m_cost()) * u64::from(params.t_cost()), Ordering::Relaxed);
    let password = normalized(password);
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut digest = vec![0; length];
    argon.hash_password_into_with_memory(password.as_bytes(), salt, &mut digest, blocks).map_err(failed)?;
    Output::new(&digest).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}
