//! Config file `boxoffice.toml`. Precedence: flag, environment, file, default. Each flag of a command is a setting,
//! under its own name with `_` for `-`.
//! Not here: the settings themselves.
//!
//! The values become the defaults of the flags, so that there is one way to read, check and explain a setting.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::{Cli, Failure};

/// Default config file; read if it exists.
const FILE: &str = "boxoffice.toml";

/// Flags that a file cannot set: they name the file itself, or apply to a single call.
const NOT_IN_A_FILE: [&str; 7] = ["config", "help", "version", "open", "role", "email", "name"];

/// Reads the command line and the config file. Wrong usage ends the program here with clap's message.
pub fn parse() -> Result<Cli, Failure> {
    let arguments = with_command(std::env::args_os().collect());
    let (named, path) = match named(&arguments) {
        Some(path) => (true, path),
        None => (false, PathBuf::from(FILE)),
    };
    let table = match std::fs::read_to_string(&path) {
        Ok(text) => read(&path, &text)?,
        Err(error) if error.kind() == ErrorKind::NotFound && !named => Table::new(),
        Err(error) => {
            return Err(Failure::new(
                format!("cannot read {}: {error}", path.display()),
                "name an existing file: --config FILE",
            )
            .with_code(2));
        }
    };
    let command = over(&path, &table, Cli::command())?;
    let matches = command.try_get_matches_from(arguments).unwrap_or_else(|error| {
        if !table.is_empty() {
            eprintln!("note: the settings of {} apply too", path.display());
        }
        error.exit()
    });
    Cli::from_arg_matches(&matches).map_err(|error| error.exit())
}

/// Inserts `serve` into arguments that name no command: `boxoffice --listen …` is `boxoffice serve --listen …`. An
/// unknown command is left to clap, which suggests the nearest one.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1; // behind the name of the program
    while let Some(argument) = arguments.get(at).map(|argument| argument.to_string_lossy()) {
        match &*argument {
            "--config" if at + 1 == arguments.len() => return arguments, // clap reports the missing file
            "--config" => at += 2,
            flag if flag.starts_with("--config=") => at += 1,
            "-h" | "--help" | "-V" | "--version" => return arguments,
            flag if flag.starts_with('-') => break,
            _ => return arguments,
        }
    }
    arguments.insert(at, "serve".into());
    arguments
}

/// Returns the file named by flag or environment.
fn named(arguments: &[OsString]) -> Option<PathBuf> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    matches.get_one::<PathBuf>("config").cloned()
}

fn read(path: &Path, text: &str) -> Result<Table, Failure> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let what = error.message().replace('\n', " ");
        Failure::new(
            format!("{}, line {line}: {what}", path.display()),
            "write one setting per line, such as: listen = \"127.0.0.1:8080\"",
        )
        .with_code(2)
    })
}

/// Returns the command with the file's values as defaults.
pub fn over(path: &Path, table: &Table, command: Command) -> Result<Command, Failure> {
    let mut known = BTreeSet::new();
    names(&command, &mut known);
    let wrong = |what: String, fix: &str| Failure::new(format!("{}: {what}", path.display()), fix).with_code(2);
    for (key, value) in table {
        if !known.contains(key) {
            let near = known.iter().max_by_key(|name| (likeness(name, key) * 1_000.0) as i64);
            let fix = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
            return Err(wrong(format!("there is no setting {key}"), &format!("{fix}See: boxoffice serve --help")));
        }
        if words(value).is_none() {
            let what = format!("{key} must be a string, a whole number, true or false, or a list of these");
            return Err(wrong(what, "see: boxoffice serve --help"));
        }
    }
    Ok(with_defaults(command, table))
}

/// Returns the similarity of two names, 0 to 1: the share of letter pairs they have in common.
fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| -> BTreeSet<(char, char)> { text.chars().zip(text.chars().skip(1)).collect() };
    let (a, b) = (pairs(a), pairs(b));
    2.0 * a.intersection(&b).count() as f64 / (a.len() + b.len()).max(1) as f64
}

fn key(long: &str) -> String {
    long.replace('-', "_")
}

fn names(command: &Command, known: &mut BTreeSet<String>) {
    let longs = command.get_arguments().filter_map(|argument| argument.get_long());
    known.extend(longs.filter(|long| !NOT_IN_A_FILE.contains(long)).map(key));
    command.get_subcommands().for_each(|command| names(command, known));
}

/// Converts a value to its form on the command line.
fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(number) => Some(vec![number.to_string()]),
        Value::Boolean(yes) => Some(vec![yes.to_string()]),
        Value::Array(values) => {
            let words: Option<Vec<Vec<String>>> = values.iter().map(words).collect();
            words.map(|words| words.concat())
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn with_defaults(command: Command, table: &Table) -> Command {
    let command = command.mut_args(|argument| {
        let value =
            argument.get_long().filter(|long| !NOT_IN_A_FILE.contains(long)).and_then(|long| table.get(&key(long)));
        match value.and_then(words) {
            // An argument that has a default must no longer count as required.
            Some(words) if matches!(argument.get_action(), ArgAction::Append) => argument.default_values(words),
            Some(words) => argument.default_value(words.join(",")),
            None => argument,
        }
    });
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |below| with_defaults(below, table)))
}
