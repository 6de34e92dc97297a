//! Batches lookups within one request: keys that are requested concurrently are read by one statement.
//! Not here: the tables and their keys (`load`).
//!
//! async-graphql's own `DataLoader` waits 1 ms on a timer thread before each batch, at every level of a document. Here
//! a batch closes when the request's task is polled again: by then all fields that are resolved concurrently have added
//! their keys. The batch is read by the task that requested it, without a hop to another task. Nothing is cached
//! between batches, so a mutation's payload and each result of a subscription read the database as it is then.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use futures_util::future::{BoxFuture, FutureExt, Shared};

use crate::sync;

/// Reads the values of many keys at once.
pub trait Source<K>: Send + Sync + 'static {
    /// Value of one key.
    type Value: Clone + Send + Sync + 'static;
    /// Error of a batch, shared by all fields that requested it.
    type Error: Clone + Send + Sync + 'static;

    /// Returns the values of the keys that exist. Each key is given once.
    fn load(&self, keys: &[K]) -> impl Future<Output = Result<HashMap<K, Self::Value>, Self::Error>> + Send;
}

/// Key of a loader.
pub trait LoaderKey: Clone + Eq + Hash + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> LoaderKey for K {}

/// Batching loader over a source; one per request.
pub struct Loader<S>(Arc<Inner<S>>);

struct Inner<S> {
    source: S,
    /// Open batch of each key type, stored as an [`Open`].
    open: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

type Outcome<K, V, E> = Result<Arc<HashMap<K, V>>, E>;
type Batch<K, V, E> = Shared<BoxFuture<'static, Outcome<K, V, E>>>;

/// Keys that wait to be read, and the future that reads them. Each field that requested one holds a clone of the future
/// and drives it.
struct Open<K, V, E> {
    keys: HashSet<K>,
    batch: Option<Batch<K, V, E>>,
}

impl<S: 'static> Loader<S> {
    /// Loader without open batches.
    pub fn new(source: S) -> Self {
        Self(Arc::new(Inner { source, open: Mutex::default() }))
    }

    /// Returns the value of a key, if there is one.
    pub async fn load_one<K: LoaderKey>(&self, key: K) -> Result<Option<S::Value>, S::Error>
    where
        S: Source<K>,
    {
        let batch = self.join([key.clone()]);
        Ok(batch.await?.get(&key).cloned())
    }

    /// Returns the values of the keys that exist.
    pub async fn load_many<K: LoaderKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<K, S::Value>, S::Error>
    where
        S: Source<K>,
    {
        let keys: Vec<K> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.join(keys.iter().cloned()).await?;
        Ok(keys.into_iter().filter_map(|key| found.get(&key).cloned().map(|value| (key, value))).collect())
    }

    /// Adds keys to the open batch of their type, opening one if there is none.
    fn join<K: LoaderKey>(&self, keys: impl IntoIterator<Item = K>) -> Batch<K, S::Value, S::Error>
    where
        S: Source<K>,
    {
        let mut all = self.0.open();
        let open = Inner::<S>::of_type::<K>(&mut all);
        open.keys.extend(keys);
        let inner = Arc::downgrade(&self.0);
        open.batch.get_or_insert_with(|| read(inner).boxed().shared()).clone()
    }
}

impl<S: 'static> Inner<S> {
    fn open(&self) -> MutexGuard<'_, HashMap<TypeId, Box<dyn Any + Send>>> {
        // The lock is held for insertions into maps, which leave nothing half done.
        sync::lock(&self.open)
    }

    fn of_type<K: LoaderKey>(all: &mut HashMap<TypeId, Box<dyn Any + Send>>) -> &mut Open<K, S::Value, S::Error>
    where
        S: Source<K>,
    {
        let new = || Box::new(Open::<K, S::Value, S::Error> { keys: HashSet::new(), batch: None });
        all.entry(TypeId::of::<K>()).or_insert_with(|| new()).downcast_mut().expect("keyed by the type it holds")
    }
}

/// Closes the batch after every field of this round has added its keys, and reads it. The reference is weak because the
/// loader holds this future.
async fn read<K: LoaderKey, S: Source<K>>(inner: Weak<Inner<S>>) -> Outcome<K, S::Value, S::Error> {
    tokio::task::yield_now().await;
    let Some(inner) = inner.upgrade() else { return Ok(Arc::default()) }; // no field is left to ask
    let keys: Vec<K> = {
        let mut all = inner.open();
        let open = Inner::<S>::of_type::<K>(&mut all);
        open.batch = None;
        std::mem::take(&mut open.keys).into_iter().collect()
    };
    inner.source.load(&keys).await.map(Arc::new)
}
