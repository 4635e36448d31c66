//! Against a server of the few addresses in a thread of this process: the hub with a store elsewhere, and all that may go wrong on the way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::models::Model;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server has and how it behaves.
#[derive(Default)]
struct Behaviour {
    files: BTreeMap<String, Vec<u8>>,
    /// Answers everything with this.
    status: Option<u16>,
    /// Breaks a download off after so many bytes, so many times.
    breaks: Option<(usize, usize)>,
    whole_only: bool,
    wrong_checksum: bool,
    moved: bool,
    /// Request lines with range and token, in order.
    log: Vec<String>,
}

struct Server {
    endpoint: String,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    fn start(files: &[(&str, Vec<u8>)]) -> Self {
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

    fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    fn log(&self) -> Vec<String> {
        self.behaviour.lock().unwrap().log.clone()
    }

    fn hub(&self, cache: &Path) -> Hub {
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

fn golden() -> Vec<(&'static str, Vec<u8>)> {
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

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn fetch(hub: &Hub, text: &str) -> Result<PathBuf> {
    let fetched = hub.fetch(&name(text), &mut |_| Flow::Continue(()))?;
    Ok(fetched.done().expect("nobody stopped it"))
}

#[track_caller]
fn refused(hub: &Hub, text: &str, words: &[&str]) {
    let said = fetch(hub, text).unwrap_err().to_string();
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} lacks {word}");
    }
}

#[test]
fn a_model_is_fetched_once_and_only_the_files_that_are_read() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let mut seen = Vec::new();
    let fetched = hub.fetch(&name("own/tiny"), &mut |event| {
        seen.push((
            event.file.to_owned(),
            event.progress.done,
            event.progress.total,
        ));
        Flow::Continue(())
    });
    let Ended::Done(path) = fetched.unwrap() else {
        panic!("stopped")
    };
    let log = server.log();
    assert!(
        log.iter()
            .all(|line| !line.contains("README") && !line.contains("pytorch")),
        "{log:?}"
    );
    assert!(
        log.iter()
            .any(|line| line.starts_with("GET /store/own/tiny") && line.ends_with("with token"))
    );
    assert!(log[0].contains("/revision/main with token"), "{}", log[0]);
    let (_, done, total) = seen.last().unwrap();
    assert_eq!(done, total);
    assert!(seen.is_sorted_by_key(|(_, done, _)| *done));

    let (model, _) = Model::open(&path).unwrap();
    assert_eq!(model.name(), "own/tiny");
    assert!(path.ends_with(format!("models--own--tiny/snapshots/{COMMIT}")));
    assert_eq!(
        std::fs::read_to_string(cache.path().join("models--own--tiny/refs/main")).unwrap(),
        COMMIT
    );

    // The cache answers from now on, with the hub gone too.
    server.set(|hub| hub.status = Some(503));
    assert_eq!(fetch(&hub, "own/tiny").unwrap(), path);
    assert_eq!(fetch(&hub, &format!("own/tiny@{COMMIT}")).unwrap(), path);
    let offline = Hub {
        offline: true,
        ..hub
    };
    assert_eq!(fetch(&offline, "own/tiny").unwrap(), path);
    assert_eq!(server.log().len(), log.len());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| hub.breaks = Some((60_000, 2)));
    let path = fetch(&server.hub(cache.path()), "own/tiny").unwrap();
    let log = server.log();
    for from in ["from 60000", "from 120000"] {
        assert!(log.iter().any(|line| line.contains(from)), "{log:?}");
    }
    let want = &golden()[2].1;
    assert_eq!(
        &std::fs::read(path.join("model.safetensors")).unwrap(),
        want
    );
}

