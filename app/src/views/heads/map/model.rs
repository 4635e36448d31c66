//! Content of the grid: one cell per layer and head, by the chosen figure. No drawing.

use umbra_core::attention::{self, HeadGlance, Overview};
use umbra_core::heads::{DEFINITIONS, HeadFigures};
use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::{AppState, Load};
use crate::widgets::heat_map::Cell;
use crate::widgets::number;

/// A figure that colours the grid: of a head's features, or of its attention on the sentence in Prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Figure {
    /// Mean 1/Σ share².
    #[default]
    Spread,
    /// Mean pairwise cosine through `W_O`.
    Cosine,
    /// Mean Jaccard of top tokens.
    Jaccard,
    /// Mean weight on the token before.
    Previous,
    /// Mean weight on the first token.
    First,
    /// Mean entropy.
    Entropy,
}

impl Figure {
    /// All, in the order of the toggle.
    pub(super) const ALL: [Self; 6] = [
        Self::Spread,
        Self::Cosine,
        Self::Jaccard,
        Self::Previous,
        Self::First,
        Self::Entropy,
    ];

    /// Whether it is of where heads look, which takes no dictionary.
    pub(super) fn of_attention(self) -> bool {
        matches!(self, Self::Previous | Self::First | Self::Entropy)
    }

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Spread => "Spread",
            Self::Cosine => "Cosine",
            Self::Jaccard => "Jaccard index",
            Self::Previous => "Previous token",
            Self::First => "First token",
            Self::Entropy => "Entropy",
        }
    }

    /// Name with the unit, at the scale.
    pub(in crate::views::heads) fn scale(self) -> &'static str {
        match self {
            Self::Spread => "Spread (heads)",
            Self::Cosine => "Cosine",
            Self::Jaccard => "Jaccard index",
            Self::Previous => "Weight on the token before",
            Self::First => "Weight on the first token",
            Self::Entropy => "Entropy (nats)",
        }
    }

    /// Its definition.
    pub(crate) fn definition(self) -> &'static str {
        let key = match self {
            Self::Spread => "spread",
            Self::Cosine => "cosine",
            Self::Jaccard => "jaccard",
            Self::Previous => "previous",
            Self::First => "first",
            Self::Entropy => "entropy",
        };
        let mut all = DEFINITIONS.iter().chain(&attention::DEFINITIONS);
        let found = all.find(|(name, _)| *name == key);
        found.map_or("", |(_, definition)| definition)
    }

    fn of(self, figures: &HeadFigures) -> Option<f64> {
        match self {
            Self::Spread => Some(figures.spread),
            Self::Cosine => Some(figures.cosine),
            Self::Jaccard => figures.jaccard,
            Self::Previous | Self::First | Self::Entropy => None,
        }
    }

    /// A figure of a head's attention.
    pub(in crate::views::heads) fn of_glance(self, glance: &HeadGlance) -> Option<f64> {
        match self {
            Self::Previous => Some(glance.previous.into()),
            Self::First => Some(glance.first.into()),
            Self::Entropy => Some(glance.entropy.into()),
            Self::Spread | Self::Cosine | Self::Jaccard => None,
        }
    }
}

/// The grid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    /// Layers.
    pub(super) layers: usize,
    /// Heads per layer.
    pub(super) heads: usize,
    /// Layer after layer.
    pub(super) cells: Vec<Cell>,
    /// Ends of the scale.
    pub(super) range: (f32, f32),
    /// Layers without a dictionary on their heads.
    pub(super) untrained: Vec<Layer>,
    /// Layers whose dictionary has no index, where the figure needs one.
    pub(super) unindexed: Vec<Layer>,
    /// Why a layer could not be measured.
    pub(super) failures: Vec<(Layer, String)>,
}

/// The grid of a loaded model.
pub(super) fn grid(state: &AppState, figure: Figure) -> Option<Grid> {
    let config = state.model()?.model.config();
    let mut grid = Grid {
        layers: config.layers,
        heads: config.heads,
        cells: vec![],
        range: (0.0, 1.0),
        untrained: vec![],
        unindexed: vec![],
        failures: vec![],
    };
    for layer in (0..config.layers).map(Layer::from) {
        let cells = if figure.of_attention() {
            glance_cells(state, figure, layer, grid.heads)
        } else {
            layer_cells(state, figure, layer, &mut grid)
        };
        grid.cells.extend(cells);
    }
    grid.range = range(figure, &grid.cells);
    Some(grid)
}

/// The head that is shown until a person chooses one: the one with the largest figure, once all figures are measured.
pub(super) fn first_head(state: &AppState, figure: Figure, grid: &Grid) -> Option<(Layer, Head)> {
    let is_pending = |layer: Layer| {
        let dictionary = state.z_dictionary(layer);
        let kept = dictionary.map(|dictionary| state.heads.features.figures.get(&dictionary.id));
        kept.is_some_and(|kept| {
            kept.is_none_or(|kept| kept.load.is_loading() || kept.load.is_absent())
        })
    };
    let mut layers = (0..grid.layers).map(Layer::from);
    if !figure.of_attention() && (is_loading(state) || layers.any(is_pending)) {
        return None;
    }
    let values = grid.cells.iter().enumerate();
    let values = values.filter_map(|(at, cell)| match cell {
        Cell::Value(value) => Some((at, *value)),
        Cell::Unknown | Cell::Hatched | Cell::Picture => None,
    });
    let (at, _) = values.reduce(|most, one| if one.1 > most.1 { one } else { most })?;
    Some((Layer::from(at / grid.heads), Head::from(at % grid.heads)))
}

