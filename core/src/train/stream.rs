//! Activations streamed from a model: rows in a shuffled order, the first position of each left out.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::buffer::Source;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::Model;

/// Rows read at a time.
const PIECE: usize = 32;

/// See the module.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    model: &'a Model,
    rows: &'a Rows,
    hook: HookPoint,
    width: usize,
    order: Vec<usize>,
    next: usize,
    readings: u64,
    rng: ChaCha8Rng,
    /// Whether each activation is followed by the gradient of the model's loss.
    paired: bool,
}

impl<'a> Stream<'a> {
    /// All of `rows`, again and again.
    pub(super) fn new(
        model: &'a Model,
        rows: &'a Rows,
        hook: HookPoint,
        seed: u64,
    ) -> Result<Self> {
        model.check_hook(hook)?;
        if rows.is_empty() || rows.context() < 2 {
            let what = "training needs at least one row of two tokens or more, give more text or a longer context";
            return Err(Error::setting("corpus", what));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(2);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(&mut rng);
        Ok(Self {
            model,
            rows,
            hook,
            width: model.width(hook)?,
            order,
            next: 0,
            readings: 1,
            rng,
            paired: false,
        })
    }

    /// With the gradient of the text's next-token loss behind each activation, twice as wide.
    pub(super) fn with_gradients(mut self) -> Self {
        self.paired = true;
        self
    }

    /// Which rows the next piece holds; whether they are the first of a further reading.
    fn advance(&mut self) -> (std::ops::Range<usize>, bool) {
        let again = self.next == self.order.len();
        if again {
            self.readings += 1;
            self.order.shuffle(&mut self.rng);
            self.next = 0;
        }
        let end = (self.next + PIECE).min(self.order.len());
        let range = self.next..end;
        self.next = end;
        (range, again)
    }

    /// Activations of one reading.
    pub(super) fn activations(&self) -> usize {
        self.rows.len() * (self.rows.context() - 1)
    }
}

impl Source for Stream<'_> {
    fn width(&self) -> usize {
        if self.paired {
            2 * self.width
        } else {
            self.width
        }
    }

    fn paired(&self) -> bool {
        self.paired
    }

    fn next(&mut self, note: &mut dyn FnMut(String)) -> Result<Matrix> {
        let (range, again) = self.advance();
        if again {
            note(format!(
                "The corpus of {} activations is used up: it is shuffled and read for the {} time",
                self.activations(),
                ordinal(self.readings)
            ));
        }
        let chosen = &self.order[range];
        let all = if self.paired {
            capture::with_gradients(self.model, self.rows, chosen, self.hook)?
        } else {
            capture::activations(self.model, self.rows, chosen, self.hook)?
        };
        without_first(&all, self.rows.context())
    }

    fn skip(&mut self) {
        self.advance();
    }
}

/// All rows of `[b·t, d]` but the first of each `t`.
fn without_first(all: &Matrix, context: usize) -> Result<Matrix> {
    let d = all.columns();
    let mut values = Vec::with_capacity(all.values().len());
    for row in all.values().chunks_exact(context * d) {
        values.extend_from_slice(&row[d..]);
    }
    Matrix::new(all.rows() / context * (context - 1), d, values)
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_position_of_each_row_is_left_out() {
        let all = Matrix::new(6, 1, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let left = without_first(&all, 3).unwrap();
        assert_eq!(left.values(), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(left.rows(), 4);
    }

    #[test]
    fn readings_are_counted_in_words() {
        let said = [2, 3, 4, 11, 21, 112].map(ordinal);
        assert_eq!(said, ["2nd", "3rd", "4th", "11th", "21st", "112th"]);
    }
}