#[test]
fn what_was_stopped_is_taken_up_by_the_next_attempt() {
    let mut files = golden();
    let large: Vec<u8> = (0..2_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    files[2].1.clone_from(&large);
    let server = Server::start(&files);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let stopped = hub.fetch(&name("own/tiny"), &mut |event| {
        if event.file == "model.safetensors" && event.progress.done > 800_000 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    });
    assert_eq!(stopped.unwrap(), Ended::STOPPED);
    assert!(
        hub.offline
            || fetch(
                &Hub {
                    offline: true,
                    ..hub.clone()
                },
                "own/tiny"
            )
            .is_err()
    );
    let path = fetch(&hub, "own/tiny").unwrap();
    let last = server.log().pop().unwrap();
    let from: usize = last
        .split("from ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(from >= 700_000, "{last}");
    assert_eq!(
        std::fs::read(path.join("model.safetensors")).unwrap(),
        large
    );
}

#[test]
fn a_server_that_gives_no_parts_starts_over() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| {
        hub.breaks = Some((60_000, 1));
        hub.whole_only = true;
    });
    let path = fetch(&server.hub(cache.path()), "own/tiny").unwrap();
    assert_eq!(
        std::fs::read(path.join("model.safetensors")).unwrap(),
        golden()[2].1
    );
}

#[test]
fn a_server_that_breaks_off_again_and_again_is_given_up_and_its_bytes_kept() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| hub.breaks = Some((0, 100)));
    refused(
        &server.hub(cache.path()),
        "own/tiny",
        &["model.safetensors", "broke off", "own/tiny"],
    );
    server.set(|hub| hub.breaks = None);
    fetch(&server.hub(cache.path()), "own/tiny").unwrap();
}

#[test]
fn bytes_with_another_checksum_are_thrown_away() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| hub.wrong_checksum = true);
    refused(
        &server.hub(cache.path()),
        "own/tiny",
        &["model.safetensors", "checksum"],
    );
    let blobs = cache.path().join("models--own--tiny/blobs");
    let left = std::fs::read_dir(blobs).unwrap().flatten();
    let left: Vec<_> = left
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    assert!(left.iter().all(|name| name.len() == 40), "{left:?}");
}

#[test]
fn each_refusal_is_one_sentence_with_the_name() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    for (status, word) in [
        (401, "HF_TOKEN"),
        (403, "gated"),
        (404, "not on the hub"),
        (429, "later"),
        (503, "503"),
    ] {
        server.set(|hub| hub.status = Some(status));
        refused(&hub, "own/tiny", &[word, "own/tiny"]);
    }
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = Hub {
        endpoint: format!("http://{nobody}"),
        ..hub.clone()
    };
    refused(
        &gone,
        "own/tiny",
        &["cannot be reached", "give a file or folder", "own/tiny"],
    );
    let nowhere = Hub {
        endpoint: "http://no-such-host.invalid".to_owned(),
        ..hub.clone()
    };
    refused(&nowhere, "own/tiny", &["cannot be reached", "own/tiny"]);
    let offline = Hub {
        offline: true,
        ..hub
    };
    refused(
        &offline,
        "own/tiny@v2",
        &["setting `offline`", "config.json", "own/tiny@v2"],
    );
    assert!(!format!("{offline:?}").contains("secret"));
}

#[test]
fn a_renamed_model_is_found() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| hub.moved = true);
    let path = fetch(&server.hub(cache.path()), "own/tiny").unwrap();
    Model::open(&path).unwrap();
}

#[test]
fn gguf_files_are_chosen_by_name_or_by_being_alone() {
    let small = || b"GGUF of some kind".to_vec();
    let server = Server::start(&[
        ("q/a.Q8_0.gguf", small()),
        ("b.gguf", small()),
        ("README.md", small()),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    refused(
        &hub,
        "own/many",
        &["2 GGUF files", "b.gguf", "q/a.Q8_0.gguf"],
    );
    refused(&hub, "own/many/c.gguf", &["no file c.gguf"]);
    let path = fetch(&hub, "own/many/q/a.Q8_0.gguf").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), small());
    server.set(|hub| drop(hub.files.remove("q/a.Q8_0.gguf")));
    let path = fetch(&hub, "own/alone").unwrap();
    assert!(path.ends_with("b.gguf"));
    let offline = Hub {
        offline: true,
        ..hub.clone()
    };
    assert_eq!(fetch(&offline, "own/alone").unwrap(), path);
    server.set(|hub| drop(hub.files.remove("b.gguf")));
    refused(
        &hub,
        "own/none",
        &["neither weights of safetensors", "GGUF"],
    );
}

