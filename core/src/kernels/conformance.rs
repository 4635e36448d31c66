//! Every operation's cases against its definition, and for each a result nudged past tolerance, which must be refused.

use super::{adam, encode, pre_activations, residual, sparse_decode};
use crate::dims::Matrix;
use crate::latents::Latents;

/// Tolerance of the operations, as their headers state it.
pub(super) const RELATIVE: f64 = 1e-5;

/// Compares values, each with its own tolerance.
pub(super) fn check_values(got: &[f32], want: &[f64], scale: &[f64]) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} values instead of {}", got.len(), want.len()));
    }
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(*got) - want).abs();
        if off.is_nan() || off > RELATIVE * scale[i] {
            return Err(format!("value {i} is {got}, should be {want}"));
        }
    }
    Ok(())
}

/// Magnitudes of all values.
pub(super) fn absolute(matrix: &Matrix) -> Matrix {
    let values = matrix.values().iter().map(|v| v.abs()).collect();
    Matrix::new(matrix.rows(), matrix.columns(), values).unwrap()
}

/// The definition's reconstruction and the sum of the magnitudes of its terms.
pub(super) fn decoded(case: &sparse_decode::cases::Case) -> (Vec<f64>, Vec<f64>) {
    let define = sparse_decode::reference::sparse_decode;
    let mut latents = case.latents.clone();
    latents.acts.iter_mut().for_each(|act| *act = act.abs());
    let bias: Vec<f32> = case.b_dec.iter().map(|b| b.abs()).collect();
    (
        define(&case.latents, &case.w_dec, &case.b_dec),
        define(&latents, &absolute(&case.w_dec), &bias),
    )
}

/// The sums of the magnitudes of the terms of a residual and of its pull-back.
pub(super) fn sizes(target: &Matrix, latents: &Latents, w_dec: &Matrix) -> (Vec<f64>, Vec<f64>) {
    let mut flipped = latents.clone();
    flipped.acts.iter_mut().for_each(|act| *act = -act.abs());
    residual::reference::residual(&absolute(target), &flipped, &absolute(w_dec), 1.0)
}

/// Σ|x·w| + |b| per feature: what rounding is relative to.
fn scales(x: &[f32], w_enc: &Matrix, b_enc: &[f32]) -> Vec<f64> {
    let magnitude = |v: &[f32]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
    let absolute = Matrix::new(w_enc.rows(), w_enc.columns(), magnitude(w_enc.values())).unwrap();
    pre_activations::reference::pre_activations(&magnitude(x), &absolute, &magnitude(b_enc))
}

pub(in crate::kernels) fn check_encode(
    case: &encode::cases::Case,
    got: &Latents,
) -> Result<(), String> {
    got.check(case.w_enc.rows()).map_err(|e| e.to_string())?;
    if got.rows() != case.centred.rows() {
        return Err(format!("{} rows", got.rows()));
    }
    for i in 0..got.rows() {
        let x = case.centred.row(i);
        let pre = pre_activations::reference::pre_activations(x, &case.w_enc, &case.b_enc);
        let scale = scales(x, &case.w_enc, &case.b_enc);
        let want = encode::reference::select(&pre, case.k);
        let least = if want.len() < case.k {
            0.0
        } else {
            want.iter().map(|w| w.1).fold(f64::INFINITY, f64::min)
        };
        let exact = pre.iter().all(|v| v.fract() == 0.0);
        let kept: Vec<(u32, f32)> = got.row(i).map(|(f, act)| (f.0, act)).collect();
        for (feature, act) in &kept {
            let f = *feature as usize;
            check_values(&[*act], &[pre[f]], &[scale[f]]).map_err(|e| format!("row {i}: {e}"))?;
        }
        for f in 0..pre.len() {
            let is_kept = kept.iter().any(|(feature, _)| *feature as usize == f);
            let should = want.iter().any(|(feature, _)| *feature as usize == f);
            let near = !exact && (pre[f] - least).abs() <= 2.0 * RELATIVE * scale[f];
            if is_kept != should && !near {
                return Err(format!(
                    "row {i}: feature {f} kept: {is_kept}, should be: {should}"
                ));
            }
        }
        let near_zero = |f: usize| pre[f].abs() <= RELATIVE * scale[f] && !exact;
        let certain = want.len() == case.k || !(0..pre.len()).any(near_zero);
        if kept.len() > case.k || (certain && kept.len() != want.len()) {
            return Err(format!("row {i}: {} kept of {}", kept.len(), want.len()));
        }
    }
    Ok(())
}

