//! Documentation page of the settings of `serve`, generated from the definitions of the flags.
//! Not here: the definitions.

use clap::{Arg, ArgAction, Command};

use std::fmt::Write;

/// Returns `docs/SETTINGS.md`: a table per group, a row per visible flag.
pub fn page(serve: &Command) -> String {
    let mut page = String::from(
        "# Settings\n\nGenerated from the program by `BOXOFFICE_WRITE_SETTINGS=1 cargo test --test it readme`; a test compares.\n\n\
         Every setting has four sources, in this order: a flag of `boxoffice serve`, an environment variable, a line of\n\
         `boxoffice.toml`, the default. A line of the file has the name of the flag with `_` for `-`, such as `max_depth = 8`.\n\
         `--config FILE` names another file. Secrets come from the environment only, because flags are visible in the process\n\
         list: `BOXOFFICE_JWT_SECRET`, `BOXOFFICE_JWT_SECRET_PREVIOUS`.\n",
    );
    for group in [None, Some("Database"), Some("Limits"), Some("Retention")] {
        let _ = writeln!(
            page,
            "\n## {}\n\n| flag | environment | default | |\n|---|---|---|---|",
            group.unwrap_or("Service")
        );
        let of_group = |argument: &&Arg| argument.get_help_heading() == group && !argument.is_hide_set();
        for argument in serve.get_arguments().filter(of_group) {
            let _ = page.write_str(&row(argument).unwrap_or_default());
        }
    }
    page + FIXED
}

/// Limits that are not configurable, and readiness of the database.
const FIXED: &str = "
## Readiness

A process has up to 40 connections of its own to PostgreSQL (`--db-*-connections`); a pooler in between, such as PgBouncer, is refused at the start.

`/readyz` answers within a second whether the database takes a write: it makes a small one, at most once a second, whatever the number of requests. Otherwise it is 503
with a `code`, and returns to 200 by itself:

| code | the database |
|---|---|
| `DATABASE_UNREACHABLE` | does not answer |
| `DATABASE_FULL` | has no room left |
| `DATABASE_READ_ONLY` | can only be read |
| `DATABASE_FILE_REPLACED` | file was moved, removed or replaced: nothing is written until it is back |
| `DATABASE_STUCK` | has a transaction that keeps all others waiting |
| `DATABASE_FAILING` | answers with an error, which is in the log |

## Fixed limits

- A document: 64 nested brackets; 10,000 fields and fragment spreads after expansion; argument values of weight 10,000 with variables
  inserted (1 per number or list, 1 more per 64 bytes of a string); introspection of 16 levels and 500 fields.
- A page has at most 100 rows, a list of errors at most 10 entries. Request line and headers together have at most 32 KiB.
- A mutation that is slower than its limit continues without an answer. Each request of a batch has its own time limit.
- An IPv6 /48 may fail as often as 20 addresses. Of the attempts of one address, twice the largest of these limits at once (100 at least) and
  then 50 a second reach the database; the others are refused in memory.
- Sessions are deleted 30 days after their last renewal, API tokens 30 days after their end, failed attempts after an hour. Invitations of members are
  deleted 30 days after their expiry.
- A client that reads nothing for 10 s is disconnected. A WebSocket is pinged after 15 s of silence and closed 10 s later. A client may send
  100 messages at once; 256 messages to it may wait.
- Domain events and notices are never deleted: streams resume from the former, and the latter belong to their users.
";

/// Returns the row of a flag; None for an argument without a long name or help, which is no setting.
fn row(argument: &Arg) -> Option<String> {
    let long = argument.get_long().filter(|long| !["help", "version", "config"].contains(long))?;
    let value = match argument.get_action() {
        ArgAction::SetTrue => String::new(),
        _ => argument.get_value_names()?.first().map(|name| format!(" {name}"))?,
    };
    let variable = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let default = match argument.get_action() {
        ArgAction::SetTrue => String::new(),
        _ => argument
            .get_default_values()
            .first()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .unwrap_or_default(),
    };
    Some(format!("| `--{long}{value}` | {variable} | {default} | {} |\n", argument.get_help()?))
}
