//! `boxoffice schema`: prints the public GraphQL schema, or compares a file with it.
//! Not here: the check for breaking changes (`tests/clients`).

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _, stdout};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use similar::{ChangeTag, TextDiff};

use super::Failure;
use crate::graphql::sdl;

/// `boxoffice schema …`
#[derive(Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Subcommand)]
enum SchemaCommand {
    /// Print the schema, sorted
    Print,
    /// Fail if a file differs from the schema
    #[command(after_help = EXIT_CODES)]
    Check {
        /// File to compare
        #[arg(default_value = "schema.graphql")]
        file: PathBuf,
    },
    /// Show the differences between a file and the schema, line by line
    #[command(after_help = EXIT_CODES)]
    Diff {
        /// File to compare, such as the schema of an earlier release
        file: PathBuf,
    },
}

/// Exit codes of `check` and `diff`, so that a script can tell a difference from a wrong path.
const EXIT_CODES: &str = "Exit codes: 0 identical, 1 different, 2 the file cannot be read.";

/// Number of unchanged lines shown around a change: enough for a description and the field it describes.
const CONTEXT: usize = 3;

/// Runs a command of `boxoffice schema`.
pub fn schema(args: SchemaArgs) -> Result<(), Failure> {
    let (file, show) = match args.command {
        SchemaCommand::Print => return say(&sdl()),
        SchemaCommand::Check { file } => (file, false),
        SchemaCommand::Diff { file } => (file, true),
    };
    let (old, new) = (read(&file)?, sdl());
    let diff = TextDiff::from_lines(&old, &new);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let (added, removed) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    if added + removed == 0 {
        return Ok(());
    }
    let name = file.display();
    let fix = if show {
        say(&changes(&diff))?;
        "no action needed if the change is intended; the whole schema: boxoffice schema print".to_owned()
    } else {
        format!("boxoffice schema print > {name}      differences: boxoffice schema diff {name}")
    };
    let what = format!("{name} differs from the schema of this release: {removed} lines removed, {added} lines added");
    Err(Failure::new(what, fix))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", file.display()), "name a readable schema file").with_code(2)
    })
}

/// Prints a text. A reader that closes the pipe early (`| head`) is no error.
fn say(text: &str) -> Result<(), Failure> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot print: {error}"), "redirect the output to another file"))
        }
        _ => Ok(()),
    }
}

/// Returns the lines that differ, with the type that contains them.
fn changes(diff: &TextDiff<'_, '_, '_, str>) -> String {
    let old = diff.old_slices();
    let mut text = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        let start = group.first().map_or(0, |op| op.old_range().start);
        let _ = writeln!(text, "@@ line {}{}", start + 1, owner(&old[..start.min(old.len())]));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let _ = write!(text, "{}{}", change.tag(), change.value());
            if change.missing_newline() {
                text.push('\n');
            }
        }
    }
    text
}

/// Returns the type that contains the last of these lines; empty outside of types.
fn owner(lines: &[&str]) -> String {
    let opening = lines.iter().rev().map(|line| line.trim_end()).find(|line| line.ends_with('{') || *line == "}");
    opening.and_then(|line| line.strip_suffix('{')).map_or_else(String::new, |name| format!(", {}", name.trim_end()))
}
