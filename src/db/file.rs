//! The file of a SQLite database, and whether it is still the one at its path.
//! Not here: opening it (`connect`).

use std::path::{Path, PathBuf};

/// A file that was opened.
pub(super) struct DataFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

impl DataFile {
    pub(super) fn opened(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path) }
    }

    /// Whether the path leads to the file that was opened. SQLite goes on writing into one that was removed or replaced,
    /// and at the next start nothing of that is there. True where files have no identity.
    pub(super) fn is_in_place(&self) -> bool {
        self.identity.is_none() || identity(&self.path) == self.identity
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}
