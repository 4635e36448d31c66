//! Pursuit in a whole dictionary, in units of the encoder's product over the same tokens.
//!
//! Signals are sums of `k` random directions of the dictionary with weights between 0.5 and 1.5, and noise of a tenth of their length: features are chosen evenly, the
//! worst case for columns that are kept between blocks. The first run makes the columns; a second one over other tokens has them.

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use umbra_core::dark_matter::pursuit::{Method, Settings, pursue};
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};
use umbra_core::sae::{Relu, Sae};

/// Tokens, features, width and steps.
type Size = (usize, usize, usize, usize);

const WHOLE: Size = (10_000, 24_576, 768, 32);
const SMALL: Size = (2_000, 4_096, 256, 32);

fn matrix(rng: &mut StdRng, rows: usize, columns: usize) -> Result<Matrix> {
    let normal = |_| (0..4).map(|_| rng.random_range(-1.0_f32..1.0)).sum::<f32>();
    Matrix::new(rows, columns, (0..rows * columns).map(normal).collect())
}

/// Dictionary with directions of length 1, and signals that it can nearly write.
fn planted((n, f, d, k): Size) -> Result<(Sae, Matrix)> {
    let mut rng = StdRng::seed_from_u64(17);
    let mut directions = matrix(&mut rng, f, d)?;
    for row in directions.values_mut().chunks_mut(d) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        for v in row {
            *v /= length;
        }
    }
    let mut x = matrix(&mut rng, n, d)?;
    let noise = 0.1 * ((k as f32) / (d as f32)).sqrt();
    for v in x.values_mut() {
        *v *= noise;
    }
    for i in 0..n {
        for _ in 0..k {
            let feature = rng.random_range(0..f);
            let weight = rng.random_range(0.5..1.5);
            for (x, v) in x.row_mut(i).iter_mut().zip(directions.row(feature)) {
                *x += weight * v;
            }
        }
    }
    let encoder = (directions.clone(), vec![0.0; f]);
    Ok((
        Sae::new("planted", encoder, (directions, vec![0.0; d]), Relu),
        x,
    ))
}

/// Prints both rules' times over the encoder's product.
pub(crate) fn run(small: bool, out: &mut impl std::io::Write) -> Result<()> {
    let size = if small { SMALL } else { WHOLE };
    let (n, f, d, k) = size;
    let (sae, x) = planted(size)?;
    let written = |cause| Error::io("cannot print", "standard output", cause);
    let features: Vec<umbra_core::ids::FeatureId> = (0..f).map(Into::into).collect();
    let begun = Instant::now();
    for block in x.values().chunks(512 * d) {
        let block = Matrix::new(block.len() / d, d, block.to_vec())?;
        std::hint::black_box(sae.pre_activations(&block, &features)?);
    }
    let product = begun.elapsed().as_secs_f64();
    writeln!(
        out,
        "pursuit of {n} tokens over {f} features, d {d}, k {k}; the encoder's product takes {product:.2} s"
    )
    .map_err(written)?;
    for method in Method::ALL {
        let settings = Settings {
            method,
            ..Settings::default()
        };
        let begun = Instant::now();
        let codes = pursue(&sae, &x, &vec![k; n], settings)?;
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(
            out,
            "{method:<12} {seconds:>7.2} s, {:>5.2} × the product; {:.1} features a token",
            seconds / product,
            codes.features.len() as f64 / n as f64
        )
        .map_err(written)?;
    }
    out.flush().map_err(written)
}
