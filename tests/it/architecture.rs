//! The laws of the code base, read from its text: which way arrows go, how files open, what stands nowhere.
//! Not here: the laws clippy holds (`clippy.toml`).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the bottom up; a module uses what stands before it. Row and order are those of `ARCHITECTURE.md`.
const RANKS: &[&str] = &[
    // vocabulary
    "clock",
    "id",
    "money",
    "status",
    "text",
    "fact",
    "entity", // the database, and who may do what
    "db",
    "page",
    "access",
    "ctx", // around a commit
    "bus",
    "outbox",
    "queue",
    "relay",
    "idempotency", // slices
    "account",
    "event",
    "booking", // what follows
    "notification",
    "reactions", // the edge
    "demo",
    "graphql",
    "http",
    "app",
    "cli",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files.sort();
    assert!(!files.is_empty() || folder == "benches", "no files below {folder}");
    files
}

/// Code without comments and strings, so that prose names what it likes.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that a source names by `crate::…`.
fn used(text: &str) -> HashSet<String> {
    let code = code(text);
    let mut modules = HashSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$') || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => top_level_names(list),
            None => vec![rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()],
        };
        modules.extend(names);
    }
    modules
}

/// The first names of each item of `{a::b, c::{d, e}}`.
fn top_level_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut name) = (0, Vec::new(), String::new());
    let mut reading = true;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                reading = true;
            }
            c if depth == 0 && reading && (c.is_alphanumeric() || c == '_') => name.push(c),
            ':' => reading = false,
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|known| *known == module)
}

/// What is wrong with the arrows of one source that belongs to `module`.
fn wrong_arrows(module: &str, text: &str) -> Vec<String> {
    let Some(own) = rank(module) else { return vec![format!("module {module} has no rank: give it one")] };
    let mut wrong: Vec<String> = used(text)
        .iter()
        .filter(|used| *used != module)
        .filter_map(|used| match rank(used) {
            Some(other) if other > own => Some(format!(
                "{module} → {used} goes up; what both need could live below {module}, or append a fact instead"
            )),
            _ => None,
        })
        .collect();
    wrong.sort();
    wrong
}

fn module_of(path: &Path) -> String {
    let path = path.strip_prefix(root().join("src")).unwrap();
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn arrows_go_down() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let module = module_of(&path);
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        wrong.extend(wrong_arrows(&module, &text).into_iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_up_would_be_found() {
    let source = "use crate::clock::Micros;\nuse crate::{db::Db, notification::{inbox, read}};\nfn f() { crate::graphql::sdl(); }";
    let wrong = wrong_arrows("booking", source);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("booking → graphql") && wrong[1].contains("booking → notification"), "{wrong:?}");
    assert!(wrong_arrows("booking", "// crate::graphql is not used here\nuse crate::event::store;").is_empty());
}

#[test]
fn the_map_lists_every_module_in_reading_order() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut sorted = listed.clone();
    sorted.sort_by_key(|module| rank(module));
    let mut known: Vec<&str> = RANKS.to_vec();
    known.sort_unstable();
    let mut found = listed.clone();
    found.sort_unstable();
    assert_eq!(found, known, "lib.rs and the ranks name the same modules");
}

#[test]
fn every_file_says_what_lives_in_it_and_what_does_not() {
    let says_not = [
        "not here",
        "no behaviour",
        "does not live here",
        "not here:",
        "what deliberately",
        "knows nobody",
        "nothing here",
        "not of",
    ];
    let mut silent = Vec::new();
    for folder in ["src", "migration/src", "tests/it", "benches"] {
        for path in rust_files(folder) {
            let text = fs::read_to_string(&path).unwrap();
            let doc: String =
                text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join(" ").to_lowercase();
            let is_map = path.ends_with("src/lib.rs") && folder == "src";
            if !text.starts_with("//!") || (!is_map && !says_not.iter().any(|phrase| doc.contains(phrase))) {
                silent.push(path.display().to_string());
            }
        }
    }
    assert!(
        silent.is_empty(),
        "open these with what lives there and what deliberately does not:\n{}",
        silent.join("\n")
    );
}

#[test]
fn only_db_begins_transactions() {
    for path in rust_files("src") {
        let code = code(&fs::read_to_string(&path).unwrap());
        let begins = ["begin(", "begin_with_", ".transaction("].iter().any(|word| code.contains(word));
        assert!(!begins || module_of(&path) == "db", "{} begins a transaction", path.display());
    }
}

#[test]
fn nothing_is_left_over() {
    for path in rust_files("src").into_iter().chain(rust_files("migration/src")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = code(&text);
        for word in ["todo!(", "unimplemented!(", "dbg!(", ".unwrap()"] {
            assert!(!code.contains(word), "{} contains {word}", path.display());
        }
    }
    // Put together here, so that this file does not find itself.
    let sleeping = ["sleep", "("].concat();
    let ignored = ["#[ig", "nore"].concat();
    for path in rust_files("tests/it") {
        let code = code(&fs::read_to_string(&path).unwrap());
        assert!(!code.contains(&sleeping), "{} sleeps: wait for a signal", path.display());
        assert!(!code.contains(&ignored), "{} ignores a test", path.display());
    }
}
