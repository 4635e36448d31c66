//! How long after a key press in Prompt the new colours are drawn, on the demo, alone and beside a run that trains. `cargo bench -p umbra`.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::Duration;

use umbra_app::typist::{Pressed, Typist};

/// Key presses measured.
const PRESSES: usize = 50;

/// Time between two of them.
const BETWEEN: Duration = Duration::from_millis(120);

const TYPED: &str = " they went home and the old king said to the fox that";

fn measure(typist: &mut Typist, what: &str) {
    let letters = TYPED.chars().cycle().take(PRESSES);
    let all: Vec<Pressed> = letters
        .map(|letter| {
            typist.rest(BETWEEN);
            typist.press(&letter.to_string())
        })
        .collect();
    let mut times: Vec<Duration> = all.iter().map(|pressed| pressed.colours).collect();
    times.sort_unstable();
    let frames = all.iter().map(|pressed| pressed.longest_frame);
    println!(
        "{what}: median {:.1?}, p90 {:.1?}, longest {:.1?} of {PRESSES} key presses; longest frame {:.1?}",
        times[PRESSES / 2],
        times[PRESSES * 9 / 10],
        times[PRESSES - 1],
        frames.max().unwrap_or_default(),
    );
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut typist = Typist::open(folder.path());
    measure(&mut typist, "alone");
    typist.train();
    measure(&mut typist, "beside a training run");
    assert!(typist.is_training(), "the run ended before the measurement");
    println!("a key press has 100 ms, a frame 16 ms");
}
