//! Endpoint of a language model, as OpenAI's chat completions.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Key, Result};

/// Path of the service below the endpoint's address.
const PATH: &str = "/chat/completions";

/// A message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system` or `user`.
    pub role: &'static str,
    /// Text.
    pub content: String,
}

/// An OpenAI-compatible endpoint: of a service, or of a program on this machine or network such as llama.cpp, Ollama or vLLM.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// Address up to the version (`https://api.openai.com/v1`, `http://localhost:11434/v1`), or of the service itself (`…/chat/completions`).
    pub url: String,
    /// Name of the model at the endpoint.
    pub model: String,
    /// Key, sent as bearer token; none for a program that asks for none.
    pub key: Option<String>,
}

impl fmt::Debug for Endpoint {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("model", &self.model)
            .field("has_key", &self.key.is_some())
            .finish()
    }
}

impl Endpoint {
    /// Checks that the address can be asked, that a model is named, and that a key would not be sent unencrypted to another machine.
    pub fn check(&self) -> Result<()> {
        let rest = self.url.strip_prefix("https://");
        let plain = self.url.strip_prefix("http://");
        let Some(rest) = rest.or(plain).filter(|rest| !rest.is_empty()) else {
            let what = "is no address of an endpoint: give one that begins with https:// or http://, such as https://api.openai.com/v1";
            return Err(Error::setting(Key::Url, format!("`{}` {what}", self.url)));
        };
        if self.model.trim().is_empty() {
            let what = "name the model that the endpoint is to use, such as gpt-4o-mini";
            return Err(Error::setting(Key::ChatModel, what));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            let what = "the address holds a name or a password: give a key instead";
            return Err(Error::setting(Key::Url, what));
        }
        if plain.is_some() && self.key.is_some() && !is_local(authority) {
            let what = format!(
                "the key would go to {authority} unencrypted: use https://, or leave out the key"
            );
            return Err(Error::setting(Key::Url, what));
        }
        Ok(())
    }

    /// Returns the address of the service.
    pub fn service(&self) -> String {
        let url = self.url.trim_end_matches('/');
        if url.ends_with(PATH) {
            url.to_owned()
        } else {
            format!("{url}{PATH}")
        }
    }
}

/// Whether an authority (host and port) is this machine.
fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost"
        || host == "::1"
        || host
            .parse()
            .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn endpoint(url: &str, key: bool) -> Endpoint {
        Endpoint {
            url: url.to_owned(),
            model: "m".to_owned(),
            key: key.then(|| "secret".to_owned()),
        }
    }

    #[test]
    fn an_address_is_checked_and_a_key_stays_off_plain_connections_to_other_machines() {
        for (url, key) in [
            ("https://api.openai.com/v1", true),
            ("http://localhost:11434/v1", true),
            ("http://127.0.0.1/v1", true),
            ("http://[::1]:8000/v1", true),
            ("http://10.0.0.4:8000/v1", false),
        ] {
            endpoint(url, key).check().unwrap();
        }
        for (url, key, says) in [
            ("", false, "begins with https://"),
            ("ftp://x", false, "begins with https://"),
            ("http://10.0.0.4/v1", true, "unencrypted"),
            ("http://localhost.example.org/v1", true, "unencrypted"),
            ("http://127.0.0.1.example.org/v1", true, "unencrypted"),
            ("http://localhost@example.org/v1", true, "password"),
        ] {
            let why = endpoint(url, key).check().unwrap_err().to_string();
            assert!(why.contains(says), "{why}");
        }
        let nameless = Endpoint {
            model: " ".to_owned(),
            ..endpoint("https://x", false)
        };
        assert!(
            nameless
                .check()
                .unwrap_err()
                .to_string()
                .contains("gpt-4o-mini")
        );
        let services = [
            "https://x/v1",
            "https://x/v1/",
            "https://x/v1/chat/completions",
        ];
        for url in services {
            assert_eq!(endpoint(url, false).service(), services[2]);
        }
        assert!(!format!("{:?}", endpoint("https://x", true)).contains("secret"));
    }
}
