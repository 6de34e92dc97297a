//! Entry point: parses the command line, runs the command, and prints its error.
//! Not here: the commands (`cli`).

use std::process::ExitCode;

use boxoffice::cli::{Command, Failure, config, demo, log, migrate, schema, serve, user};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Two TLS providers are linked in; rustls would refuse to choose between them.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = match config::parse().map(|cli| cli.command) {
        Err(failure) => Err(failure),
        Ok(Some(Command::Serve(args))) => serve::serve(*args).await,
        Ok(Some(Command::Migrate(args))) => migrate::migrate(args).await,
        Ok(Some(Command::User(args))) => user::user(args).await,
        Ok(Some(Command::Demo(args))) => demo::demo(args).await,
        Ok(Some(Command::Schema(args))) => schema::schema(args),
        Ok(None) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { what, fix, code }) => {
            let red = if log::colours(&std::io::stderr()) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
            eprintln!("{}error{}: {what}\n  fix: {fix}", red.0, red.1);
            ExitCode::from(code)
        }
    }
}
