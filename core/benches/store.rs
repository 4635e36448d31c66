//! Reading a store beside plain reading of the same files: `cargo bench -p umbra-core --bench store`.
//!
//! A store of one hook (d 768, rows of 256 tokens, 512 MiB of f32, half of that otherwise) lies in the file cache. It is read through a 1 MiB buffer by one
//! thread, which is as fast as the files can be copied into memory; then through the store, row order contiguous and shuffled, 32 rows at a time as in
//! training: mapped, checksums compared, numbers widened to f32. The ratio is time through the store over time of plain reading.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use umbra_core::dims::Matrix;
use umbra_core::error::Result;
use umbra_core::ids::{HookPoint, Site, TokenId};
use umbra_core::models::Processing;
use umbra_core::store::{Description, Dtype, HookTensor, Order, Piece, Store, Writer};

const D: usize = 768;
const CONTEXT: usize = 256;
const ROWS: usize = 682;
const PIECE: usize = 32;
const ROUNDS: usize = 7;

fn hook() -> HookPoint {
    HookPoint::block(2, Site::ResidPost)
}

fn write(folder: &Path, dtype: Dtype) -> Result<()> {
    let about = Description {
        model: "noise".to_owned(),
        model_fingerprint: None,
        hooks: vec![HookTensor {
            hook: hook(),
            width: D,
        }],
        processing: Processing::default(),
        dtype,
        gradients: false,
        context: CONTEXT,
        rows: ROWS,
        shard_rows: 128,
        prepend_bos: true,
        mask: umbra_core::corpus::Mask::default(),
        counted: ROWS * (CONTEXT - 1),
        corpus: serde_json::Map::new(),
    };
    let mut writer = Writer::open(folder, about)?.0;
    let mut chance = ChaCha8Rng::seed_from_u64(0);
    let values = (0..PIECE * CONTEXT * D).map(|_| chance.random_range(-8.0..8.0));
    let values = values.collect::<Vec<f32>>();
    while writer.next_row().is_some() {
        let rows = writer.room().min(PIECE);
        let some = values[..rows * CONTEXT * D].to_vec();
        writer.append(&Piece {
            tokens: &vec![TokenId(0); rows * CONTEXT],
            activations: &[Matrix::new(rows * CONTEXT, D, some)?],
            gradients: &[],
        })?;
    }
    Ok(())
}

/// Bytes read through a buffer.
fn plainly(folder: &Path) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let mut file = File::open(entry?.path())?;
        loop {
            let read = file.read(&mut buffer)?;
            std::hint::black_box(&buffer);
            if read == 0 {
                break;
            }
            bytes += read as u64;
        }
    }
    Ok(bytes)
}

fn through(store: &Store, mut order: Order) -> Result<()> {
    let mut left = store.rows();
    while left > 0 {
        let rows = order.next(PIECE);
        left -= rows.len();
        std::hint::black_box(store.activations(hook(), rows)?);
        store.fetch_ahead(hook(), order.coming(PIECE));
    }
    Ok(())
}

fn timed<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let got = work();
    times.push(begin.elapsed());
    got
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| drop(writeln!(out, "{line}"));
    let threads = rayon::current_num_threads();
    say(format!(
        "{ROWS} rows of {CONTEXT} tokens, d {D}, medians of {ROUNDS}, {threads} threads"
    ));
    say(format!(
        "{:>5} {:>8} {:>12} {:>18} {:>18}",
        "dtype", "MB", "plain GB/s", "contiguous (ratio)", "shuffled (ratio)"
    ));
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let folder = tempfile::tempdir().expect("room for a store");
        write(folder.path(), dtype)?;
        let (mut plain, mut contiguous, mut shuffled) = (vec![], vec![], vec![]);
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            bytes = timed(&mut plain, || plainly(folder.path())).expect("the files are there");
            let store = Store::open(folder.path())?.0;
            timed(&mut contiguous, || through(&store, Order::contiguous(ROWS)))?;
            let store = Store::open(folder.path())?.0;
            timed(&mut shuffled, || through(&store, Order::shuffled(ROWS, 0)))?;
        }
        let plain = median(plain);
        let speed = |seconds: f64| bytes as f64 / seconds / 1e9;
        let cell = |times: Vec<Duration>| {
            let seconds = median(times);
            format!("{:.2} GB/s ({:.2})", speed(seconds), seconds / plain)
        };
        say(format!(
            "{:>5} {:>8.0} {:>12.2} {:>18} {:>18}",
            dtype.name(),
            bytes as f64 / 1e6,
            speed(plain),
            cell(contiguous),
            cell(shuffled)
        ));
    }
    Ok(())
}
