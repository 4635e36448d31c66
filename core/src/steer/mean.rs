//! Measures the mean activation of a text, which `mean` edits put in place.

use crate::corpus::{Corpus, Positions};
use crate::error::{Notes, Result};
use crate::eval;
use crate::formats::{self, Reading};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Largest number of rows of the text that are read, from its beginning.
pub const MEAN_ROWS: usize = 256;
/// Tokens per row, or the model's context where that is shorter.
pub const MEAN_CONTEXT: usize = 128;

/// Mean activation of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextMean {
    /// Mean, `[d]`.
    pub values: Vec<f32>,
    /// Sentence on the text and the positions that it is over.
    pub over: String,
    /// Notes on making rows of the text.
    pub notes: Notes,
}

/// Measures the mean at `hook` over the first 256 rows of 128 tokens of `corpus`; positions count as asked for, else as for `sae`. `observe` gets the rows
/// done.
pub fn mean_of_text(
    (model, sae): (&Model, Option<&Sae>),
    (corpus, named): (&Corpus, &str),
    positions: Option<Positions>,
    hook: HookPoint,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<TextMean>> {
    let asked = Reading {
        context: Some(MEAN_CONTEXT.min(model.config().context)),
        positions,
        separate_documents: None,
    };
    let (rows, notes) = formats::rows(corpus, model, sae, asked)?;
    let rows = rows.take(MEAN_ROWS);
    let all = rows.len();
    let mean = eval::mean(model, &rows, hook, observe)?;
    Ok(mean.map(|values| TextMean {
        values,
        over: format!(
            "The mean of {hook} is over {} positions of {named}: {all} rows of {} tokens, {}",
            rows.counted(),
            rows.context(),
            rows.mask().rule.said(Some(rows.left_out() as u64))
        ),
        notes,
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dims::Matrix;
    use crate::ids::Site;
    use crate::models::token_tensor;

    #[test]
    fn it_is_the_mean_of_the_positions_that_count_in_the_first_rows() {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model"));
        let model = Model::open(demo).unwrap().0;
        let hook = HookPoint::block(1, Site::ResidPost);
        let text = "A fox and a crow, <|endoftext|>and a piece of cheese. ".repeat(30);
        let corpus = Corpus::from_text("fable", &text);
        let mean = |positions| {
            let mut on = |_: Progress| Flow::Continue(());
            mean_of_text((&model, None), (&corpus, "fable"), positions, hook, &mut on)
                .unwrap()
                .done()
                .unwrap()
        };
        let (rows, _) = corpus.rows(model.codec(), 128).unwrap();
        let bos = model.codec().bos().id.unwrap();
        let expected = |counts: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
            let (mut sum, mut n) = (vec![0.0; 256], 0.0);
            for i in 0..rows.len() {
                let tokens = token_tensor(&[rows.row(i)]).unwrap();
                let value = &model.capture(&tokens, &[hook]).unwrap()[&hook];
                let x = Matrix::from_tensor(value, 256).unwrap();
                for p in (0..128).filter(|p| counts(i, *p)) {
                    n += 1.0;
                    let pairs = sum.iter_mut().zip(x.row(p));
                    pairs.for_each(|(sum, x)| *sum += f64::from(*x));
                }
            }
            sum.into_iter().map(|sum| sum / n).collect()
        };
        let check = |positions, counts: &dyn Fn(usize, usize) -> bool, said: &str| {
            let got = mean(positions);
            for (got, want) in got.values.iter().zip(expected(counts)) {
                assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want}");
            }
            assert!(got.over.contains(said), "{}", got.over);
        };
        check(None, &|i, p| p > 0 && rows.row(i)[p] != bos, "`text`");
        check(Some(Positions::First), &|_, p| p > 0, "`first`");
        check(Some(Positions::All), &|_, _| true, "`all`");
    }
}
