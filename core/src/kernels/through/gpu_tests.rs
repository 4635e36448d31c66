//! The WGSL form against the definition: features over several joins and blocks, lengths, a factor.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::gpu::{Chunk, Through};
use super::reference;
use crate::device::testing::gpu;
use crate::device::{Gpu, Table};
use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;

/// Tolerance stated in `mod.rs`.
const RELATIVE: f64 = 1e-5;
const FACTOR: f32 = 0.7;

/// One input of the operation.
struct Case {
    /// `[f]`, every fifth 0.
    read: Vec<f32>,
    w_enc: Matrix,
    /// Lengths of decoder rows, one of them 0.
    lengths: Option<Vec<f32>>,
}

impl Case {
    fn new((f, d): (usize, usize), free: bool) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64((f + d) as u64);
        let mut read = uneven(rng, 1, f).into_values();
        read.iter_mut().step_by(5).for_each(|read| *read = 0.0);
        let lengths = (0..f).map(|i| (i % 7) as f32 * 0.5).collect();
        Self {
            read,
            w_enc: uneven(rng, f, d),
            lengths: free.then_some(lengths),
        }
    }

    fn definition(&self, magnitudes: bool) -> Vec<f64> {
        let length = |i: usize| match self.lengths.as_ref().map(|lengths| lengths[i]) {
            None | Some(0.0) => 1.0,
            Some(length) => f64::from(length),
        };
        let weights = self.read.iter().enumerate();
        let weights = weights.map(|(i, read)| f64::from(FACTOR) * f64::from(*read) * length(i));
        let weights: Vec<f64> = weights.collect();
        reference::through(&weights, &self.w_enc, magnitudes)
    }

    /// Sums by chunks of `most` features; those of `split` keep the sums of spans in blocks of its limit.
    fn computed(&self, gpu: &Gpu, split: &Gpu, most: usize) -> Vec<f64> {
        let (f, d) = (self.w_enc.rows(), self.w_enc.columns());
        let w_enc = Table::upload(gpu, "w_enc", &self.w_enc).unwrap();
        let read = gpu.upload("read", &self.read).unwrap();
        let through = Through::new(split, (f, d)).unwrap();
        let mut recorder = gpu.record();
        for first in (0..f).step_by(most) {
            let features = first..(first + most).min(f);
            let facts = self.lengths.as_ref().map(|lengths| {
                let facts = lengths[features.clone()].iter();
                let facts: Vec<f32> = facts.flat_map(|length| [*length, 9.0]).collect();
                gpu.upload("facts", &facts).unwrap()
            });
            let chunk = Chunk {
                features,
                read: (&read, first),
                w_enc: (w_enc.whole(), first),
                facts: facts.as_ref(),
                factor: FACTOR,
            };
            through.add(&mut recorder, &chunk).unwrap();
        }
        through.join(&mut recorder).unwrap();
        recorder.submit().unwrap();
        through.read(gpu).unwrap()
    }
}

#[test]
fn sums_through_the_encoder_are_their_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    println!("on {}", gpu.label());
    for (shape, free) in [
        ((1, 1), false),
        ((127, 65), true),
        ((129, 19), false),
        ((8_500, 3), true),
        ((0, 4), false),
    ] {
        let case = Case::new(shape, free);
        let got = case.computed(&gpu, &gpu, usize::MAX);
        let (want, sizes) = (case.definition(false), case.definition(true));
        let near = |got: &[f64]| {
            let pairs = got.iter().zip(&want).zip(&sizes);
            pairs.fold(true, |near, ((got, want), size)| {
                near && (got - want).abs() <= RELATIVE * size
            })
        };
        assert!(near(&got), "{shape:?}: {got:?} {want:?}");
        for (c, size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0.0) {
            let mut nudged = got.clone();
            nudged[c] += 1e-2 * size;
            assert!(!near(&nudged), "{shape:?}: a nudged value passed");
        }
    }
}

#[test]
fn chunks_and_blocks_change_no_byte_of_sums_through_the_encoder_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let case = Case::new((17_000, 2), true);
    let whole = case.computed(&gpu, &gpu, usize::MAX);
    // Blocks of 128 spans of two columns.
    let split = gpu.with_binding_limit(128 * 2 * 4);
    for most in [128, 1_280, 17_024] {
        assert_eq!(case.computed(&gpu, &gpu, most), whole);
        assert_eq!(case.computed(&gpu, &split, most), whole);
    }
}
