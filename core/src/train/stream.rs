//! Activations out of a model or a store: rows in a shuffled order, the first position of each left out. From an f32 store the same come in the same order
//! as from the model it was captured from.

use super::buffer::Source;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::store::{Order, Store};

/// Rows read at a time.
const PIECE: usize = 32;

/// What activations are read from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// Computed by a model from rows of tokens.
    Model(&'a Model, &'a Rows),
    /// Read from a store.
    Store(&'a Store),
}

impl Origin<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Model(_, rows) => rows.len(),
            Self::Store(store) => store.rows(),
        }
    }

    fn context(&self) -> usize {
        match self {
            Self::Model(_, rows) => rows.context(),
            Self::Store(store) => store.about().context,
        }
    }

    fn width(&self, hook: HookPoint) -> Result<usize> {
        match self {
            Self::Model(model, _) => model.width(hook),
            Self::Store(store) => store.width(hook),
        }
    }

    /// `[n·t, d]` at two hooks out of one pass.
    fn both(&self, hooks: [HookPoint; 2], chosen: &[usize]) -> Result<[Matrix; 2]> {
        let [read, written] = hooks;
        match self {
            Self::Model(model, rows) => {
                let mut all = capture::activations_at(model, rows, chosen, &hooks)?.into_iter();
                Ok([(); 2].map(|()| all.next().unwrap_or_default()))
            }
            Self::Store(store) => Ok([
                store.activations(read, chosen)?,
                store.activations(written, chosen)?,
            ]),
        }
    }

    /// `[n·t, d]`.
    fn activations(&self, hook: HookPoint, chosen: &[usize]) -> Result<Matrix> {
        match self {
            Self::Model(model, rows) => capture::activations(model, rows, chosen, hook),
            Self::Store(store) => store.activations(hook, chosen),
        }
    }

    fn has_gradients(&self) -> bool {
        match self {
            Self::Model(..) => true,
            Self::Store(store) => store.about().gradients,
        }
    }

    /// Of the summed next-token loss with respect to the same, `[n·t, d]`.
    fn gradients(&self, hook: HookPoint, chosen: &[usize]) -> Result<Matrix> {
        match self {
            Self::Model(model, rows) => {
                let mut all = capture::gradients_at(model, rows, chosen, &[hook])?;
                Ok(all.pop().unwrap_or_default())
            }
            Self::Store(store) => store.gradients(hook, chosen),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    from: Origin<'a>,
    hook: HookPoint,
    width: usize,
    order: Order,
    /// Whether each activation is followed by the gradient of the model's loss.
    paired: bool,
    /// The hook whose activation follows each, and its width.
    target: Option<(HookPoint, usize)>,
}

impl<'a> Stream<'a> {
    /// All rows of `from`, again and again.
    pub(super) fn new(from: Origin<'a>, hook: HookPoint, seed: u64) -> Result<Self> {
        let width = from.width(hook)?;
        if from.rows() == 0 || from.context() < 2 {
            let what = "training needs at least one row of two tokens or more, give more text or a longer context";
            return Err(Error::setting("corpus", what));
        }
        Ok(Self {
            from,
            hook,
            width,
            order: Order::shuffled(from.rows(), seed),
            paired: false,
            target: None,
        })
    }

    /// With the gradient of the text's next-token loss behind each activation, twice as wide; as it is where a store holds none.
    pub(super) fn with_gradients(mut self) -> Self {
        self.paired = self.from.has_gradients();
        self
    }

    /// With the activation of `hook` behind each.
    pub(super) fn with_target(mut self, hook: HookPoint) -> Result<Self> {
        self.target = Some((hook, self.from.width(hook)?));
        Ok(self)
    }

    /// Activations of one reading.
    pub(super) fn activations(&self) -> usize {
        self.from.rows() * (self.from.context() - 1)
    }
}

impl Source for Stream<'_> {
    fn width(&self) -> usize {
        match self.target {
            Some((_, width)) => self.width + width,
            None if self.paired => 2 * self.width,
            None => self.width,
        }
    }

    fn paired(&self) -> bool {
        self.paired
    }

    fn target(&self) -> Option<usize> {
        self.target.map(|(_, width)| width)
    }

    fn next(&mut self, note: &mut dyn FnMut(String)) -> Result<Matrix> {
        if self.order.is_used_up() {
            note(format!(
                "The corpus of {} activations is used up: it is shuffled and read for the {} time",
                self.activations(),
                ordinal(self.order.readings() + 1)
            ));
        }
        let chosen = self.order.next(PIECE);
        let mut all = match self.target {
            Some((hook, _)) => {
                let [read, written] = self.from.both([self.hook, hook], chosen)?;
                beside(&read, &written)?
            }
            None => self.from.activations(self.hook, chosen)?,
        };
        if self.paired {
            all = beside(&all, &self.from.gradients(self.hook, chosen)?)?;
        }
        if let Origin::Store(store) = self.from {
            store.fetch_ahead(self.hook, self.order.coming(PIECE));
            if let Some((hook, _)) = self.target {
                store.fetch_ahead(hook, self.order.coming(PIECE));
            }
        }
        without_first(&all, self.from.context())
    }

    fn skip(&mut self) {
        self.order.next(PIECE);
    }
}

/// Each row of `left` followed by its row of `right`.
fn beside(left: &Matrix, right: &Matrix) -> Result<Matrix> {
    let rows = left.iter_rows().zip(right.iter_rows());
    let values = rows.flat_map(|(left, right)| left.iter().chain(right).copied());
    let columns = left.columns() + right.columns();
    Matrix::new(left.rows(), columns, values.collect())
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
    fn a_gradient_stands_behind_its_activation() {
        let left = Matrix::new(2, 2, vec![0.0, 1.0, 2.0, 3.0]).unwrap();
        let right = Matrix::new(2, 2, vec![4.0, 5.0, 6.0, 7.0]).unwrap();
        let both = beside(&left, &right).unwrap();
        assert_eq!((both.rows(), both.columns()), (2, 4));
        assert_eq!(both.values(), [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    }

    #[test]
    fn readings_are_counted_in_words() {
        let said = [2, 3, 4, 11, 21, 112].map(ordinal);
        assert_eq!(said, ["2nd", "3rd", "4th", "11th", "21st", "112th"]);
    }
}
