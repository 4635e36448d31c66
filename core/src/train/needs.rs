//! Memory that a run needs beside its model, known before anything is allocated.

use super::Spec;
use super::checkpoint::Keeping;
use super::micro;
use super::spec::Decoder;
use super::stream;
use crate::device;
use crate::error::Result;
use crate::kernels::encode::Product;
use crate::sae::Variant;

/// Bytes of a number.
const F32: u64 = 4;
/// Bytes of a slot of the buffer in addition to its activation: its number in the lists of waiting and free slots.
const SLOT: u64 = 8;

/// Bytes that a run takes at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Weights and Adam's two moments, the dictionary as it stands and its bytes while it is saved, and the copies that some settings keep.
    pub parameters: u64,
    /// The shuffle buffer.
    pub buffer: u64,
    /// A step: the batch, what is left of it, its codes and their gradients.
    pub step: u64,
}

impl Needs {
    /// Counts the needs of a run that reads activations `reads` wide and reconstructs activations `writes` wide, from a text or store that holds `held` of them.
    pub fn new(spec: &Spec, (reads, writes): (usize, usize), held: usize) -> Self {
        let copies = 5
            + u64::from(spec.decoder == Decoder::Free)
            + u64::from(spec.ema > 0.0)
            + u64::from(!spec.budgeted());
        let screen = if spec.product == Product::Screened {
            times(&[2, spec.features as u64, reads as u64])
        } else {
            0
        };
        let columns = columns(spec, (reads, writes));
        let capacity = capacity(spec, held) as u64;
        let row = times(&[columns, spec.buffer_dtype.bytes() as u64]);
        Self {
            parameters: times(&[copies, parameters(spec, (reads, writes))]).saturating_add(screen),
            buffer: times(&[capacity, row.saturating_add(SLOT)]),
            step: step(spec, (reads, writes)),
        }
    }

    /// Returns the sum.
    pub fn total(self) -> u64 {
        let both = self.parameters.saturating_add(self.buffer);
        both.saturating_add(self.step)
    }
}

/// Counts the bytes that a run takes on a GPU: weights with their moments, sums of micro-batches, and a step.
pub fn device_bytes(spec: &Spec, widths: (usize, usize)) -> u64 {
    let copies = 3 + u64::from(spec.decoder == Decoder::Free) + u64::from(!spec.budgeted());
    times(&[copies, parameters(spec, widths)]).saturating_add(step(spec, widths))
}

/// Returns the number of activations that the buffer of a run holds, at most a text once.
pub(super) fn capacity(spec: &Spec, held: usize) -> usize {
    let wanted = usize::try_from(spec.tokens).unwrap_or(usize::MAX);
    let least = spec.batch.saturating_mul(2);
    spec.buffer.min(held).max(least).min(wanted)
}

/// Counts the bytes of the weights of a dictionary.
pub(crate) fn parameters(spec: &Spec, (reads, writes): (usize, usize)) -> u64 {
    let (f, reads, writes) = (spec.features as u64, reads as u64, writes as u64);
    let matrices = times(&[f, reads.saturating_add(writes)]);
    let skip = if spec.skip {
        times(&[reads, writes])
    } else {
        0
    };
    let biases = f.saturating_add(writes);
    let all = matrices.saturating_add(skip).saturating_add(biases);
    times(&[F32, all])
}

/// Counts the bytes of one step in addition to the parameters.
pub(crate) fn step(spec: &Spec, (reads, writes): (usize, usize)) -> u64 {
    let batch = spec.batch as u64;
    let tables = reads as u64 + 3 * writes as u64;
    let (tokens, active) = if spec.budgeted() {
        let first = if spec.k_warmup > 0.0 {
            spec.k_start.unwrap_or(reads)
        } else {
            0
        };
        let aux = if spec.aux_coefficient > 0.0 {
            spec.k_aux.unwrap_or(writes / 2)
        } else {
            0
        };
        let active = spec.k.max(first).saturating_add(aux);
        (batch, active.min(spec.features) as u64)
    } else {
        let part = spec.micro_batch.unwrap_or(micro::LEAST).min(spec.batch);
        (part as u64, spec.features as u64 / 2)
    };
    let codes = times(&[micro::PAIR, tokens, active]);
    times(&[F32, batch, tables]).saturating_add(codes)
}

/// Counts the numbers that the buffer holds for one activation.
fn columns(spec: &Spec, (reads, writes): (usize, usize)) -> u64 {
    let columns = if spec.transcodes {
        reads + writes
    } else if spec.variant == Variant::Gradient {
        2 * reads
    } else {
        reads
    };
    columns as u64
}

/// Counts the bytes that dictionaries trained together take at their peak, each given with the widths that it reads and reconstructs. What one has read waits
/// for the others: a buffer of it at most.
pub fn together(runs: &[(&Spec, (usize, usize))], held: usize) -> u64 {
    let each = runs.iter().map(|(spec, widths)| {
        let waits = if runs.len() > 1 {
            times(&[F32, capacity(spec, held) as u64, columns(spec, *widths)])
        } else {
            0
        };
        Needs::new(spec, *widths, held)
            .total()
            .saturating_add(waits)
    });
    each.fold(0, u64::saturating_add)
}