#[test]
fn shards_are_those_of_the_index() {
    let mut files = golden();
    let (_, weights) = files.remove(2);
    let index = "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\",\"c\":\"../x\"}}";
    files.push(("model.safetensors.index.json", index.as_bytes().to_vec()));
    files.push(("model-1.safetensors", weights.clone()));
    files.push(("model-2.safetensors", b"second".to_vec()));
    files.push(("model-3.safetensors", b"not named".to_vec()));
    let server = Server::start(&files);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let path = fetch(&hub, "own/large").unwrap();
    assert_eq!(
        std::fs::read(path.join("model-1.safetensors")).unwrap(),
        weights
    );
    assert!(
        path.join("model-2.safetensors").exists() && !path.join("model-3.safetensors").exists()
    );
    std::fs::remove_file(path.join("model-2.safetensors")).unwrap();
    let offline = Hub {
        offline: true,
        ..hub.clone()
    };
    refused(&offline, "own/large", &["model-2.safetensors is missing"]);
    let before = server.log().len();
    fetch(&hub, "own/large").unwrap();
    assert!(
        server.log()[before..]
            .iter()
            .all(|line| !line.starts_with("GET /store")),
        "blobs are kept"
    );
}

#[test]
fn a_model_from_before_safetensors_is_fetched_with_its_two_vocabulary_files() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/torch-folders/"
    );
    let settings = [
        "added_tokens.json",
        "config.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "vocab.json",
    ];
    let read = |path: String| std::fs::read(format!("{folder}{path}")).unwrap();
    let mut single: Vec<(&str, Vec<u8>)> = settings
        .into_iter()
        .map(|name| (name, read(format!("single/{name}"))))
        .collect();
    let mut sharded = single.clone();
    single.push((
        "pytorch_model.bin",
        read("single/pytorch_model.bin".to_owned()),
    ));
    for name in [
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
        "pytorch_model.bin.index.json",
    ] {
        sharded.push((name, read(format!("sharded/{name}"))));
    }
    for mut files in [single, sharded] {
        files.push(("tf_model.h5", b"not read".to_vec()));
        let server = Server::start(&files);
        let cache = tempfile::tempdir().unwrap();
        let path = fetch(&server.hub(cache.path()), "own/older").unwrap();
        let (model, _) = Model::open(&path).unwrap();
        assert_eq!(model.codec().vocab_size(), 301);
        assert!(!path.join("tf_model.h5").exists());
        let offline = Hub {
            offline: true,
            ..server.hub(cache.path())
        };
        assert_eq!(fetch(&offline, "own/older").unwrap(), path);
    }
}

