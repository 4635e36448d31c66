//! Activations out of a model or a store: rows in a shuffled order, without the positions that do not count. From an f32 store the same come in the same order
//! as from the model it was captured from.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::buffer::Source;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::sae::ErrorOf;
use crate::store::{Order, Store};

/// Rows read at a time.
const PIECE: usize = 32;

/// Source of activations.
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

    /// Positions that count in all rows.
    fn counted(&self) -> usize {
        match self {
            Self::Model(_, rows) => rows.counted(),
            Self::Store(store) => store.counted(),
        }
    }

    /// The positions that count of a table `[n·t, d]` of the rows `chosen`.
    fn kept(&self, chosen: &[usize], table: &Matrix) -> Result<Matrix> {
        match self {
            Self::Model(_, rows) => Ok(rows.kept(chosen, table)),
            Self::Store(store) => Ok(table.rows_where(&store.counts(chosen)?)),
        }
    }

    fn width(&self, hook: HookPoint) -> Result<usize> {
        match self {
            Self::Model(model, _) => model.width(hook),
            Self::Store(store) => store.width(hook),
        }
    }

    fn has_gradients(&self) -> bool {
        match self {
            Self::Model(..) => true,
            Self::Store(store) => store.about().gradients,
        }
    }

    /// Each of `wants` of the rows `chosen`, `[n·t, d]`; all activations come out of one pass of a model, all gradients out of another.
    fn read(&self, wants: &[Want], chosen: &[usize]) -> Result<Vec<Matrix>> {
        let (model, rows) = match self {
            Self::Model(model, rows) => (model, rows),
            Self::Store(store) => {
                let one = |want: &Want| match want {
                    Want::Activation(hook) => store.activations(*hook, chosen),
                    Want::Gradient(hook) => store.gradients(*hook, chosen),
                };
                return wants.iter().map(one).collect();
            }
        };
        let hooks = |gradient: bool| -> Vec<HookPoint> {
            let of_kind = wants.iter().filter(|want| want.is_gradient() == gradient);
            of_kind.map(|want| want.hook()).collect()
        };
        let mut activations = capture::activations_at(model, rows, chosen, &hooks(false))?;
        let mut gradients = match hooks(true).as_slice() {
            [] => Vec::new(),
            hooks => capture::gradients_at(model, rows, chosen, hooks)?,
        };
        activations.reverse();
        gradients.reverse();
        let in_order = wants.iter().map(|want| match want {
            Want::Activation(_) => activations.pop().unwrap_or_default(),
            Want::Gradient(_) => gradients.pop().unwrap_or_default(),
        });
        Ok(in_order.collect())
    }
}

/// One table of a piece of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Activations of a hook.
    Activation(HookPoint),
    /// The gradient of the summed next-token loss with respect to them.
    Gradient(HookPoint),
}

impl Want {
    fn hook(self) -> HookPoint {
        match self {
            Self::Activation(hook) | Self::Gradient(hook) => hook,
        }
    }

    fn is_gradient(self) -> bool {
        matches!(self, Self::Gradient(_))
    }
}

/// One reading of an origin for several streams of one order: what one of them asks for is read for all, and held until each has had it.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    from: Origin<'a>,
    /// Every table that any stream wants, and how many want it.
    wants: Vec<(Want, usize)>,
    held: RefCell<VecDeque<Piece>>,
    most: usize,
}

/// Rows that were read, and each table with the number of streams that have not had it yet.
#[derive(Debug)]
struct Piece {
    chosen: Vec<usize>,
    tables: Vec<(Want, Matrix, usize)>,
}

/// Returns the activations of one piece of a source of `rows` rows with `counted` activations. On average; pieces of a text with many special tokens differ.
pub(super) fn piece_of(counted: usize, rows: usize) -> usize {
    (PIECE.saturating_mul(counted) / rows.max(1)).max(1)
}

impl<'a> Shared<'a> {
    /// For streams that want `wants`, each of which fills a buffer of `buffer` activations.
    pub(super) fn new(from: Origin<'a>, wants: &[Vec<Want>], buffer: usize) -> Self {
        let mut counted: Vec<(Want, usize)> = Vec::new();
        for want in wants.iter().flatten() {
            match counted.iter_mut().find(|(other, _)| other == want) {
                Some((_, count)) => *count += 1,
                None => counted.push((*want, 1)),
            }
        }
        let piece = piece_of(from.counted(), from.rows());
        Self {
            from,
            wants: counted,
            held: RefCell::default(),
            // A stream fills its whole buffer before the next one begins to.
            most: (buffer + buffer / 4).div_ceil(piece) + 2,
        }
    }

