//! Requests to the hub: the list of a model's files, the facts of one file, its bytes from an offset on.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, StatusCode};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder};

use super::name::{Kind, Name, is_part, is_path};
use crate::error::{Error, Result};

/// Most bytes of an answer that is no file.
const LONGEST_LIST: u64 = 32 << 20;
/// Most redirects within the hub (renamed models) that are followed.
const TURNS: usize = 5;

/// Files of a model at one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// Facts of one file.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Identifier of its bytes: their SHA-256 for large files.
    pub(super) etag: String,
    pub(super) size: u64,
}

/// Connection to the hub.
pub(super) struct Remote {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
}

/// Bytes of a file from `start` on.
pub(super) struct Bytes {
    pub(super) start: u64,
    pub(super) reader: Box<dyn Read>,
}

type Response = ureq::http::Response<Body>;

impl Remote {
    pub(super) fn new(endpoint: &str, token: Option<&str>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(Duration::from_secs(20)))
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .accept_encoding("identity") // a packed answer has another length
            .user_agent(format!("umbra/{}", crate::VERSION))
            .build()
            .new_agent();
        Self {
            agent,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
        }
    }

    /// Lists the files of `name` at its revision.
    pub(super) fn list(&self, name: &Name) -> Result<Listing> {
        let url = format!(
            "{}/api/{}/{}/revision/{}",
            self.endpoint,
            name.kind.plural(),
            name.repo,
            name.revision.replace('/', "%2F")
        );
        let mut response = self.call(self.agent.get(&url), name)?;
        let odd = || {
            Error::input(
                "the hub's answer is not a list of files: try later",
                &name.repo,
            )
        };
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST_LIST)
            .read_to_vec()
            .map_err(|e| unreachable_hub(&e, name))?;
        let list: Value = serde_json::from_slice(&body).ok().ok_or_else(odd)?;
        let commit = list["sha"].as_str().filter(|sha| is_part(sha));
        let files = list["siblings"].as_array().ok_or_else(odd)?;
        Ok(Listing {
            commit: commit.ok_or_else(odd)?.to_owned(),
            files: files
                .iter()
                .filter_map(|file| file["rfilename"].as_str())
                .filter(|file| is_path(file))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Returns the facts of `file`, without its bytes. Does not follow redirects to a store elsewhere: the hub's own answer has the facts.
    pub(super) fn facts(&self, name: &Name, commit: &str, file: &str) -> Result<Facts> {
        let odd = |what: &str| {
            Error::input(
                format!("the hub gives no {what} of {file}: try later"),
                &name.repo,
            )
        };
        let mut url = self.url(name, commit, file);
        for _ in 0..TURNS {
            let request = self.agent.head(&url).config().max_redirects(0).build();
            let response = self.call(request, name)?;
            let headers = response.headers();
            let text = |key: &str| headers.get(key).and_then(|value| value.to_str().ok());
            let moved = response.status().is_redirection();
            if let Some(path) = text("location").filter(|to| moved && to.starts_with('/')) {
                url = format!("{}{path}", self.endpoint);
                continue;
            }
            let etag = text("x-linked-etag").or_else(|| text("etag"));
            let etag = etag
                .map(|etag| etag.trim_start_matches("W/").replace('"', ""))
                .filter(|etag| is_part(etag))
                .ok_or_else(|| odd("etag"))?;
            let length = if moved { None } else { text("content-length") };
            let size = text("x-linked-size")
                .or(length)
                .and_then(|size| size.parse().ok())
                .ok_or_else(|| odd("size"))?;
            return Ok(Facts { etag, size });
        }
        Err(Error::input(
            format!("the hub sends the request for {file} in circles"),
            &name.repo,
        ))
    }

    /// Requests the bytes of `file` from `start` on, or from its beginning if the server gives no parts.
    pub(super) fn bytes(
        &self,
        name: &Name,
        (commit, file): (&str, &str),
        start: u64,
    ) -> Result<Bytes> {
        let mut request = self.agent.get(self.url(name, commit, file));
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let response = self.call(request, name)?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(response.headers()) == Some(start) => start,
            StatusCode::PARTIAL_CONTENT => {
                return Err(Error::input(
                    format!("the hub sent another part of {file} than was asked for, try later"),
                    &name.repo,
                ));
            }
            _ => 0,
        };
        Ok(Bytes {
            start,
            reader: Box::new(response.into_body().into_reader()),
        })
    }

    fn url(&self, name: &Name, commit: &str, file: &str) -> String {
        let folder = match name.kind {
            Kind::Model | Kind::Dictionary => "",
            Kind::Dataset => "datasets/",
        };
        format!(
            "{}/{folder}{}/resolve/{commit}/{file}",
            self.endpoint, name.repo
        )
    }

    fn call(&self, request: RequestBuilder<WithoutBody>, name: &Name) -> Result<Response> {
        let request = match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        };
        let response = request.call().map_err(|e| unreachable_hub(&e, name))?;
        match refusal(response.status()) {
            Some(what) => Err(Error::input(what, name.to_string())),
            None => Ok(response),
        }
    }
}

/// Reads where a part begins.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("content-range")?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.trim().parse().ok()
}

/// Explains a status that is no answer.
fn refusal(status: StatusCode) -> Option<String> {
    match status.as_u16() {
        200..=399 => None,
        401 | 403 => Some(
            "does not exist on the hub, or is private or gated: check the name, accept its terms there, and set HF_TOKEN"
                .to_owned(),
        ),
        404 => Some("is not on the hub: check the name, the revision and the file".to_owned()),
        429 => Some("the hub limits the number of requests: try later, or set HF_TOKEN".to_owned()),
        code => Some(format!("the hub answers {code}, try later")),
    }
}

/// Returns the error for a hub that cannot be reached.
fn unreachable_hub(error: &ureq::Error, name: &Name) -> Error {
    let reason = match error {
        ureq::Error::HostNotFound => "its address cannot be resolved".to_owned(),
        ureq::Error::Io(io) => io.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        other => other
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    Error::input(
        format!(
            "the hub cannot be reached ({reason}): check the network, or give a local file or folder"
        ),
        name.to_string(),
    )
}
