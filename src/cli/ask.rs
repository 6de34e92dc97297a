//! Questions at the terminal: passwords and confirmations.
//! Not here: the use of the answers.

use std::io::{BufRead, IsTerminal, Write};

use super::Failure;

/// Reads a new password: typed twice at a prompt that does not show it, or one line of standard input. It is never
/// taken from the command line, where `ps` shows it.
pub fn password() -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            format!("cannot read the password: {error}"),
            "type it at the prompt, or pipe it into standard input",
        )
    };
    if !std::io::stdin().is_terminal() {
        return line().map_err(failed);
    }
    let password = rpassword::prompt_password("Password: ").map_err(failed)?;
    if rpassword::prompt_password("Repeat the password: ").map_err(failed)? != password {
        return Err(Failure::new("the two passwords differ", "nothing was changed; try again"));
    }
    Ok(password)
}

/// Asks for confirmation before a change that ends something. Without a terminal no question can be asked, so the
/// command needs `--yes`.
pub fn confirm(question: &str, is_confirmed: bool) -> Result<(), Failure> {
    if is_confirmed {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let what = format!("cannot ask for confirmation without a terminal: {question}");
        return Err(Failure::new(what, "add --yes; nothing was changed").with_code(2));
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush(); // a question that cannot be shown is answered with no
    match line().unwrap_or_default().trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new("not confirmed; nothing was changed", "run it again and answer y, or add --yes")),
    }
}

fn line() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
