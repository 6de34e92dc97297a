//! `boxoffice schema`: prints the public GraphQL contract, or checks a file against it.
//! Not here: the contract (`graphql`).

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    Check {
        /// The file
        #[arg(default_value = "schema.graphql")]
        file: PathBuf,
    },
}

/// Does what was asked.
pub fn schema(args: SchemaArgs) -> Result<(), Failure> {
    match args.command {
        SchemaCommand::Print => {
            print!("{}", sdl());
            Ok(())
        }
        SchemaCommand::Check { file } => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display()), "name the file"))?;
            if text == sdl() {
                return Ok(());
            }
            Err(Failure::new(format!("{} is stale", file.display()), "run: boxoffice schema print > schema.graphql"))
        }
    }
}