    /// Pieces that some stream has not had yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.held.borrow().len()
    }

    fn read(&self, wants: &[Want], chosen: &[usize]) -> Result<Vec<Matrix>> {
        let mut held = self.held.borrow_mut();
        let there = |piece: &Piece, want: &Want| {
            let has = |(other, _, left): &(Want, Matrix, usize)| other == want && *left > 0;
            piece.chosen == chosen && piece.tables.iter().any(has)
        };
        let all_there = wants
            .iter()
            .all(|want| held.iter().any(|piece| there(piece, want)));
        if !all_there {
            let all: Vec<Want> = self.wants.iter().map(|(want, _)| *want).collect();
            let tables = self.from.read(&all, chosen)?;
            let tables = self.wants.iter().zip(tables);
            let tables = tables.map(|((want, count), table)| (*want, table, *count));
            held.push_back(Piece {
                chosen: chosen.to_vec(),
                tables: tables.collect(),
            });
            if held.len() > self.most {
                held.pop_front();
            }
        }
        let mut given = Vec::with_capacity(wants.len());
        for want in wants {
            let piece = held.iter_mut().find(|piece| there(piece, want));
            let table = piece.and_then(|piece| piece.tables.iter_mut().find(|t| t.0 == *want));
            if let Some((_, table, left)) = table {
                *left -= 1;
                given.push(if *left == 0 {
                    std::mem::take(table)
                } else {
                    table.clone()
                });
            }
        }
        held.retain(|piece| piece.tables.iter().any(|(_, _, left)| *left > 0));
        Ok(given)
    }
}

/// Stream of activations.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    from: Origin<'a>,
    shared: Option<&'a Shared<'a>>,
    hook: HookPoint,
    width: usize,
    order: Order,
    /// Whether each activation is followed by the gradient of the model's loss.
    paired: bool,
    /// The hook whose activation follows each, and its width.
    target: Option<(HookPoint, usize)>,
    /// The parent whose error is read in place of each activation.
    on: Option<&'a ErrorOf>,
}

impl<'a> Stream<'a> {
    /// All rows of `from`, again and again.
    pub(super) fn new(from: Origin<'a>, hook: HookPoint, seed: u64) -> Result<Self> {
        let width = from.width(hook)?;
        if from.rows() == 0 || from.context() < 2 {
            let what = "training needs at least one row of two or more tokens, give more text or a longer context";
            return Err(Error::setting("corpus", what));
        }
        if from.counted() == 0 {
            let what = format!(
                "no position of the text counts: give more text or another {}",
                Key::Positions
            );
            return Err(Error::setting("corpus", what));
        }
        Ok(Self {
            from,
            shared: None,
            hook,
            width,
            order: Order::shuffled(from.rows(), seed),
            paired: false,
            target: None,
            on: None,
        })
    }

    /// With a part of a parent's error in place of each activation, as wide as the parent reads.
    pub(super) fn on(mut self, of: Option<&'a ErrorOf>) -> Result<Self> {
        if let Some(of) = of {
            let whole = Matrix::zeros(1, self.width);
            // A parent of another width, or of a head that is not there, is refused here.
            self.width = of.parent().own_part(&whole)?.columns();
            if self.width != of.parent().width() {
                let what = format!(
                    "it is {} wide, but the parent {} reads {}: choose the model it was trained on",
                    self.width,
                    of.parent().name,
                    of.parent().width()
                );
                return Err(Error::hook(self.hook, what));
            }
            self.on = Some(of);
        }
        Ok(self)
    }

    /// Puts the part of the error in place of each activation; a gradient behind it stays, since the parent's reconstruction does not move with what is put back.
    fn in_part(&self, all: Matrix) -> Result<Matrix> {
        let Some(of) = self.on else { return Ok(all) };
        if !self.paired {
            return of.of(&*of.parent().own_part(&all)?);
        }
        let half = all.columns() / 2;
        let columns = |from: usize| {
            let rows = all.iter_rows().flat_map(|row| &row[from..from + half]);
            Matrix::new(all.rows(), half, rows.copied().collect())
        };
        let part = of.of(&*of.parent().own_part(&columns(0)?)?)?;
        // Of one head, if the parent reads one.
        beside(&part, &*of.parent().root().own_part(&columns(half)?)?)
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

    /// Reading together with others.
    pub(super) fn together(mut self, shared: Option<&'a Shared<'a>>) -> Self {
        self.shared = shared;
        self
    }

    /// The tables whose rows stand side by side in a piece.
    pub(super) fn wants(&self) -> Vec<Want> {
        let target = self.target.map(|(hook, _)| Want::Activation(hook));
        let gradient = self.paired.then_some(Want::Gradient(self.hook));
        let own = Want::Activation(self.hook);
        [Some(own), target, gradient]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Activations of one reading.
    pub(super) fn activations(&self) -> usize {
        self.from.counted()
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
        let wants = self.wants();
        let chosen = self.order.next(PIECE).to_vec();
        let mut tables = match self.shared {
            Some(shared) => shared.read(&wants, &chosen),
            None => self.from.read(&wants, &chosen),
        }?
        .into_iter();
        let mut all = tables.next().unwrap_or_default();
        for table in tables {
            all = beside(&all, &table)?;
        }
        if let Origin::Store(store) = self.from {
            store.fetch_ahead(self.hook, self.order.coming(PIECE));
            if let Some((hook, _)) = self.target {
                store.fetch_ahead(hook, self.order.coming(PIECE));
            }
        }
        self.in_part(self.from.kept(&chosen, &all)?)
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
