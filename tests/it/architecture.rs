//! The conventions of the code base, read from its text: dependencies between modules, openings of files, forbidden
//! words.
//! Not here: the conventions that clippy checks (`clippy.toml`), and reading Rust (`source`).
//!
//! Each convention is a function from a source to its violations, so that a test can show that it finds one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub mod source;

use source::{Placed, Token, arrows, tokens};

/// Rows of modules: a module uses those of lower rows and, in its own row, those on its left.
///
/// Within a row the order is the present one: ids are made of timestamps, domain events are made of ids and words,
/// tables hold all three; `db` turns the vocabulary into cells, `page` reads through it, `access` knows neither; queues
/// listen to the bus; events know nothing of bookings, which change their tickets; the demo is made by verbs and shown
/// by `http`.
const ROWS: &[(&str, &[&str])] = &[
    ("vocabulary", &["sync", "clock", "zone", "id", "money", "status", "text", "domain_event", "entity"]),
    ("the database, and who may do what", &["db", "page", "access"]),
    ("a request", &["engine"]),
    ("the context of a verb", &["ctx"]),
    ("around a commit", &["bus", "outbox", "queue", "relay", "idempotency"]),
    ("slices", &["account", "event", "booking"]),
    ("telling people", &["notification"]),
    ("what follows", &["reactions", "jobs"]),
    ("the contract", &["graphql"]),
    ("the edge", &["demo", "http", "retention", "app", "cli", "main"]),
];

/// Phrases with which a file names what is elsewhere.
const SAYS_NOT: &[&str] = &["Not here", "Nothing here", "No behaviour here", "What does not live here"];

