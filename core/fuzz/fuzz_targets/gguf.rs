//! Any bytes as a GGUF file: described and loaded, or refused in one sentence.
#![no_main]

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;
use umbra_core::models::{Card, Form, Model};

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".gguf").tempfile().expect("room for a file");
    file.write_all(bytes).expect("room for a file");
    for form in [Form::F32, Form::Stored] {
        let described = Card::of(file.path(), form.into());
        let loaded = Model::open_as(file.path(), form.into());
        assert!(described.is_ok() || loaded.is_err(), "loaded what cannot be described");
        if let Err(refused) = described {
            assert_eq!(refused.to_string().lines().count(), 1);
        }
    }
});
