//! The endpoint that a person keeps in the user's data folder: address, model, and the key if the person wants it kept. The file is for its owner alone.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::error::{Error, Result};
use crate::whole_file;

/// Name of the file in the user's data folder.
const NAME: &str = "endpoint.json";

/// A kept endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
}

#[derive(Serialize, Deserialize)]
struct Content {
    url: String,
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeptEndpoint {
    /// Reads the endpoint kept in the data folder `folder`; none if no endpoint is kept.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|source| Error::io("cannot read the endpoint", &path, source))?;
        let content: Content = serde_json::from_str(&text).map_err(|why| {
            Error::input(format!("is no endpoint ({why}): remove the file"), &path)
        })?;
        Ok(Some(Self {
            endpoint: Endpoint {
                url: content.url,
                model: content.model,
                key: content.key,
            },
        }))
    }

    /// Keeps the endpoint in the data folder `folder`, with its key if it has one.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::io("cannot create the folder", folder, source))?;
        let path = folder.join(NAME);
        let content = Content {
            url: self.endpoint.url.clone(),
            model: self.endpoint.model.clone(),
            key: self.endpoint.key.clone(),
        };
        let text = serde_json::to_string_pretty(&content)
            .map_err(|why| Error::input(format!("cannot be put into words ({why})"), &path))?;
        let failed = |source| {
            Error::io(
                "cannot keep the endpoint for its owner alone",
                &path,
                source,
            )
        };
        // The file belongs to its owner before the key is in it.
        if !path.is_file() {
            whole_file::write_bytes(&path, b"")?;
        }
        for_owner(&path).map_err(failed)?;
        whole_file::write_bytes(&path, format!("{text}\n").as_bytes())?;
        for_owner(&path).map_err(failed)
    }
}

#[cfg(unix)]
fn for_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn for_owner(_: &Path) -> std::io::Result<()> {
    Ok(())
}