/// The features that a head shows, with their dictionary.
pub(in crate::views::heads) fn features_of(
    state: &AppState,
    (layer, head): (Layer, Head),
) -> Option<(DictionaryId, Vec<FeatureId>)> {
    let dictionary = state.z_dictionary(layer)?;
    let figures = state
        .heads
        .features
        .figures
        .get(&dictionary.id)?
        .load
        .ready()?;
    let figures = figures.iter().find(|figures| figures.head == head)?;
    let features = figures.features.iter().map(|(feature, _)| *feature);
    Some((dictionary.id, features.collect()))
}

/// Attention patterns of all heads on the sentence in Prompt, or on the last one of the same model.
pub(super) fn overview(state: &AppState) -> Option<&Overview> {
    let sentence = state.sentence()?;
    let (of, overview) = state.attention.last_overview.as_ref()?;
    of.same_model(&sentence).then_some(&**overview)
}

/// Attention pattern of one head.
pub(in crate::views::heads) fn glance(
    state: &AppState,
    layer: Layer,
    head: Head,
) -> Option<&HeadGlance> {
    let mut heads = overview(state)?.heads.iter();
    heads.find(|glance| (glance.layer, glance.head) == (layer, head))
}

fn glance_cells(state: &AppState, figure: Figure, layer: Layer, heads: usize) -> Vec<Cell> {
    let value = |head: usize| figure.of_glance(glance(state, layer, Head::from(head))?);
    let cell = |value: Option<f64>| value.map_or(Cell::Unknown, |v| Cell::Value(v as f32));
    (0..heads).map(|head| cell(value(head))).collect()
}

fn layer_cells(state: &AppState, figure: Figure, layer: Layer, grid: &mut Grid) -> Vec<Cell> {
    let all = |cell| vec![cell; grid.heads];
    let Some(dictionary) = state.z_dictionary(layer) else {
        let cells = all(Cell::Hatched);
        if !is_loading(state) {
            grid.untrained.push(layer);
        }
        return cells;
    };
    match state
        .heads
        .features
        .figures
        .get(&dictionary.id)
        .map(|f| &f.load)
    {
        Some(Load::Ready(figures)) => {
            let value = |head: usize| {
                let figures = figures.iter().find(|f| f.head == Head::from(head));
                figures.and_then(|figures| figure.of(figures))
            };
            let values: Vec<_> = (0..grid.heads).map(value).collect();
            if values.iter().all(Option::is_none) {
                grid.unindexed.push(layer);
            }
            let cell = |value: Option<f64>| value.map_or(Cell::Unknown, |v| Cell::Value(v as f32));
            values.into_iter().map(cell).collect()
        }
        Some(Load::Failed(why)) => {
            let cells = all(Cell::Unknown);
            grid.failures.push((layer, why.clone()));
            cells
        }
        Some(Load::Loading | Load::Absent) | None => all(Cell::Unknown),
    }
}

/// Whether a dictionary is still being loaded: what it reads is not known yet.
fn is_loading(state: &AppState) -> bool {
    let mut dictionaries = state.catalogue.dictionaries.iter();
    dictionaries.any(|d| d.load.is_loading() || d.load.is_absent())
}

/// Spread begins at one head; cosine and Jaccard at 0, or below where a value is.
fn range(figure: Figure, cells: &[Cell]) -> (f32, f32) {
    let values = cells.iter().filter_map(|cell| match cell {
        Cell::Value(value) => Some(*value),
        Cell::Unknown | Cell::Hatched | Cell::Picture => None,
    });
    let (low, least_high) = match figure {
        Figure::Spread => (1.0, 2.0),
        Figure::Cosine | Figure::Jaccard => (0.0, 0.1),
        Figure::Previous | Figure::First | Figure::Entropy => (0.0, 1.0),
    };
    values.fold((low, least_high), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A head in words, with its figures.
pub(super) fn describe(state: &AppState, figure: Figure, layer: Layer, head: Head) -> String {
    let name = format!("Head {layer}.{head}");
    if figure.of_attention() {
        let value = glance(state, layer, head).and_then(|glance| figure.of_glance(glance));
        let value = value.map_or_else(|| "not computed yet".to_owned(), number::number);
        return format!("{name}, {} {value}", figure.title().to_lowercase());
    }
    let Some(dictionary) = state.z_dictionary(layer) else {
        return format!("{name}, no dictionary");
    };
    let kept = state.heads.features.figures.get(&dictionary.id);
    let figures = kept.and_then(|kept| kept.load.ready());
    let Some(figures) = figures.and_then(|all| all.iter().find(|f| f.head == head)) else {
        return name;
    };
    let jaccard = figures.jaccard.map_or(String::new(), |jaccard| {
        format!(", Jaccard index {}", number::number(jaccard))
    });
    format!(
        "{name}, spread {}, cosine {}{jaccard}",
        number::number(figures.spread),
        number::number(figures.cosine),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_begin_where_the_figure_does_and_hold_every_value() {
        let cells = [Cell::Value(1.5), Cell::Hatched, Cell::Value(3.25)];
        assert_eq!(range(Figure::Spread, &cells), (1.0, 3.25));
        assert_eq!(range(Figure::Spread, &[Cell::Unknown]), (1.0, 2.0));
        let cells = [Cell::Value(-0.25), Cell::Value(0.5)];
        assert_eq!(range(Figure::Cosine, &cells), (-0.25, 0.5));
    }

    #[test]
    fn every_figure_has_a_definition() {
        for figure in Figure::ALL {
            assert!(!figure.definition().is_empty(), "{}", figure.title());
        }
    }
}
