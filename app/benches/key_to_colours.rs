//! How long after a key press in a sentence of 64 tokens or more in Prompt the new colours are drawn, on the demo, alone and beside a run that trains. `cargo bench -p umbra`.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::Duration;

use umbra_app::typist::Typist;

/// Key presses measured.
const PRESSES: usize = 50;

/// Time between two of them.
const BETWEEN: Duration = Duration::from_millis(120);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut typist = Typist::open(folder.path());
    println!("alone, {}", typist.measure(PRESSES, BETWEEN));
    typist.train();
    println!(
        "beside a training run, {}",
        typist.measure(PRESSES, BETWEEN)
    );
    assert!(typist.is_training(), "the run ended before the measurement");
    println!("a key press has 100 ms, a frame 16 ms");
}
