//! Stands for the connection to the hub where the feature `hub` is off: what the cache lacks is refused.

use std::io::Read;

use super::name::Name;
use crate::error::{Error, Result};

/// Files of a repository at one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// Etag and size of one file.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) etag: String,
    pub(super) size: u64,
}

/// Bytes of a file from `start` on.
pub(super) struct Bytes {
    pub(super) start: u64,
    pub(super) reader: Box<dyn Read>,
}

/// No connection.
pub(super) struct Remote;

impl Remote {
    pub(super) fn new(_: &str, _: Option<&str>) -> Self {
        Self
    }

    pub(super) fn list(&self, name: &Name) -> Result<Listing> {
        Err(refused(name))
    }

    pub(super) fn facts(&self, name: &Name, _: &str, _: &str) -> Result<Facts> {
        Err(refused(name))
    }

    pub(super) fn bytes(&self, name: &Name, _: (&str, &str), _: u64) -> Result<Bytes> {
        Err(refused(name))
    }
}

fn refused(name: &Name) -> Error {
    Error::left_out(format!("fetching {name} from the HuggingFace hub"), "hub")
}

#[cfg(test)]
mod tests {
    use super::super::{Hub, Name};
    use crate::Flow;

    #[test]
    fn what_is_not_cached_is_refused_by_the_name_of_the_feature() {
        let cache = tempfile::tempdir().unwrap();
        let hub = Hub {
            endpoint: super::super::ENDPOINT.to_owned(),
            cache: cache.path().to_path_buf(),
            token: None,
            offline: false,
        };
        let name: Name = "own/tiny".parse().unwrap();
        let refused = hub.fetch(&name, &mut |_| Flow::Continue(()));
        let said = refused.unwrap_err().to_string();
        assert!(
            said.contains("own/tiny") && said.contains("feature `hub`"),
            "{said}"
        );
    }
}
