//! Server for tests: a few addresses in a thread of this process, the hub with a store elsewhere, and the faults of a network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::{Hub, Name};
use crate::error::Result;
use crate::progress::Flow;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files and behaviour of the server.
#[derive(Default)]
pub(crate) struct Behaviour {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Answers everything with this.
    pub(crate) status: Option<u16>,
    /// Breaks a download after so many bytes, so many times.
    pub(crate) breaks: Option<(usize, usize)>,
    pub(crate) whole_only: bool,
    pub(crate) wrong_checksum: bool,
    pub(crate) moved: bool,
    /// Request lines with range and token, in order.
    log: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    pub(crate) fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let files = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()));
        let behaviour = Arc::new(Mutex::new(Behaviour {
            files: files.collect(),
            ..Behaviour::default()
        }));
        let (told, address) = (Arc::clone(&behaviour), endpoint.clone());
        std::thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that hangs up early is what some tests are about.
                    drop(answer(&stream, &address, &mut told.lock().unwrap()));
                }
            })
            .unwrap();
        Self {
            endpoint,
            behaviour,
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.behaviour.lock().unwrap().log.clone()
    }

    pub(crate) fn hub(&self, cache: &Path) -> Hub {
        Hub {
            endpoint: self.endpoint.clone(),
            cache: cache.to_path_buf(),
            token: Some("secret".to_owned()),
            offline: false,
        }
    }
}

fn answer(mut stream: &TcpStream, endpoint: &str, hub: &mut Behaviour) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let (mut range, mut token) = (None, false);
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse::<usize>().ok();
        }
        token |= line == "authorization: bearer secret";
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut said = format!("{method} {path}");
    if let Some(from) = range {
        write!(said, " from {from}").unwrap();
    }
    if token {
        said.push_str(" with token");
    }
    hub.log.push(said);
    let (head, body) = hub.reply((method, path), endpoint, range);
    write!(stream, "HTTP/1.1 {head}Connection: close\r\n\r\n")?;
    if method == "HEAD" {
        return Ok(());
    }
    match &mut hub.breaks {
        Some((after, times)) if *times > 0 && body.len() > *after && path.starts_with("/store") => {
            *times -= 1;
            stream.write_all(&body[..*after])
        }
        _ => stream.write_all(&body),
    }
}

impl Behaviour {
    fn reply(
        &self,
        (method, path): (&str, &str),
        endpoint: &str,
        range: Option<usize>,
    ) -> (String, Vec<u8>) {
        if let Some(status) = self.status {
            return (format!("{status} No\r\nContent-Length: 0\r\n"), Vec::new());
        }
        if path.starts_with("/api/") {
            let files: Vec<_> = self
                .files
                .keys()
                .map(|name| format!("{{\"rfilename\":\"{name}\"}}"))
                .collect();
            let list = format!(
                "{{\"sha\":\"{COMMIT}\",\"siblings\":[{}]}}",
                files.join(",")
            );
            return (
                format!("200 OK\r\nContent-Length: {}\r\n", list.len()),
                list.into_bytes(),
            );
        }
        if self.moved && path.starts_with("/own/") {
            let to = path.replace("/own/", "/renamed/");
            return (
                format!("307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n"),
                Vec::new(),
            );
        }
        let name = path
            .rsplit_once(&format!("{COMMIT}/"))
            .map_or("", |(_, name)| name);
        let Some(bytes) = self.files.get(name) else {
            return (
                "404 Not Found\r\nContent-Length: 0\r\n".to_owned(),
                Vec::new(),
            );
        };
        let large = [".safetensors", ".gguf", ".parquet"]
            .iter()
            .any(|end| name.ends_with(end));
        let sum = if self.wrong_checksum && large {
            Sha256::digest(b"other")
        } else {
            Sha256::digest(bytes)
        };
        if large && !path.starts_with("/store") {
            let (size, to) = (bytes.len(), format!("{endpoint}/store{path}"));
            let head = format!(
                "302 Found\r\nLocation: {to}\r\nX-Linked-Etag: \"{sum:x}\"\r\nX-Linked-Size: {size}\r\n"
            );
            return (format!("{head}Content-Length: 0\r\n"), Vec::new());
        }
        let etag = format!("{sum:x}")[..40].to_owned();
        match range.filter(|_| !self.whole_only) {
            Some(from) if method == "GET" => {
                let end = bytes.len();
                let part = bytes[from..].to_vec();
                let head = format!(
                    "206 Partial\r\nContent-Range: bytes {from}-{}/{end}\r\n",
                    end - 1
                );
                (format!("{head}Content-Length: {}\r\n", part.len()), part)
            }
            _ => (
                format!(
                    "200 OK\r\nETag: W/\"{etag}\"\r\nContent-Length: {}\r\n",
                    bytes.len()
                ),
                bytes.clone(),
            ),
        }
    }
}

pub(crate) fn golden() -> Vec<(&'static str, Vec<u8>)> {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/tiny-gpt2"
    ));
    let read = |name: &'static str| (name, std::fs::read(folder.join(name)).unwrap());
    let mut files: Vec<_> = ["config.json", "tokenizer.json", "model.safetensors"]
        .into_iter()
        .map(read)
        .collect();
    files.push(("pytorch_model.bin", vec![0; 100_000]));
    files.push(("README.md", b"read me".to_vec()));
    files
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn fetch(hub: &Hub, text: &str) -> Result<PathBuf> {
    let fetched = hub.fetch(&name(text), &mut |_| Flow::Continue(()))?;
    Ok(fetched.done().expect("nobody stopped it"))
}
