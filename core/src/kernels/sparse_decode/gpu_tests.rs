//! Decoding on wgpu: the cases against the definition, equal bytes in every split of the decoder.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::cases::{Case, all};
use super::gpu::sparse_decode;
use crate::device::{Gpu, Table, testing};
use crate::dims::Matrix;
use crate::kernels::codes::Codes;
use crate::kernels::conformance::{check_values, decoded};
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;

fn by_device(gpu: &Gpu, case: &Case) -> Vec<f32> {
    let codes = Codes::upload(gpu, &case.latents).unwrap();
    let w_dec = Table::upload(gpu, "w_dec", &case.w_dec).unwrap();
    let b_dec = gpu.upload("b_dec", &case.b_dec).unwrap();
    let out = sparse_decode(gpu, &codes, &w_dec, &b_dec).unwrap();
    let mut got = Matrix::zeros(case.latents.rows(), case.w_dec.columns());
    out.read(gpu, &mut got).unwrap();
    got.into_values()
}

fn check(name: &str, got: Vec<f32>, case: &Case) {
    let (want, scale) = decoded(case);
    check_values(&got, &want, &scale).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut nudged = got;
    if let Some(value) = nudged.last_mut() {
        *value += 1e-2 * (1.0 + value.abs());
        assert!(
            check_values(&nudged, &want, &scale).is_err(),
            "{name}: a nudged value passed"
        );
    }
}

#[test]
fn sparse_decode_on_wgpu_is_its_definition() {
    let Some(gpu) = testing::gpu() else { return };
    for case in all() {
        let got = by_device(&gpu, &case);
        assert_eq!(
            got,
            by_device(&gpu, &case),
            "{}: a second run differs",
            case.name
        );
        check(case.name, got, &case);
    }
}

#[test]
fn splits_of_decoder_and_tokens_on_wgpu_change_no_byte() {
    let Some(gpu) = testing::gpu() else { return };
    for columns in [40, 300] {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (n, f) = (290, 1_000);
        let mut latents = Latents::default();
        for row in 0..n {
            let share = if row == 7 { 1.0 } else { 0.01 };
            let features: Vec<u32> = (0..f).filter(|_| rng.random_bool(share)).collect();
            let acts: Vec<f32> = features
                .iter()
                .map(|_| rng.random_range(-2.0..3.0))
                .collect();
            latents.push_row(&features, &acts);
        }
        let case = Case {
            name: "split",
            latents,
            w_dec: uneven(&mut rng, f as usize, columns),
            b_dec: uneven(&mut rng, 1, columns).into_values(),
        };
        let whole = by_device(&gpu, &case);
        for rows in [128, 256, 512] {
            let split = gpu.with_binding_limit((4 * rows * columns) as u64);
            let table = Table::upload(&split, "w_dec", &case.w_dec).unwrap();
            assert_eq!(table.blocks().count(), 1_000_usize.div_ceil(rows));
            assert_eq!(by_device(&split, &case), whole, "blocks of {rows} rows");
        }
        check("split", whole, &case);
    }
}
