//! Model files that lie about their size: one sentence and exit code 1 in a process with little memory, which shows that sizes are checked before
//! anything is allocated.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use umbra_tests::{Run, golden};

/// Address space of the process in KiB: enough for the program and its threads, too little for a claimed tensor or list.
const LIMIT: u32 = 2_000_000;

#[track_caller]
fn umbra_in_little_memory(model: &Path) -> Run {
    let script = format!("ulimit -v {LIMIT}; exec \"$0\" model info --model \"$1\"");
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let args = ["-c", &script, program, &model.to_string_lossy()];
    umbra_tests::run("sh", Path::new("."), &args)
}

/// Creates a folder with the tiny model's settings and these weights.
fn folder(weights: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = Path::new(&golden("tiny-gpt2")).join("config.json");
    fs::copy(settings, folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    folder
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn a_whole_model_fits_the_limit() {
    umbra_in_little_memory(golden("tiny-gpt2").as_ref()).done();
}

#[test]
fn claims_beyond_the_file_are_refused_without_the_memory_for_them() {
    let huge = 1_u64 << 60;
    let one = |shape: &str, end: u64| {
        let header = format!(
            "{{\"transformer.wte.weight\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[0,{end}]}}}}"
        );
        safetensors(&header, 4096)
    };
    let mut long = (90_000_000_u64).to_le_bytes().to_vec();
    long.resize(4096, b' ');
    for weights in [
        one(&huge.to_string(), 4096),
        one("4294967296,4294967296", 4096),
        one("1073741824,4", 1 << 34),
        long,
    ] {
        let folder = folder(&weights);
        umbra_in_little_memory(folder.path()).refused(&["model.safetensors"]);
    }
    let gguf = |parts: &[&[u8]]| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(parts.concat());
        bytes.resize(bytes.len() + 4096, 0);
        bytes
    };
    let (none, number) = (0_u64.to_le_bytes(), 1_u64.to_le_bytes());
    let claimed = (1_u64 << 33).to_le_bytes();
    let key = [&number[..], b"k"].concat();
    for file in [
        gguf(&[&claimed, &none]),
        gguf(&[&none, &claimed]),
        gguf(&[&none, &number, &claimed]),
        gguf(&[&none, &number, &key, &8_u32.to_le_bytes(), &claimed]),
        gguf(&[
            &none,
            &number,
            &key,
            &9_u32.to_le_bytes(),
            &0_u32.to_le_bytes(),
            &claimed,
        ]),
        gguf(&[
            &none,
            &number,
            &key,
            &9_u32.to_le_bytes(),
            &8_u32.to_le_bytes(),
            &claimed,
        ]),
        gguf(&[
            &number,
            &none,
            &key,
            &1_u32.to_le_bytes(),
            &claimed,
            &[0; 12],
        ]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lying.gguf");
        fs::write(&path, file).unwrap();
        umbra_in_little_memory(&path).refused(&["lying.gguf"]);
    }
}
