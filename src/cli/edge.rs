//! Settings of who may ask what, and how: foreign pages, trusted documents, batches.
//! Not here: keeping them (`http`, `graphql::document`), and how much may be asked (`limits`).

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::app::Options;
use crate::http::cors;
use crate::http::hosts::{self, Hosts};

/// Who may ask what.
#[derive(Args, Debug, Clone)]
pub struct EdgeArgs {
    /// Origin of a foreign page that may talk to the service, such as https://shop.example.org; may be repeated
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "BOXOFFICE_ALLOW_ORIGINS",
        value_delimiter = ',',
        value_parser = cors::origin
    )]
    allow_origin: Vec<String>,
    /// Host name by which the service may be asked, such as tickets.example.org; may be repeated. Default: any, but only
    /// localhost and addresses where the service listens for this machine only without --production, or has a demo
    #[arg(long, value_name = "HOST", env = "BOXOFFICE_ALLOW_HOSTS", value_delimiter = ',', value_parser = hosts::host)]
    allow_host: Vec<String>,
    /// Folder of the only documents that run: *.graphql files and manifests; default: any document runs
    #[arg(long, value_name = "DIR", env = "BOXOFFICE_TRUSTED_DOCUMENTS")]
    trusted_documents: Option<PathBuf>,
    /// Requests a client may send in one array, 5 at most; 0: none
    #[arg(long, value_name = "N", env = "BOXOFFICE_BATCH_MAX", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=5))]
    batch_max: u8,
}

impl EdgeArgs {
    /// Puts them where they are kept.
    pub fn apply(&self, options: &mut Options) {
        options.origins = cors::Origins::new(self.allow_origin.clone());
        options.trusted_documents = self.trusted_documents.clone();
        options.batch_max = self.batch_max.into();
    }

    /// The hosts by which a service may be asked that listens on `address`, given as `listen`.
    pub fn hosts(&self, listen: &str, address: SocketAddr, production: bool, demo: bool) -> Hosts {
        let is_private = demo || (address.ip().is_loopback() && !production);
        if !is_private && self.allow_host.is_empty() {
            return Hosts::Any;
        }
        let own = listen.rsplit_once(':').and_then(|(host, _)| hosts::host(host).ok());
        Hosts::named(self.allow_host.iter().cloned().chain(own))
    }
}
