//! Any bytes as a checkpoint of PyTorch, and as the pickle inside one: a dictionary, or refused in one sentence.
#![no_main]

#[path = "../archive.rs"]
mod archive;

use libfuzzer_sys::fuzz_target;
use umbra_core::formats;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room for a folder");
    let storage = [0x3d; 1024];
    let names = ["x/data/0", "x/data/1", "x/data/2", "x/data/3"];
    let mut entries = vec![("x/data.pkl", bytes)];
    entries.extend(names.map(|name| (name, &storage[..])));
    let path = folder.path().join("1.pt");
    for file in [bytes, &archive::archive(&entries)] {
        std::fs::write(&path, file).expect("room for a file");
        if let Err(refused) = formats::open(&path) {
            assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
        }
    }
});
