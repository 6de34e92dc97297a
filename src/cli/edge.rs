//! Settings for cross-origin pages, trusted documents and batches.
//! Not here: their enforcement (`http`, `engine::document`), and limits (`limits`).

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::app::Options;
use crate::http::cors;
use crate::http::hosts::{self, Hosts};

/// Flags for cross-origin pages, trusted documents and batches.
#[derive(Args, Debug, Clone)]
pub struct HttpArgs {
    /// Origin with pages that may call the service from a browser (CORS), such as https://shop.example.org; repeatable
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "BOXOFFICE_ALLOW_ORIGINS",
        value_delimiter = ',',
        value_parser = cors::origin
    )]
    allow_origin: Vec<String>,
    /// Host name under which clients reach the service, such as tickets.example.org; repeatable. Default: any name;
    /// only localhost and IP addresses if only this machine can reach the service (without --production), or with a
    /// demo
    #[arg(long, value_name = "HOST", env = "BOXOFFICE_ALLOW_HOSTS", value_delimiter = ',', value_parser = hosts::host)]
    allow_host: Vec<String>,
    /// Folder of trusted documents (*.graphql files and manifests): only these run; default: any document runs
    #[arg(long, value_name = "DIR", env = "BOXOFFICE_TRUSTED_DOCUMENTS")]
    trusted_documents: Option<PathBuf>,
    /// Most requests in one batch (a JSON array), up to 5; 0: no batches
    #[arg(long, value_name = "N", env = "BOXOFFICE_BATCH_MAX", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=5))]
    batch_max: u8,
}

impl HttpArgs {
    /// Applies the settings to the options of the service.
    pub fn apply(&self, options: &mut Options) {
        options.origins = cors::Origins::new(self.allow_origin.clone());
        options.trusted_documents = self.trusted_documents.clone();
        options.batch_max = self.batch_max.into();
    }

    /// Returns the host names under which a service may be called that listens on `address`, given as `listen`.
    pub fn hosts(&self, listen: &str, address: SocketAddr, production: bool, demo: bool) -> Hosts {
        let is_private = demo || (address.ip().is_loopback() && !production);
        if !is_private && self.allow_host.is_empty() {
            return Hosts::Any;
        }
        let own = listen.rsplit_once(':').and_then(|(host, _)| hosts::host(host).ok());
        Hosts::named(self.allow_host.iter().cloned().chain(own))
    }
}