#[test]
fn the_parquet_files_of_a_data_set_are_fetched_into_the_same_cache() {
    let parquet = |name: &str| {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/parquet");
        std::fs::read(Path::new(golden).join(name)).unwrap()
    };
    let server = Server::start(&[
        ("README.md", b"read me".to_vec()),
        ("data/train-1.parquet", parquet("text.parquet")),
        ("data/train-0.parquet", parquet("tokens.parquet")),
        ("database/other.parquet", parquet("text.parquet")),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let fetch = |hub: &Hub, text: &str| {
        let got = hub.fetch_dataset(&name(text), &mut |_| Flow::Continue(()))?;
        Ok::<_, Error>(got.done().unwrap())
    };
    let folder = format!("datasets--own--tales/snapshots/{COMMIT}");
    let at = |file: &str| cache.path().join(&folder).join(file);
    let files = fetch(&hub, "hf://datasets/own/tales/data").unwrap();
    assert_eq!(
        files,
        [at("data/train-0.parquet"), at("data/train-1.parquet")]
    );
    assert_eq!(std::fs::read(&files[1]).unwrap(), parquet("text.parquet"));
    let log = server.log();
    assert!(
        log[0].starts_with("GET /api/datasets/own/tales/revision/main"),
        "{log:?}"
    );
    assert!(
        log.iter()
            .any(|line| line.contains("/datasets/own/tales/resolve/")),
        "{log:?}"
    );
    assert!(
        log.iter()
            .all(|line| !line.contains("README") && !line.contains("other")),
        "{log:?}"
    );
    // A file that is there is used without asking; without the hub so is the folder.
    let one = "hf://datasets/own/tales/data/train-1.parquet";
    assert_eq!(fetch(&hub, one).unwrap(), files[1..]);
    assert_eq!(server.log().len(), log.len());
    let said = fetch(&hub, "hf://datasets/own/tales/dat")
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("data/train-1.parquet") && said.contains("own/tales/dat"),
        "{said}"
    );
    let offline = Hub {
        offline: true,
        ..hub
    };
    assert_eq!(fetch(&offline, "hf://datasets/own/tales").unwrap(), files);
    let said = fetch(&offline, "hf://datasets/own/none")
        .unwrap_err()
        .to_string();
    assert!(said.contains("setting `offline`"), "{said}");
}

#[test]
fn a_dictionary_is_fetched_alone_and_opened() {
    let golden = |file: &str| {
        let path = format!(
            "{}/../tests/golden/sae-files/sparsify-topk/{file}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read(path).unwrap()
    };
    let server = Server::start(&[
        (
            "config.json",
            br#"{"model": "EleutherAI/pythia-160m"}"#.to_vec(),
        ),
        ("layers.1/cfg.json", golden("cfg.json")),
        ("layers.1/sae.safetensors", golden("sae.safetensors")),
        ("layers.2/cfg.json", golden("cfg.json")),
        ("layers.2/sae.safetensors", golden("sae.safetensors")),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let name = Name::of_dictionary("own/sae:layers.2").unwrap();
    let fetch = |hub: &Hub| crate::formats::fetch(hub, &name, &mut |_| Flow::Continue(()));
    let path = fetch(&hub).unwrap().done().unwrap();
    let (sae, _) = crate::formats::open(&path).unwrap();
    assert_eq!(
        sae.provenance.hook.unwrap().to_string(),
        "blocks.2.hook_resid_post"
    );
    assert_eq!(sae.provenance.model, "EleutherAI/pythia-160m");
    let log = server.log();
    assert!(log.iter().all(|line| !line.contains("layers.1")), "{log:?}");
    // What the cache holds whole is used without asking.
    assert_eq!(fetch(&hub).unwrap().done().unwrap(), path);
    assert_eq!(server.log().len(), log.len());
    let offline = Hub {
        offline: true,
        ..hub.clone()
    };
    assert_eq!(fetch(&offline).unwrap().done().unwrap(), path);
    let other = Name::of_dictionary("own/sae:layers.1").unwrap();
    let said = crate::formats::fetch(&offline, &other, &mut |_| Flow::Continue(())).unwrap_err();
    assert!(said.to_string().contains("may not be asked"), "{said}");
    let none = Name::of_dictionary("own/sae:layers.9").unwrap();
    let said = crate::formats::fetch(&hub, &none, &mut |_| Flow::Continue(())).unwrap_err();
    assert!(said.to_string().contains("no dictionary there"), "{said}");
    let said = crate::formats::fetch(&hub, &Name::of_dictionary("own/new").unwrap(), &mut |_| {
        Flow::Break(())
    });
    assert!(said.is_err() || said.unwrap().is_stopped());
}

#[test]
fn a_dictionary_of_the_registry_is_fetched_from_where_it_says() {
    let golden = |file: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sae-lens-topk");
        std::fs::read(Path::new(folder).join(file)).unwrap()
    };
    let (cfg, weights) = (golden("cfg.json"), golden("sae_weights.safetensors"));
    let server = Server::start(&[
        ("run:v1/cfg.json", cfg.clone()),
        ("run:v1/sae_weights.safetensors", weights.clone()),
        ("run:v2/cfg.json", cfg),
        ("run:v2/sae_weights.safetensors", weights),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let path = cache.path().join("pretrained_saes.yaml");
    let text = "pack: {repo_id: own/pack, model: tiny, saes: [{id: a, path: 'run:v1', neuronpedia: tiny/1}]}\n";
    std::fs::write(&path, text).unwrap();
    let registry = crate::formats::Registry::open(&path).unwrap();
    let named = crate::formats::named("pack:a", Some(&registry)).unwrap();
    let named = named.unwrap();
    let hub = server.hub(cache.path());
    let fetched = crate::formats::fetch(&hub, &named.name, &mut |_| Flow::Continue(()));
    let path = fetched.unwrap().done().unwrap();
    assert_eq!(registry.known_at(&path), named.known);
    let known = named.known;
    let (sae, _) = crate::formats::Located { path, known }.open().unwrap();
    assert_eq!(sae.provenance.other["neuronpedia_id"], "tiny/1");
    let log = server.log();
    assert!(log.iter().all(|line| !line.contains("v2")), "{log:?}");
}
