//! File of a SQLite database, and the check that it is still the file at its path.
//! Not here: opening it (`connect`).

use std::path::{Path, PathBuf};

/// SQLite file at the time it was opened.
pub(super) struct DataFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Device and inode of a file.
type Identity = (u64, u64);

impl DataFile {
    pub(super) fn opened(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path) }
    }

    /// Returns true if the path leads to the file that was opened. SQLite keeps writing into a file that was removed or
    /// replaced, and those writes are lost at the next start. Always true on platforms where files have no identity.
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
