//! Any bytes as an archive of arrays, and as the array of a dictionary's encoder: a dictionary, or refused in one sentence.
#![no_main]

#[path = "../archive.rs"]
mod archive;

use libfuzzer_sys::fuzz_target;
use umbra_core::formats;

/// A `.npy` file of zeros.
fn zeros(shape: &str, count: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
    let mut file = b"\x93NUMPY\x01\0".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.resize(file.len() + 4 * count, 0);
    file
}

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room for a folder");
    let (decoder, four, two) = (zeros("(4, 2)", 8), zeros("(4,)", 4), zeros("(2,)", 2));
    let whole = archive::archive(&[
        ("W_enc.npy", bytes),
        ("W_dec.npy", &decoder),
        ("b_enc.npy", &four),
        ("b_dec.npy", &two),
        ("threshold.npy", &four),
    ]);
    let path = folder.path().join("params.npz");
    for file in [bytes, &whole] {
        std::fs::write(&path, file).expect("room for a file");
        if let Err(refused) = formats::open(&path) {
            assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
        }
    }
});
