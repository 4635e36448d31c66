//! Rules of a program's own: one that computes what TopK does trains the same dictionary, and one that is wrong ends the run with its name.

use super::runs::{Planted, go_on, keep, short, train};
use crate::Flow;
use crate::error::Result;
use crate::kernels::encode::encode_topk;
use crate::latents::Latents;
use crate::sae::{RuleInput, Selection, SelectionRule, TopK, Variant};
use crate::train::{Event, Keeping};

/// TopK from outside, by the kernel or by the dense table, with an L1 penalty of `weight`.
#[derive(Debug, Clone, Copy)]
struct Own {
    is_dense: bool,
    weight: f64,
    rows_lost: usize,
}

const PLAIN: Own = Own {
    is_dense: false,
    weight: 0.0,
    rows_lost: 0,
};

impl SelectionRule for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn select(&self, batch: &RuleInput<'_>) -> Result<Latents> {
        if self.rows_lost > 0 {
            return Ok(Latents::empty(batch.x.rows() - self.rows_lost));
        }
        if self.is_dense {
            let pre = batch.pre_activations()?;
            return batch.largest(&pre, &pre, 3);
        }
        encode_topk(batch.x, batch.w_enc, batch.b_enc, 3)
    }

    fn penalty(&self, batch: &RuleInput<'_>, latents: &Latents, d_acts: &mut [f32]) -> f64 {
        let each = self.weight / batch.act_unit;
        for gradient in d_acts {
            *gradient += each as f32;
        }
        let sum: f64 = latents.acts.iter().map(|act| f64::from(*act)).sum();
        each * sum
    }

    fn inference(&self) -> Selection {
        Selection::TopK(TopK { k: 3 })
    }
}

#[test]
fn a_rule_from_outside_that_is_topk_trains_what_topk_trains() {
    let mut spec = short(Variant::TopK);
    let run = |spec: &_| train(spec, &mut Planted::new(40, 32), &mut go_on).unwrap();
    let own = run(&spec);
    spec.select_by(PLAIN);
    assert_eq!(
        (spec.kind(), spec.get("variant").unwrap().as_str()),
        ("own", "own")
    );
    let custom = run(&spec);
    assert!(custom.sae.w_enc == own.sae.w_enc && custom.sae.w_dec == own.sae.w_dec);
    assert_eq!(custom.sae.selection, own.sae.selection);
    // The dense table adds in another order, so it is equal up to rounding alone.
    spec.select_by(Own {
        is_dense: true,
        ..PLAIN
    });
    let dense = run(&spec).last;
    assert!((dense.fvu - own.last.fvu).abs() < 0.01, "{dense:?}");
    // A setting brings the variant's rule back.
    spec.set("variant", "topk").unwrap();
    assert!(spec.rule.is_none() && run(&spec).sae.w_enc == own.sae.w_enc);
}

#[test]
fn the_penalty_of_a_rule_from_outside_counts() {
    let mut spec = short(Variant::TopK);
    let mut size = |weight: f64| {
        spec.select_by(Own { weight, ..PLAIN });
        let mut source = Planted::new(40, 32);
        let outcome = train(&spec, &mut source, &mut go_on).unwrap();
        let x = crate::train::buffer::Source::next(&mut source, &mut |_| {}).unwrap();
        let latents = outcome.sae.encode(&x).unwrap();
        latents.acts.iter().sum::<f32>()
    };
    let (free, charged) = (size(0.0), size(2.0));
    assert!(charged < 0.9 * free, "{charged} {free}");
}

#[test]
fn a_rule_from_outside_that_loses_rows_is_named() {
    let mut spec = short(Variant::TopK);
    spec.select_by(Own {
        rows_lost: 1,
        ..PLAIN
    });
    let said = train(&spec, &mut Planted::new(40, 32), &mut go_on);
    let said = said.unwrap_err().to_string();
    assert!(
        said.contains("own returns 127 rows for 128 tokens"),
        "{said}"
    );
}

#[test]
fn a_run_by_a_rule_from_outside_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut keeping = Keeping {
        folder: Some(folder.path().to_path_buf()),
        ..Keeping::default()
    };
    let mut spec = short(Variant::TopK);
    spec.select_by(PLAIN);
    let whole = train(&spec, &mut Planted::new(40, 32), &mut go_on).unwrap();
    let mut stop = |event: Event| match event {
        Event::Progress(at) if at.step == 100 => Flow::Break(()),
        _ => Flow::Continue(()),
    };
    let stopped = keep(&spec, &mut Planted::new(40, 32), &keeping, &mut stop).unwrap();
    assert!(stopped.checkpoint.is_some());
    keeping.resume = true;
    let resumed = keep(&spec, &mut Planted::new(40, 32), &keeping, &mut go_on).unwrap();
    assert!(resumed.sae == whole.sae);
    // Without the rule the checkpoint belongs to other settings.
    spec.rule = None;
    let said = keep(&spec, &mut Planted::new(40, 32), &keeping, &mut go_on);
    assert!(said.unwrap_err().to_string().contains("variant"));
}
