//! The heads' thumbnails as one picture, and a head in words. No drawing.

use umbra_core::attention::Overview;
use umbra_core::ids::{Head, Layer};

use crate::state::heads::name;
use crate::widgets::number;

/// Longest side of the picture, which every graphics driver takes.
const LONGEST: usize = 2048;

/// Names of rows and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// One per layer.
    pub(super) layers: Vec<String>,
    /// One per head of a layer.
    pub(super) heads: Vec<String>,
}

/// The grid of an overview.
pub(super) fn grid(overview: &Overview) -> Grid {
    let layers = overview.heads.iter().map(|head| head.layer.index() + 1);
    let layers = layers.max().unwrap_or(0);
    let heads = overview.heads.len() / layers.max(1);
    let names = |many: usize| (0..many).map(|i| i.to_string()).collect();
    Grid {
        layers: names(layers),
        heads: names(heads),
    }
}

/// Returns all thumbnails in their grid as width, height and weights; shrinks each where they would be too large together, keeping the largest weights.
pub(super) fn picture(overview: &Overview) -> ([usize; 2], Vec<f32>) {
    let Grid { layers, heads } = grid(overview);
    let most = layers.len().max(heads.len()).max(1);
    let side = overview.side.min(LONGEST / most).max(1);
    let size = [heads.len() * side, layers.len() * side];
    let mut pixels = vec![0.0_f32; size[0] * size[1]];
    for (i, head) in overview.heads.iter().enumerate() {
        let corner = (i / heads.len() * side) * size[0] + i % heads.len() * side;
        for (cell, weight) in head.thumbnail.iter().enumerate() {
            let at = |cell: usize| cell * side / overview.side;
            let (row, column) = (at(cell / overview.side), at(cell % overview.side));
            let pixel = &mut pixels[corner + row * size[0] + column];
            *pixel = pixel.max(*weight);
        }
    }
    (size, pixels)
}

/// A head in words, with its figures.
pub(super) fn describe(overview: &Overview, layer: usize, head: usize) -> String {
    let name = name((Layer::from(layer), Head::from(head)));
    let found = overview
        .heads
        .iter()
        .find(|found| found.layer.index() == layer && found.head.index() == head);
    let Some(found) = found else {
        return name;
    };
    format!(
        "{name}: previous token {}, first token {}, entropy {} nats",
        number::number(f64::from(found.previous)),
        number::number(f64::from(found.first)),
        number::number(f64::from(found.entropy)),
    )
}

#[cfg(test)]
mod tests {
    use umbra_core::attention::HeadGlance;

    use super::*;

    fn overview(layers: usize, heads: usize, side: usize) -> Overview {
        let glance = |i: usize| HeadGlance {
            layer: Layer::from(i / heads),
            head: Head::from(i % heads),
            previous: 0.5,
            first: 0.25,
            entropy: 1.0,
            thumbnail: (0..side * side).map(|cell| (cell + i) as f32).collect(),
        };
        Overview {
            tokens: vec![],
            texts: vec![],
            heads: (0..layers * heads).map(glance).collect(),
            side,
            cut: 0,
        }
    }

    #[test]
    fn every_head_has_its_part_of_the_picture() {
        let (size, weights) = picture(&overview(2, 3, 2));
        assert_eq!(size, [6, 4]);
        // Head 1.2 is the last: cells 5, 6 over 7, 8.
        let at = |x: usize, y: usize| weights[y * 6 + x];
        assert_eq!(
            [at(4, 2), at(5, 2), at(4, 3), at(5, 3)],
            [5.0, 6.0, 7.0, 8.0]
        );
        assert_eq!([at(2, 0), at(3, 0)], [1.0, 2.0]);
    }

    #[test]
    fn a_picture_of_many_layers_stays_within_what_drivers_take() {
        let (size, weights) = picture(&overview(80, 2, 32));
        assert_eq!(size, [2 * 25, 80 * 25]);
        assert_eq!(
            weights.iter().copied().fold(0.0, f32::max),
            (32 * 32 - 1 + 159) as f32
        );
        assert_eq!(picture(&overview(0, 1, 0)).1.len(), 0);
    }

    #[test]
    fn a_head_is_told_with_its_figures() {
        let words = describe(&overview(2, 3, 2), 1, 2);
        assert_eq!(
            words,
            "L1H2: previous token 0.500, first token 0.250, entropy 1.00 nats"
        );
    }
}