#[test]
fn encode_topk_is_its_definition() {
    let by_form = |case: &encode::cases::Case| {
        let operands = (&case.centred, &case.w_enc, case.b_enc.as_slice());
        encode::by_every_form(operands, (case.k, None))
    };
    let all = encode::cases::all();
    for (case, (form, got)) in all
        .iter()
        .flat_map(|c| by_form(c).into_iter().map(move |g| (c, g)))
    {
        let got = got.unwrap_or_else(|e| panic!("{} by {form}: {e}", case.name));
        check_encode(case, &got).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        if got.acts.is_empty() {
            continue;
        }
        let mut nudged = got.clone();
        let last = nudged.acts.len() - 1;
        nudged.acts[last] += 1e-2 * (1.0 + nudged.acts[last]);
        assert!(
            check_encode(case, &nudged).is_err(),
            "{}: a nudged value passed",
            case.name
        );
        let mut dropped = Latents::default();
        for i in 0..got.rows() {
            let range = got.range(i);
            let range = if i + 1 == got.rows() && !range.is_empty() {
                range.start..range.end - 1
            } else {
                range
            };
            dropped.push_row(&got.features[range.clone()], &got.acts[range]);
        }
        let complete = got.range(got.rows() - 1).is_empty();
        assert!(
            complete || check_encode(case, &dropped).is_err(),
            "{}: a lost entry passed",
            case.name
        );
    }
}

#[test]
fn a_pre_activation_that_is_not_finite_is_named() {
    let mut case = encode::cases::all().swap_remove(1);
    for bad in [f32::NAN, f32::INFINITY] {
        let before = case.w_enc.row(90)[3];
        case.w_enc.row_mut(90)[3] = bad;
        case.centred.row_mut(0)[3] = 1.0;
        let operands = (&case.centred, &case.w_enc, case.b_enc.as_slice());
        let all = encode::by_every_form(operands, (case.k, None));
        for (form, refused) in all {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("token 0, feature 90"), "{form}: {refused}");
        }
        case.w_enc.row_mut(90)[3] = before;
    }
}

#[test]
fn guesses_change_no_latents() {
    for case in encode::cases::all() {
        let operands = (&case.centred, &case.w_enc, case.b_enc.as_slice());
        let plain = encode::by_every_form(operands, (case.k, None));
        for guess in [0.0, 0.05, 1.0, 1e6] {
            // Rows differ, so that some must be encoded again and others not.
            let rows = 0..case.centred.rows();
            let guesses: Vec<f32> = rows.map(|i| guess * (i % 3) as f32).collect();
            let guessing = encode::by_every_form(operands, (case.k, Some(&guesses)));
            for ((form, got), (_, want)) in guessing.iter().zip(&plain) {
                let (got, want) = (got.as_ref().unwrap(), want.as_ref().unwrap());
                assert_eq!(got, want, "{} by {form}, guess {guess}", case.name);
            }
        }
    }
}

#[test]
fn a_row_whose_guess_failed_alone_comes_out_as_among_the_others() {
    for case in encode::cases::all() {
        let operands = (&case.centred, &case.w_enc, case.b_enc.as_slice());
        let plain = encode::by_every_form(operands, (case.k, None));
        let n = case.centred.rows();
        for row in [0, n / 2, n.saturating_sub(1)] {
            let guesses: Vec<f32> = (0..n).map(|i| if i == row { 1e6 } else { 0.0 }).collect();
            let guessing = encode::by_every_form(operands, (case.k, Some(&guesses)));
            for ((form, got), (_, want)) in guessing.iter().zip(&plain) {
                let (got, want) = (got.as_ref().unwrap(), want.as_ref().unwrap());
                assert_eq!(got, want, "{} by {form}, row {row}", case.name);
            }
        }
    }
}

#[test]
fn sparse_decode_is_its_definition() {
    for case in sparse_decode::cases::all() {
        let got = sparse_decode::sparse_decode(&case.latents, &case.w_dec, &case.b_dec).unwrap();
        let (want, scale) = decoded(&case);
        check_values(got.values(), &want, &scale).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let mut portable = got.clone();
        for i in 0..portable.rows() {
            let entries = case.latents.range(i);
            let row = portable.row_mut(i);
            row.copy_from_slice(&case.b_dec);
            let code = sparse_decode::cpu::Weighted {
                rows: &case.latents.features[entries.clone()],
                weights: &case.latents.acts[entries],
                scale: 1.0,
                table: case.w_dec.values(),
            };
            sparse_decode::cpu::portable_add_rows(row, code);
        }
        check_values(portable.values(), &want, &scale)
            .unwrap_or_else(|e| panic!("{} without intrinsics: {e}", case.name));
        let mut nudged = got.into_values();
        if let Some(value) = nudged.last_mut() {
            *value += 1e-2 * (1.0 + value.abs());
            assert!(
                check_values(&nudged, &want, &scale).is_err(),
                "{}: a nudged value passed",
                case.name
            );
        }
    }
}

