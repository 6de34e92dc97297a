//! Data folder, and the key generated in it; only their owner can read them.
//! Not here: the tokens that the key signs.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Failure;
use crate::id::RandomSource;

/// Name of the key's file.
pub const FILE: &str = "secret.key";

/// Creates the data folder if it is missing, and checks that it is writable.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            format!("cannot use the data folder {}: {error}", folder.display()),
            "make it readable and writable for this user, or choose another folder: boxoffice serve --data DIR",
        )
    };
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(failed(std::io::Error::from(ErrorKind::NotADirectory))),
        Err(error) if error.kind() == ErrorKind::NotFound => create_private(folder).map_err(failed)?,
        Err(error) => return Err(failed(error)),
    }
    let probe = folder.join(".writable");
    fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(failed)
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Returns the key of this data folder; generates it at the first start, with mode 600.
pub fn read_or_generate(folder: &Path) -> Result<Vec<u8>, Failure> {
    make_folder(folder)?;
    let path = folder.join(FILE);
    let failed = |error: std::io::Error| {
        Failure::new(
            format!("cannot read the key {}: {error}", path.display()),
            "make it readable for this user, or set BOXOFFICE_JWT_SECRET",
        )
    };
    match fs::read(&path) {
        Ok(text) => match decode(text.trim_ascii()) {
            Some(key) => Ok(key),
            None => Err(Failure::new(
                format!("the key {} is damaged", path.display()),
                "restore it from a backup, or delete it: a new one is generated, and all users have to sign in again",
            )),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key: [u8; 48] = RandomSource::system().bytes();
            let text = hex::encode(key);
            match write_whole(&path, &text) {
                Ok(()) => Ok(key.to_vec()),
                // Another process was faster: its key is used.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => read_or_generate(folder),
                Err(error) => Err(failed(error)),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a new file with mode 600, completely or not at all: first under another name, then under its own. Fails with
/// `AlreadyExists` if another process was faster.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "{text}").and_then(|()| file.sync_all())?;
    let linked = fs::hard_link(&draft, path);
    let removed = fs::remove_file(&draft);
    linked.and(removed)
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let key: Option<Vec<u8>> = text.chunks(2).map(byte).collect();
    key.filter(|key| key.len() >= crate::account::token::SECRET_MIN_BYTES)
}
