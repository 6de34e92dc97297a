//! Conventions of the language of code and schema, held by figures: how comments begin, how long they are, which names
//! are retired.
//! Not here: conventions of the structure (`architecture`).
//!
//! The bounds are the figures of well-kept services of this kind, counted in the same way. A share is held instead of a
//! ban, because now and then such a sentence is the plainest one.

use std::fs;

use crate::architecture::sources;

/// Longest line of a comment, in columns: what `rustfmt.toml` allows code.
const COLUMNS: usize = 120;

/// Words that leave the subject of a sentence unnamed when a comment begins with them.
const OPENINGS: &[&str] = &["what", "who", "whom", "whose", "which", "how", "where", "whether"];

/// Words for people that name no role.
const UNNAMED: &[&str] = &["whoever", "somebody", "nobody", "anybody", "whose"];

/// Identifiers that the terms of the field replaced.
const RETIRED: &[&str] = &[
    "Fact",
    "FactId",
    "fact_id",
    "facts",
    "Desk",
    "desk",
    "Floor",
    "floor",
    "Wish",
    "wish",
    "wishes",
    "Ledger",
    "ledger",
    "settle",
    "line_no",
    "line_tail",
    "Brake",
    "Braked",
    "Crowd",
    "farewell",
    "Gate",
    "Pass",
    "Lane",
    "witness",
    "Micros",
    "Chance",
    "Noun",
    "opaque",
    "programme",
    "Programme",
    "Tally",
    "tally",
    "Board",
    "BoardWatch",
    "Consequence",
    "Explain",
    "Whose",
    "Which",
    "Told",
    "Ask",
    "Reply",
    "Filled",
    "Misfit",
    "hasPlaces",
    "has_places",
    "crime",
    "offender",
    "go_deaf",
    "hopeless",
    "CROWD",
];

/// Text of each comment: the lines of one block of `///` or `//!`, joined.
fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            Some(words) if open => {
                let comment = found.last_mut().unwrap();
                comment.push(' ');
                comment.push_str(words.trim());
            }
            Some(words) => {
                found.push(words.trim().to_owned());
                open = true;
            }
            None => open = false,
        }
    }
    found
}

/// Description of each item of the schema.
fn descriptions(sdl: &str) -> Vec<String> {
    sdl.split("\"\"\"").skip(1).step_by(2).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn opens_without_subject(text: &str) -> bool {
    words(text).next().is_some_and(|word| OPENINGS.contains(&word.as_str()))
}

fn names_no_role(text: &str) -> bool {
    words(text).any(|word| UNNAMED.contains(&word.as_str()))
}

fn says_nothing(text: &str) -> bool {
    text.split_whitespace().count() <= 2
}

/// Holds that fewer than `most` per thousand are found, and names them otherwise.
fn hold(what: &str, texts: &[String], most: usize, is_found: impl Fn(&str) -> bool) {
    let found: Vec<&String> = texts.iter().filter(|text| is_found(text)).collect();
    let list = found.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n  ");
    assert!(found.len() * 1_000 < texts.len() * most, "{what}: {} of {}:\n  {list}", found.len(), texts.len());
}

#[test]
fn comments_name_their_subject() {
    let all: Vec<String> = ["src", "migration/src"]
        .iter()
        .flat_map(|folder| sources(folder))
        .flat_map(|(_, text)| comments(&text))
        .collect();
    assert!(all.len() > 1_000, "only {} comments were read", all.len());
    hold("open with a relative word", &all, 50, opens_without_subject);
    hold("speak of unnamed people", &all, 15, names_no_role);
    hold("have two words or fewer", &all, 25, says_nothing);
}

#[test]
fn descriptions_of_the_schema_name_their_subject() {
    let all = descriptions(&fs::read_to_string("schema.graphql").unwrap());
    assert!(all.len() > 300, "only {} descriptions were read", all.len());
    hold("open with a relative word", &all, 50, opens_without_subject);
    hold("speak of unnamed people", &all, 15, names_no_role);
    hold("have two words or fewer", &all, 25, says_nothing);
}

fn long_lines(text: &str) -> Vec<usize> {
    let lines = text.lines().enumerate();
    let long = lines.filter(|(_, line)| line.trim_start().starts_with("//") && line.chars().count() > COLUMNS);
    long.map(|(at, _)| at + 1).collect()
}

#[test]
fn comments_fit_the_width_of_code() {
    let folders = ["src", "migration/src", "tests/it", "benches"];
    let long: Vec<String> = folders
        .iter()
        .flat_map(|folder| sources(folder))
        .flat_map(|(name, text)| long_lines(&text).into_iter().map(move |line| format!("{name}:{line}")))
        .collect();
    assert!(long.is_empty(), "comments beyond {COLUMNS} columns:\n{}", long.join("\n"));
}

/// Identifiers of a source: its words outside of comments and strings.
fn retired(text: &str) -> Vec<&'static str> {
    use crate::architecture::source::{Token, tokens};
    let used: Vec<String> = tokens(text)
        .into_iter()
        .filter_map(|placed| match placed.token {
            Token::Word(word) => Some(word),
            _ => None,
        })
        .collect();
    RETIRED.iter().copied().filter(|name| used.iter().any(|word| word == name)).collect()
}

#[test]
fn retired_identifiers_do_not_return() {
    let found: Vec<String> = ["src", "migration/src", "tests/it", "benches"]
        .iter()
        .flat_map(|folder| sources(folder))
        .flat_map(|(name, text)| retired(&text).into_iter().map(move |word| format!("{name}: {word}")))
        .collect();
    assert!(found.is_empty(), "retired identifiers:\n{}", found.join("\n"));
}

#[test]
fn each_convention_finds_its_violation() {
    assert!(opens_without_subject("What it costs."));
    assert!(!opens_without_subject("Cost of an operation."));
    assert!(names_no_role("Told to whoever asks."));
    assert!(!names_no_role("Told to the customer."));
    assert!(says_nothing("Its user."));
    assert!(!says_nothing("User of the session."));
    assert_eq!(comments("/// One\n/// block.\nfn f() {}\n    /// Another.\n"), ["One block.", "Another."]);
    assert_eq!(
        descriptions("\"\"\"\nA type.\n\"\"\"\ntype A {\n\t\"\"\"\n\tIts field.\n\t\"\"\"\n}"),
        ["A type.", "Its field."]
    );
    assert_eq!(long_lines(&format!("// {}\nfn f() {{}}", "x".repeat(COLUMNS))), [1]);
    assert_eq!(retired("// Fact\nfn f(fact: Fact) -> &'static str { \"Desk\" }"), ["Fact"]);
}