#[test]
fn pre_activations_are_their_definition() {
    for case in encode::cases::all() {
        let features: Vec<u32> = (0..case.w_enc.rows() as u32).rev().step_by(3).collect();
        let got =
            pre_activations::pre_activations(&case.centred, &case.w_enc, &case.b_enc, &features)
                .unwrap();
        for i in 0..got.rows() {
            let x = case.centred.row(i);
            let pre = pre_activations::reference::pre_activations(x, &case.w_enc, &case.b_enc);
            let scale = scales(x, &case.w_enc, &case.b_enc);
            let chosen = |v: &[f64]| features.iter().map(|f| v[*f as usize]).collect::<Vec<_>>();
            let (want, scale) = (chosen(&pre), chosen(&scale));
            check_values(got.row(i), &want, &scale)
                .unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let mut nudged = got.row(i).to_vec();
            nudged[0] += 1e-2 * (1.0 + scale[0] as f32);
            assert!(check_values(&nudged, &want, &scale).is_err());
        }
    }
    let case = encode::cases::all().swap_remove(0);
    let beyond = pre_activations::pre_activations(&case.centred, &case.w_enc, &case.b_enc, &[4]);
    assert_eq!(
        beyond.unwrap_err().to_string(),
        "pre_activations: there is no feature 4 among 4"
    );
}

#[test]
fn residual_is_its_definition() {
    for (case, target) in residual::cases::all() {
        let scale = -0.25_f32;
        let (latents, w_dec) = (&case.latents, &case.w_dec);
        let mut got = residual::Residual::default();
        residual::residual(&mut got, &target, latents, w_dec, scale).unwrap();
        let mut portable = vec![0.0; got.d_acts.len()];
        for i in 0..latents.rows() {
            let (out, row) = (&mut portable[latents.range(i)], got.residual.row(i));
            let features = &latents.features[latents.range(i)];
            residual::cpu::portable_products(out, row, features, scale, w_dec.values());
        }
        let (want, d_acts) =
            residual::reference::residual(&target, latents, w_dec, f64::from(scale));
        let (sizes, d_sizes) = sizes(&target, latents, w_dec);
        check_values(got.residual.values(), &want, &sizes)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        check_values(&portable, &d_acts, &d_sizes)
            .unwrap_or_else(|e| panic!("{} without intrinsics: {e}", case.name));
        check_values(&got.d_acts, &d_acts, &d_sizes)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let squared: f64 = want.iter().map(|v| v * v).sum();
        assert!(
            (got.squared - squared).abs() <= 1e-4 * squared,
            "{}",
            case.name
        );
        let d = w_dec.columns();
        for (c, got) in got.column_sums.iter().enumerate() {
            let want: f64 = want.iter().skip(c).step_by(d).sum();
            let size: f64 = sizes.iter().skip(c).step_by(d).sum();
            assert!(
                (got - want).abs() <= RELATIVE * size,
                "{} column {c}",
                case.name
            );
        }
        for (values, want, sizes) in [
            (got.residual.into_values(), want, sizes),
            (got.d_acts, d_acts, d_sizes),
        ] {
            let mut nudged = values;
            if let Some(value) = nudged.last_mut() {
                *value += 1e-2 * (1.0 + sizes[sizes.len() - 1] as f32);
                assert!(
                    check_values(&nudged, &want, &sizes).is_err(),
                    "{}: a nudged value passed",
                    case.name
                );
            }
        }
    }
}

#[test]
fn adam_is_its_definition() {
    adam_by(adam::adam);
    adam_by(adam::cpu::portable_update);
}

fn adam_by(update: fn(&mut adam::Row<'_>, &[f32], adam::Rates)) {
    for (case, t) in adam::cases::all()
        .into_iter()
        .zip([1_u64, 2, 5, 100, 5_000])
    {
        let [p, m, v, g] = case;
        let rate = 1e-3;
        let mut got = [p.clone(), m.clone(), v.clone()];
        let [value, first, second] = &mut got;
        let mut row = adam::Row {
            value,
            m: first,
            v: second,
        };
        update(&mut row, &g, adam::Rates::new(rate, t));
        let mut want = [vec![], vec![], vec![]];
        let mut scale = want.clone();
        for i in 0..p.len() {
            let before = [p[i], m[i], v[i]].map(f64::from);
            let after = adam::reference::adam(before, f64::from(g[i]), rate, t as i32);
            for part in 0..3 {
                want[part].push(after[part]);
                let moved = (after[part] - before[part]).abs();
                scale[part].push(before[part].abs() + moved + f64::from(g[i].abs()) * 0.1);
            }
        }
        for part in 0..3 {
            check_values(&got[part], &want[part], &scale[part])
                .unwrap_or_else(|e| panic!("step {t}: {e}"));
            let mut nudged = got[part].clone();
            nudged[0] += 1e-2 * (1.0 + scale[part][0] as f32);
            assert!(check_values(&nudged, &want[part], &scale[part]).is_err());
        }
    }
}