/// Bytes that runs write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// The saved dictionaries.
    pub dictionaries: u64,
    /// Their checkpoints, which finished runs remove: weights with Adam's two moments, the moving average, the shuffle buffer, the piece of the source that is
    /// being stored, and the dictionary as it stood.
    pub checkpoints: u64,
}

/// Counts the bytes that dictionaries trained together write, each given with the widths that it reads and reconstructs, from a text or store of `rows` rows that
/// holds `held` activations; without rows, no piece is counted.
pub fn disk_together(runs: &[(&Spec, (usize, usize))], (held, rows): (usize, usize)) -> Disk {
    let piece = if rows == 0 {
        0
    } else {
        stream::piece_of(held, rows)
    };
    let mut disk = Disk::default();
    for (spec, widths) in runs {
        let copies = 4 + u64::from(spec.ema > 0.0);
        let weights = parameters(spec, *widths);
        let buffer = Needs::new(spec, *widths, held).buffer;
        let piece = times(&[F32, piece as u64, columns(spec, *widths)]);
        let kept = times(&[copies, weights]).saturating_add(buffer);
        let checkpoint = kept.saturating_add(piece);
        disk.dictionaries = disk.dictionaries.saturating_add(weights);
        disk.checkpoints = disk.checkpoints.saturating_add(checkpoint);
    }
    disk
}

/// Checks that `runs`, which take `total` bytes together, fit into the free memory.
pub(super) fn check(runs: &[(Spec, Keeping)], total: u64) -> Result<()> {
    device::check_room(total, || match runs {
        [(spec, _)] => format!("training {} features on {}", spec.features, spec.hook),
        several => format!("training {} dictionaries together", several.len()),
    })
}

fn times(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |all, n| all.saturating_mul(*n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HookPoint, Site};

    fn spec() -> Spec {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        (spec.features, spec.k, spec.batch) = (1_000, 10, 100);
        (spec.buffer, spec.tokens) = (5_000, 1_000_000);
        spec
    }

    #[test]
    fn what_a_run_takes_is_counted_by_hand() {
        let needs = |spec: &Spec| Needs::new(spec, (64, 64), 4_000);
        // 1000 · 128 weights, 1000 + 64 biases, of 4 bytes: value, two moments, the dictionary as it stands, its bytes.
        let weights = 4 * (128_000 + 1_064);
        // A text of 4000 activations is not held twice.
        let buffer = 4_000 * (64 * 4 + 8);
        let step = 4 * 100 * 4 * 64 + 44 * 100 * (10 + 32);
        let want = Needs {
            parameters: 5 * weights,
            buffer,
            step,
        };
        assert_eq!(needs(&spec()), want);
        assert_eq!(want.total(), 5 * weights + buffer + step);
        let mut more = spec();
        (more.decoder, more.ema) = (Decoder::Free, 0.9);
        assert_eq!(needs(&more).parameters, 7 * weights);
        let mut relu = spec();
        relu.variant = Variant::Relu;
        let codes = 44 * 64 * 500;
        assert_eq!(needs(&relu).step, 4 * 100 * 4 * 64 + codes);
    }

    #[test]
    fn dictionaries_trained_together_wait_for_each_other() {
        let (one, mut other) = (spec(), spec());
        other.features = 2_000;
        let alone = |spec: &Spec| together(&[(spec, (64, 64))], 4_000);
        assert_eq!(alone(&one), Needs::new(&one, (64, 64), 4_000).total());
        let waiting = 2 * 4 * 4_000 * 64;
        let both = together(&[(&one, (64, 64)), (&other, (64, 64))], 4_000);
        assert_eq!(both, alone(&one) + alone(&other) + waiting);
    }

    #[test]
    fn what_a_run_writes_is_counted_by_hand() {
        let mut spec = spec();
        let weights = 4 * (128_000 + 1_064);
        let buffer = 4_000 * (64 * 4 + 8);
        // 80 rows of 50 activations, 32 rows a piece.
        let piece = 32 * 50 * 64 * 4;
        let disk = |spec: &Spec, rows| disk_together(&[(spec, (64, 64))], (4_000, rows));
        let want = Disk {
            dictionaries: weights,
            checkpoints: 4 * weights + buffer + piece,
        };
        assert_eq!(disk(&spec, 80), want);
        assert_eq!(disk(&spec, 0).checkpoints, 4 * weights + buffer);
        spec.ema = 0.9;
        assert_eq!(disk(&spec, 80).checkpoints, 5 * weights + buffer + piece);
    }

    #[test]
    fn no_size_is_too_large_to_be_counted() {
        let mut spec = spec();
        (spec.features, spec.batch) = (usize::MAX / 2, usize::MAX / 2);
        assert_eq!(Needs::new(&spec, (64, 64), usize::MAX).total(), u64::MAX);
        let one = [(spec.clone(), Keeping::default())];
        let total = together(&[(&spec, (64, 64))], usize::MAX);
        let said = check(&one, total).unwrap_err().to_string();
        assert!(
            said.contains("features on blocks.0.attn.hook_z needs 18446744073709551615"),
            "{said}"
        );
    }
}