/// Returns the row of a module, its position in the row, and the name of the row.
fn rank(module: &str) -> Option<(usize, usize, &'static str)> {
    ROWS.iter().enumerate().find_map(|(row, (name, modules))| {
        modules.iter().position(|known| *known == module).map(|place| (row, place, *name))
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns every Rust file below a folder, as path from the root of the repository and text.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
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
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(named).collect()
}

/// Checks a convention over folders; fails with every violation.
fn hold(folders: &[&str], convention: impl Fn(&str, &str) -> Vec<String>) {
    let files = folders.iter().flat_map(|folder| sources(folder));
    let wrong: Vec<String> = files
        .flat_map(|(name, text)| convention(&name, &text).into_iter().map(move |what| format!("{name}:{what}")))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Returns the module of a file below `src`: `src/booking/cancel.rs` is `["booking", "cancel"]`, the library's root is
/// empty.
fn module_of(name: &str) -> Vec<&str> {
    let name = name.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let mut module: Vec<&str> = name.split('/').collect();
    if [Some(&"mod"), Some(&"lib")].contains(&module.last()) {
        module.pop();
    }
    module
}

// --- arrows

fn wrong_arrows(name: &str, text: &str) -> Vec<String> {
    let module = module_of(name);
    let Some(own) = module.first() else { return Vec::new() }; // the map uses nothing
    let Some((row, place, of)) = rank(own) else {
        return vec![format!("1: module `{own}` stands in no row: give it one in tests/it/architecture.rs")];
    };
    let library = (*own == "main").then_some("boxoffice");
    let mut wrong = Vec::new();
    for arrow in arrows(&tokens(text), &module, library) {
        let (line, to) = (arrow.line, arrow.to.as_str());
        match rank(to) {
            Some((other, at, _)) if (other, at) <= (row, place) => {}
            Some((other, _, of_other)) => wrong.push(format!(
                "{line}: {own} → {to}: `{to}` (row {other}, {of_other}) stands above `{own}` (row {row}, {of}). What both \
                 need could live in {}; what `{to}` is to do about it, `{own}` can say as a domain event",
                below(row, place)
            )),
            None => wrong.push(format!("{line}: {own} → {to}: stands in no row: give it one in tests/it/architecture.rs")),
        }
    }
    wrong.dedup();
    wrong
}

/// Returns the rows to which an item could move that a module and one above it share.
fn below(row: usize, place: usize) -> String {
    let (_, modules) = ROWS[row];
    let left = match place {
        0 => String::new(),
        _ => format!("`{}`, ", modules[..place].join("`, `")),
    };
    match row {
        0 => format!("{left}or a new module in row 0 before it"),
        _ => format!("{left}rows 0 to {}, or a new module there", row - 1),
    }
}

#[test]
fn arrows_go_down_or_left() {
    hold(&["src"], wrong_arrows);
}

#[test]
fn an_arrow_up_is_found_however_it_is_written() {
    let source = r##"
        //! crate::cli is only talked about here, as in [`crate::app`].
        use crate::clock::Timestamp;
        use crate::{db::{self, Db}, notification::{inbox, read as reads}, text};
        /* crate::app /* nested */ crate::http */
        fn f<'a>(x: &'a str) -> char { let _ = "crate::app // no comment"; let _ = r#"" crate::cli"#; '"' }
        fn g() { let _ = crate::graphql::sdl(); let _: Vec<super::super::reactions::Effect> = super::f(); }
        mod inner { use super::super::super::http; use super::super::place; use super::g; }
        macro_rules! m { () => { $crate::app::App }; }
    "##;
    let wrong = wrong_arrows("src/booking/place.rs", source);
    let found: Vec<&str> = wrong.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
    let expected =
        ["notification", "notification", "graphql", "reactions", "http", "app"].map(|to| format!("booking → {to}"));
    // Two names in one list are one arrow.
    assert_eq!(found, expected[1..], "{wrong:#?}");
    assert!(wrong[0].starts_with("4: "), "{wrong:?}");
    assert!(wrong[0].contains("`account`, `event`, rows 0 to 4"), "says where the shared thing could live: {wrong:?}");

    assert_eq!(wrong_arrows("src/id.rs", "use super::domain_event::DomainEvent;").len(), 1, "right in the same row");
    assert!(
        wrong_arrows("src/domain_event.rs", "use crate::{id, clock::Timestamp}; mod x { use super::super::id; }")
            .is_empty()
    );
    assert_eq!(wrong_arrows("src/nowhere.rs", "").len(), 1, "a new module needs a row");
    assert_eq!(wrong_arrows("src/id.rs", "use crate::nowhere::X;").len(), 1);
    assert!(wrong_arrows("src/main.rs", "use boxoffice::cli; fn main() { boxoffice::app::run() }").is_empty());
    assert_eq!(wrong_arrows("src/main.rs", "use boxoffice::nowhere;").len(), 1);
}

/// `lib.rs` is the map: modules only, all of them, and its groups in the order of the rows.
#[test]
fn the_map_lists_every_module_in_reading_order() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let code = text.lines().filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    let mut groups: Vec<Vec<&str>> = vec![Vec::new()];
    for line in code {
        match line.strip_prefix("pub mod ").and_then(|line| line.strip_suffix(';')) {
            Some(module) => groups.last_mut().unwrap().push(module),
            None if line.is_empty() => groups.push(Vec::new()),
            None => panic!("src/lib.rs holds more than the map: {line}"),
        }
    }
    groups.retain(|group| !group.is_empty());
    let place = |module: &&str| rank(module).unwrap_or_else(|| panic!("`{module}` stands in no row"));
    for pair in groups.windows(2) {
        let (last, first) = (pair[0].iter().map(place).max(), pair[1].iter().map(place).min());
        assert!(last < first, "these groups of src/lib.rs are not in reading order: {:?}, {:?}", pair[0], pair[1]);
    }
    let mut listed = groups.concat();
    let mut ranked: Vec<&str> = ROWS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    ranked.retain(|module| *module != "main");
    listed.sort_unstable();
    ranked.sort_unstable();
    assert_eq!(listed, ranked, "src/lib.rs and the rows name the same modules");
}

// --- cycles

/// Modules whose files may use each other in circles: types of GraphQL point at each other, and so do tables.
const ONE_GRAPH: &[&str] = &["graphql", "entity"];

/// Edges between the children of each folder: folder, child that uses, child that is used.
fn sibling_edges(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let modules: BTreeSet<Vec<String>> =
        files.iter().map(|(name, _)| module_of(name).into_iter().map(str::to_owned).collect()).collect();
    let mut edges: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (name, text) in files {
        let module = module_of(name);
        for arrow in arrows(&tokens(text), &module, None) {
            let shared = module.iter().zip(&arrow.path).take_while(|(own, to)| *own == to).count();
            // A folder and the root of its crate are no siblings of their children.
            let (Some(own), Some(to)) = (module.get(shared), arrow.path.get(shared)) else { continue };
            if shared == 0 || ONE_GRAPH.contains(&module[0]) || !modules.contains(&arrow.path[..=shared]) {
                continue;
            }
            edges.entry(module[..shared].join("/")).or_default().insert(((*own).to_owned(), to.clone()));
        }
    }
    edges
}

/// Children of a folder that reach themselves.
fn circles(edges: &BTreeSet<(String, String)>) -> BTreeSet<String> {
    let mut reach = edges.clone();
    loop {
        let more: BTreeSet<(String, String)> = reach
            .iter()
            .flat_map(|(a, b)| edges.iter().filter(move |(c, _)| b == c).map(move |(_, d)| (a.clone(), d.clone())))
            .collect();
        let before = reach.len();
        reach.extend(more);
        if reach.len() == before {
            return reach.into_iter().filter(|(a, b)| a == b).map(|(a, _)| a).collect();
        }
    }
}

#[test]
fn files_of_a_module_do_not_use_each_other_in_circles() {
    let edges = sibling_edges(&sources("src"));
    assert!(edges.len() > 8, "only {} folders were read", edges.len());
    let found: Vec<String> = edges
        .iter()
        .map(|(folder, edges)| (folder, circles(edges)))
        .filter(|(_, circles)| !circles.is_empty())
        .map(|(folder, circles)| format!("src/{folder}: {circles:?}"))
        .collect();
    assert!(found.is_empty(), "these files use each other in circles:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let file = |name: &str, text: &str| (format!("src/{name}.rs"), text.to_owned());
    let files = [
        file("queue/mod", "use self::a::A;"),
        file("queue/a", "use super::b::{B, C}; use super::Shared;"),
        file("queue/b", "fn f() { crate::queue::c::d::g() }"),
        file("queue/c/mod", ""),
        file("queue/c/d", "use super::super::a; use crate::booking::x;"),
        file("queue/e", "use super::a;"),
        file("graphql/x", "use super::y;"),
        file("graphql/y", "use super::x;"),
    ];
    let edges = sibling_edges(&files);
    assert_eq!(edges.keys().collect::<Vec<_>>(), ["queue"]);
    assert_eq!(circles(&edges["queue"]).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
}

// --- size and style

/// Most lines of a file below `src`.
const LINES_MAX: usize = 400;

#[test]
fn files_are_short() {
    hold(&["src", "migration/src"], |_, text| {
        let lines = text.lines().count();
        if lines > LINES_MAX { vec![format!("1: {lines} lines, more than {LINES_MAX}")] } else { Vec::new() }
    });
}

/// Modules that are a file and a folder at once: a folder has its own file `mod.rs` inside.
fn two_styles(names: &[&str]) -> Vec<String> {
    let folder =
        |name: &&&str| names.iter().any(|other| other.starts_with(&format!("{}/", name.trim_end_matches(".rs"))));
    names.iter().filter(folder).map(|name| (*name).to_owned()).collect()
}

#[test]
fn modules_have_one_style() {
    let files = sources("src");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(two_styles(&names), Vec::<String>::new(), "a folder's own file is its mod.rs");
    assert_eq!(two_styles(&["src/a.rs", "src/ab/mod.rs", "src/b.rs", "src/b/c.rs"]), ["src/b.rs"]);
}

// --- what is public

/// Words of a source outside of comments and texts.
fn words_of(text: &str) -> BTreeSet<String> {
    let words = tokens(text).into_iter().filter_map(|placed| match placed.token {
        Token::Word(word) => Some(word),
        _ => None,
    });
    words.collect()
}

/// Names of public functions and constants of a source. Types are left out: a public function may return one.
fn public_values(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let word = |at: usize| match tokens.get(at).map(|placed| &placed.token) {
        Some(Token::Word(word)) => Some(word.as_str()),
        _ => None,
    };
    // Of a module written inside the file, such as a table of codes, some may be there for completeness.
    let mut depth = 0_usize;
    let mut inline = Vec::new();
    let is_outside = |at: &usize| {
        match &tokens[*at].token {
            Token::Sign('{') => {
                depth += 1;
                if at.checked_sub(2).and_then(word) == Some("mod") {
                    inline.push(depth);
                }
            }
            Token::Sign('}') => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        inline.is_empty()
    };
    let outside: Vec<usize> = (0..tokens.len()).filter(is_outside).collect();
    outside
        .into_iter()
        .filter(|at| word(*at) == Some("pub"))
        .filter_map(|mut at| {
            at += 1;
            // `pub(super)` and the like.
            while matches!(tokens.get(at).map(|placed| &placed.token), Some(Token::Sign('(' | ')')))
                || matches!(word(at), Some("super" | "crate" | "async"))
                || (word(at) == Some("const") && word(at + 1) == Some("fn"))
            {
                at += 1;
            }
            matches!(word(at), Some("fn" | "const" | "static")).then(|| word(at + 1).map(str::to_owned)).flatten()
        })
        .collect()
}

#[test]
fn public_functions_and_constants_have_a_user() {
    let files: Vec<(String, String)> =
        ["src", "tests/it", "benches", "fuzz"].iter().flat_map(|folder| sources(folder)).collect();
    let words: Vec<(&str, BTreeSet<String>)> =
        files.iter().map(|(name, text)| (name.as_str(), words_of(text))).collect();
    let is_used = |of: &str, value: &str| words.iter().any(|(name, words)| *name != of && words.contains(value));
    // Resolvers are called by the derived code of their type.
    let own = files.iter().filter(|(name, _)| name.starts_with("src/") && !name.starts_with("src/graphql/"));
    let found: Vec<String> = own
        .flat_map(|(name, text)| public_values(text).into_iter().map(move |value| (name.as_str(), value)))
        .filter(|(name, value)| !is_used(name, value))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert!(found.is_empty(), "public without a user outside of their file:\n{}", found.join("\n"));
}

#[test]
fn public_values_are_found_however_they_are_declared() {
    let text =
        "pub const A: i64 = 1; pub(super) async fn b() {} pub const fn c() {} fn d() {} pub struct E; // pub fn f()
                pub(crate) static G: i64 = 0; mod codes { pub const H: i64 = 1; } pub fn i() {}";
    assert_eq!(public_values(text), ["A", "b", "c", "G", "i"]);
}

// --- how files open

fn wrong_opening(name: &str, text: &str) -> Vec<String> {
    let doc: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let doc = doc.join(" ");
    let Some(not) = SAYS_NOT.iter().filter_map(|phrase| doc.find(phrase)).min() else {
        if name == "src/lib.rs" && !doc.is_empty() {
            return Vec::new(); // the map has no module above it
        }
        return vec![format!("1: opens without what deliberately does not live here ({})", SAYS_NOT.join(" / "))];
    };
    let is_sentence = |text: &str| {
        let text = text.trim();
        text.ends_with(['.', ':', ')', '`']) && text.split_whitespace().count() >= 3
    };
    let mut wrong = Vec::new();
    if !is_sentence(&doc[..not]) {
        wrong.push("1: opens without a sentence of what lives here".to_owned());
    }
    if doc[not..].split_whitespace().count() < 3 {
        wrong.push("1: names nothing that does not live here".to_owned());
    }
    wrong
}

#[test]
fn every_file_says_what_lives_in_it_and_what_does_not() {
    hold(&["src", "migration/src", "tests/it", "benches"], wrong_opening);
}

// --- what stands nowhere

/// Returns the word at `at`, called or not.
fn word(tokens: &[Placed], at: usize) -> Option<&str> {
    match &tokens.get(at)?.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

fn sign(tokens: &[Placed], at: usize) -> Option<char> {
    match tokens.get(at)?.token {
        Token::Sign(sign) => Some(sign),
        _ => None,
    }
}

fn wrong_transactions(name: &str, text: &str) -> Vec<String> {
    if name.starts_with("src/db/") {
        return Vec::new();
    }
    let tokens = tokens(text);
    let mut wrong = Vec::new();
    for (at, placed) in tokens.iter().enumerate() {
        let begins = match &placed.token {
            Token::Word(word) => {
                let is_verb = word.starts_with("begin_with") || ["begin", "transaction"].contains(&word.as_str());
                let is_called = sign(&tokens, at + 1) == Some('(')
                    || tokens.get(at + 1).is_some_and(|next| next.token == Token::Path);
                is_verb && is_called && at > 0 && tokens[at - 1].token == Token::Sign('.')
            }
            Token::Text(sql) => {
                let first = sql.split_whitespace().next().unwrap_or("");
                ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "START"].contains(&first)
            }
            Token::Path | Token::Sign(_) => false,
        };
        if begins {
            wrong.push(format!("{}: only src/db begins and ends transactions: use Db::write", placed.line));
        }
    }
    wrong
}

#[test]
fn only_db_begins_transactions() {
    hold(&["src"], wrong_transactions);
}

fn left_over(_: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let macros = ["todo", "unimplemented", "dbg"];
    let found = tokens.iter().enumerate().filter(|(at, _)| {
        word(&tokens, *at).is_some_and(|word| macros.contains(&word)) && sign(&tokens, at + 1) == Some('!')
    });
    found.map(|(_, placed)| format!("{}: left over: {:?}", placed.line, placed.token)).collect()
}

#[test]
fn nothing_is_left_over() {
    hold(&["src", "migration/src", "tests/it", "benches"], left_over);
}

/// `.unwrap()` says that something cannot happen; only a comment says why.
fn unexplained_unwraps(_: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let lines: Vec<&str> = text.lines().collect();
    let is_explained = |line: usize| {
        let same = lines.get(line - 1).is_some_and(|line| line.contains("//"));
        same || line.checked_sub(2).and_then(|above| lines.get(above)).is_some_and(|l| l.trim().starts_with("//"))
    };
    let found =
        (0..tokens.len()).filter(|at| word(&tokens, *at) == Some("unwrap") && sign(&tokens, at + 1) == Some('('));
    let found = found.map(|at| tokens[at].line).filter(|line| !is_explained(*line));
    found.map(|line| format!("{line}: an unwrap without the reason why it cannot fail")).collect()
}

#[test]
fn every_unwrap_says_why_it_cannot_fail() {
    hold(&["src", "migration/src"], unexplained_unwraps);
}

fn sleeping_or_skipped(_: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut wrong = Vec::new();
    for (at, placed) in tokens.iter().enumerate() {
        let line = placed.line;
        match word(&tokens, at) {
            Some(word) if (word == "sleep" || word.starts_with("sleep_")) && sign(&tokens, at + 1) == Some('(') => {
                wrong.push(format!("{line}: a test that sleeps: wait for a signal"));
            }
            Some("ignore") if at >= 2 && sign(&tokens, at - 2) == Some('#') && sign(&tokens, at - 1) == Some('[') => {
                // `scripts/with-postgres cargo test` runs these too, and `scripts/test` counts one that is left out.
                if matches!(&tokens.get(at + 2).map(|token| &token.token), Some(Token::Text(why)) if why.starts_with("needs PostgreSQL"))
                {
                    continue;
                }
                wrong.push(format!("{line}: a test that is skipped"));
            }
            _ => {}
        }
    }
    wrong
}

#[test]
fn tests_neither_sleep_nor_skip() {
    hold(&["tests/it", "benches"], sleeping_or_skipped);
}

#[test]
fn each_convention_finds_its_violation() {
    let good = "//! Tickets on shelves.\n//! Not here: shelves without tickets.\n";
    assert_eq!(wrong_opening("src/x.rs", good), Vec::<String>::new());
    for bad in [
        "",
        "use std::fs;",
        "//! Tickets on shelves.",
        "//! x",
        "//! Not here: shelves without tickets.",
        "//! Tickets on shelves.\n//! Not here.",
        "// Tickets on shelves. Not here: shelves without tickets.",
        "use std::fs;\n//! Tickets on shelves.\n//! Not here: shelves without tickets.",
    ] {
        assert_ne!(wrong_opening("src/x.rs", bad), Vec::<String>::new(), "{bad:?}");
    }

    for bad in [
        "fn f() { pool.begin().await }",
        "fn f() { pool.begin_with_options(o) }",
        "fn f() { c.transaction::<_, (), E>(b) }",
        "fn f() { run(\"BEGIN IMMEDIATE\") }",
    ] {
        assert_eq!(wrong_transactions("src/booking/x.rs", bad).len(), 1, "{bad}");
        assert_eq!(wrong_transactions("src/db/mod.rs", bad).len(), 0, "{bad}");
    }
    let fine = "// pool.begin()\nfn begin() { begins(); let s = \"The BEGIN of it\"; }";
    assert!(wrong_transactions("src/x.rs", fine).is_empty());

    assert_eq!(left_over("", "fn f() { todo!() } fn g() { dbg!(1); } // todo!()").len(), 2);
    assert_eq!(left_over("", "fn f() { let todo = \"todo!()\"; }").len(), 0);

    assert_eq!(
        unexplained_unwraps("", "fn f() {\n    a.unwrap();\n}"),
        ["2: an unwrap without the reason why it cannot fail"]
    );
    assert!(
        unexplained_unwraps("", "fn f() {\n    // never empty\n    a.unwrap();\n    b.unwrap(); // checked above\n}")
            .is_empty()
    );
    assert!(unexplained_unwraps("", "fn f() { a.unwrap_or_default(); }").is_empty());

    assert_eq!(sleeping_or_skipped("", "async fn f() { tokio::time::sleep(d).await; sleep_until(i) }").len(), 2);
    assert_eq!(sleeping_or_skipped("", "#[test]\n#[ignore = \"slow\"]\nfn f() {}").len(), 1);
    assert!(sleeping_or_skipped("", "#[ignore = \"needs PostgreSQL: x\"]\nfn f() {}").is_empty());
    assert!(sleeping_or_skipped("", "fn f() { let asleep = \"sleep(1)\"; ignore(asleep) }").is_empty());
}
