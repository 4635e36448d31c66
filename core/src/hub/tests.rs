//! Fetching into the cache, against a server of this process that may do everything wrong.

use std::net::TcpListener;
use std::path::Path;

use super::server::{COMMIT, Server, fetch, golden, name};
use super::*;

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
        &[
            "cannot be reached",
            "give a local file or folder",
            "own/tiny",
        ],
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
