//! Password hashes: argon2id on threads of their own, a few at a time, which step back behind everybody else: a flood of
//! sign-ins must not make bookings late (`benches/under_attack.rs`).
//! Not here: the account a password belongs to.
//!
//! Parameters follow OWASP's Password Storage cheat sheet: 19 MiB, two passes, one lane. A hash carries its own, so
//! older ones still verify and are renewed at the next sign-in.
//!
//! Passwords are normalised before they are hashed (RFC 8265, OpaqueString): keyboards and systems write the same letters
//! with other code points.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use unicode_normalization::UnicodeNormalization;

use super::Error;
use crate::db::DbError;

/// How many may wait for each that is hashed; beyond that one is told to come back.
const WAITING_PER_PLACE: usize = 64;

/// How dear a hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
}

impl Cost {
    /// What OWASP asks for at least.
    pub const STANDARD: Self = Self { memory_kib: 19_456, passes: 2 };
    /// Only for tests that sign in hundreds of people.
    pub const TEST: Self = Self { memory_kib: 64, passes: 1 };
}

/// Hashes and verifies, at most a few at once: each takes 19 MiB and tens of milliseconds of a core.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    waiting: mpsc::Sender<Work>,
    /// A hash of nothing anybody knows: what an unknown account is verified against, so that it takes as long.
    decoy: Arc<str>,
    work: Arc<AtomicU64>,
}

/// What a place does, in its memory.
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// What argon2 fills. A place keeps its own, 19 MiB from its first hash on: getting them from the system and giving them
/// back takes a fifth of a hash, and holds up whoever else in the process needs memory meanwhile. It is not wiped between
/// hashes: who reads this process's memory reads passwords as they come.
struct Memory {
    blocks: Vec<Block>,
    /// Counts the work done in it.
    work: Arc<AtomicU64>,
}

impl Memory {
    fn new(work: &Arc<AtomicU64>) -> Self {
        Self { blocks: Vec::new(), work: work.clone() }
    }
}

/// The longest text that is looked at as a password, in bytes: 200 characters take less, however they are written.
pub const BYTES_MAX: usize = 4_000;

/// A password as it is hashed: every kind of space as the ASCII one, and NFC (RFC 8265, 4.2.2). Case and leading or
/// trailing spaces stay.
pub fn normalized(password: &str) -> String {
    let as_space = |c| match c {
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    };
    password.chars().map(as_space).nfc().collect()
}

impl Hasher {
    /// A hasher with `at_once` places, one at least. Half of the cores' number leaves the other half to everything else.
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

    /// Work done so far: KiB filled, over all passes of all hashes.
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let cost = self.cost;
        self.in_a_place(move |memory| hash(cost, &password, memory)).await?
    }

    /// Whether `password` is the one `stored` was made from; `None` does the same work and says no. What is no hash of argon2
    /// cannot be judged: an error.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let decoy = self.decoy.clone();
        self.in_a_place(move |memory| {
            let is_same = verify(&password, stored.as_deref().unwrap_or(&decoy), memory)?;
            Ok(is_same && stored.is_some())
        })
        .await?
    }

    /// Whether a stored hash was made with other parameters than today's.
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
            // Whoever went away, as at a stop, does not need it.
            if !done.is_closed() {
                let _ = done.send(work(memory));
            }
        };
        self.waiting.try_send(Box::new(run)).map_err(|error| match error {
            TrySendError::Full(_) => DbError::Overloaded.into(),
            TrySendError::Closed(_) => failed("no place is left"),
        })?;
        outcome.await.map_err(failed)
    }
}

/// A place: one after the other, until no hasher is left.
fn serve(works: &Mutex<mpsc::Receiver<Work>>, mut memory: Memory) {
    yield_to_others();
    loop {
        // The lock holds the places that have nothing to do, never a hash.
        let next = works.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(work) = next else { return };
        // Its asker is told by the channel that fell with it; the place goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
    }
}

/// Lets everybody else have a core ten times as often as this thread, and no more than that: whoever signs in while places
/// go fast wants one of them. Linux knows priorities per thread; elsewhere this would slow the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "passwords are hashed at the usual priority");
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
    // Takes equally long wherever they differ: `Output` compares so.
    Ok(digest(&Argon2::new(algorithm, version, params), password, salt, memory)? == *hash)
}

fn digest(argon: &Argon2, password: &str, salt: &Salt, memory: &mut Memory) -> Result<Output, Error> {
    let params = argon.params();
    let needed = params.block_count();
    let Memory { blocks, work } = memory;
    // What a dearer hash needed is given back.
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
