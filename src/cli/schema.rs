//! `boxoffice schema`: prints the public GraphQL contract, or holds a file against it.
//! Not here: the contract (`graphql`), and which of its changes break clients (the gate in `tests/clients`).

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
    /// Print it, sorted
    Print,
    /// Fail when a file is not it
    #[command(after_help = EXIT_CODES)]
    Check {
        /// The file
        #[arg(default_value = "schema.graphql")]
        file: PathBuf,
    },
    /// Show, line by line, what became of a file
    #[command(after_help = EXIT_CODES)]
    Diff {
        /// The file, such as the contract of an earlier release
        file: PathBuf,
    },
}

/// As `diff` has them, so that a script can tell a difference from a wrong path.
const EXIT_CODES: &str = "Exit codes: 0 the same, 1 different, 2 the file cannot be read.";

/// Lines around a change that are shown with it: a description, and what it describes.
const CONTEXT: usize = 3;

/// Does what was asked.
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
        "none is needed if that is meant; boxoffice schema print has the whole of it".to_owned()
    } else {
        format!("boxoffice schema print > {name}; what changed: boxoffice schema diff {name}")
    };
    let what = format!("{name} is not the contract of this release: {removed} of its lines are gone, {added} are new");
    Err(Failure::new(what, fix))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", file.display()), "name a file with a contract").with_code(2)
    })
}

/// Prints a text; who listens to its beginning only (`| head`) has heard enough.
fn say(text: &str) -> Result<(), Failure> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot print: {error}"), "print to somewhere else"))
        }
        _ => Ok(()),
    }
}

/// The lines that differ, with the type each stands in.
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

/// Where these lines end: inside which type, if inside one.
fn owner(lines: &[&str]) -> String {
    let opening = lines.iter().rev().map(|line| line.trim_end()).find(|line| line.ends_with('{') || *line == "}");
    opening.and_then(|line| line.strip_suffix('{')).map_or_else(String::new, |name| format!(", {}", name.trim_end()))
}
