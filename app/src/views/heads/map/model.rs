//! Content of the map: what colours it, and one cell per layer and head. No drawing.

use umbra_core::attention::{HeadGlance, Overview};
use umbra_core::heads::survey::{self, FIGURES, HeadRow, Role, Survey, Unit};
use umbra_core::ids::{FeatureId, Head, Layer};

use super::figure::Figure;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::name;
use crate::theme::Hue;
use crate::widgets::heat_map::{Cell, Kind, Scale};
use crate::widgets::number;

/// Figure that colours the map.
#[derive(Debug, Clone, Copy)]
pub(super) enum Colour {
    /// The behaviour that leads, and its strength.
    Behaviour,
    /// A figure of the survey.
    Survey(&'static survey::Figure),
    /// A figure of the sentence in Prompt, while there is no survey.
    Sentence(Figure),
}

/// Definition of the colours by behaviour.
const BEHAVIOUR: &str = "Hue: the kind of place that the head attends to most. Number: its mean attention there (for induction, on repeated random tokens). A head is named where that is clear";

/// Meaning of a cell's number in the colours by behaviour, at the legend.
const NUMBER: &str = "share of attention, strongest behaviour";

/// Kinds of behaviour, in the order of the hues.
pub(crate) const KINDS: [(Role, Kind<'static>); 5] = [
    kind(Role::PreviousToken, "Previous token", "P"),
    kind(Role::Induction, "Induction", "I"),
    kind(Role::DuplicateToken, "Duplicate token", "D"),
    kind(Role::SameToken, "Same token", "S"),
    kind(Role::FirstToken, "First token", "F"),
];

const fn kind(role: Role, name: &'static str, letter: &'static str) -> (Role, Kind<'static>) {
    let definition = role.describe();
    let kind = Kind {
        name,
        letter,
        definition,
        from: role.least(),
    };
    (role, kind)
}

/// Groups of the survey's figures, by the beginnings of their keys.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Attention",
        &["previous", "first", "same", "entropy", "distance"],
    ),
    ("Matching tokens", &["induction", "duplicate"]),
    (
        "Weights",
        &["copying", "positional", "successor", "copy_suppression"],
    ),
    ("Output", &["output_norm"]),
    ("Causal", &["ce_increase"]),
];

/// The group of a figure.
fn group(figure: &survey::Figure) -> &'static str {
    let in_group =
        |(_, begins): &&(&str, &[&str])| begins.iter().any(|begin| figure.key.starts_with(begin));
    GROUPS
        .iter()
        .find(in_group)
        .map_or("Other", |(name, _)| name)
}

/// Figures of the survey by group, in the order of the picker.
pub(super) fn groups() -> Vec<(&'static str, Vec<&'static survey::Figure>)> {
    static ALL: &[survey::Figure] = &FIGURES;
    let names = GROUPS.iter().map(|(name, _)| *name).chain(["Other"]);
    names
        .map(|name| (name, ALL.iter().filter(|of| group(of) == name).collect()))
        .filter(|(_, of): &(_, Vec<_>)| !of.is_empty())
        .collect()
}

impl Colour {
    /// The one that is chosen by its key, if what it needs is there.
    pub(super) fn new(state: &AppState) -> Self {
        let key = state.heads.map.figure.as_str();
        if survey(state).is_some() {
            return survey::figure_of(key).map_or(Self::Behaviour, Self::Survey);
        }
        let mut all = Figure::OF_ATTENTION.into_iter();
        Self::Sentence(all.find(|one| one.key() == key).unwrap_or(Figure::Previous))
    }

    /// Its name on screen.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Behaviour => "Behaviour",
            Self::Survey(figure) => figure.title,
            Self::Sentence(figure) => figure.title(),
        }
    }

    /// Name with the unit, at the scale.
    pub(super) fn scale_title(self) -> String {
        match self {
            Self::Behaviour => "Behaviour".to_owned(),
            Self::Survey(figure) => match figure.unit.name() {
                "" => figure.title.to_owned(),
                unit => format!("{} ({unit})", figure.title),
            },
            Self::Sentence(figure) => figure.scale().to_owned(),
        }
    }

    /// Its definition.
    pub(super) fn definition(self) -> &'static str {
        match self {
            Self::Behaviour => BEHAVIOUR,
            Self::Survey(figure) => figure.definition,
            Self::Sentence(figure) => figure.definition(),
        }
    }
}

/// The map.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Layers.
    pub(super) layers: usize,
    /// Heads per layer.
    pub(super) heads: usize,
    /// Layer after layer.
    pub(super) cells: Vec<Cell>,
    /// Names of roles that are clear, in the same order.
    pub(super) labels: Vec<Option<&'static str>>,
    /// Ends of the scale.
    pub(super) range: (f32, f32),
    /// Colours of the scale.
    pub(super) scale: Scale<'static>,
}

/// The survey, if one is kept that belongs to the model.
pub(crate) fn survey(state: &AppState) -> Option<&Survey> {
    Some(&state.heads.survey.load.ready()?.survey)
}

/// The row of a head in the survey.
pub(crate) fn row(state: &AppState, (layer, head): (Layer, Head)) -> Option<&HeadRow> {
    let heads = state.model()?.model.config().heads;
    let row = survey(state)?
        .heads
        .get(layer.index() * heads + head.index())?;
    ((row.layer, row.head) == (layer, head)).then_some(row)
}

/// All rows of the survey, layer by layer.
pub(super) fn kept_rows(state: &AppState) -> &[HeadRow] {
    survey(state).map_or(&[], |survey| &survey.heads)
}

/// The map of a loaded model.
pub(super) fn grid(state: &AppState, colour: Colour) -> Option<Grid> {
    static HUES: [Kind<'static>; 5] = [KINDS[0].1, KINDS[1].1, KINDS[2].1, KINDS[3].1, KINDS[4].1];
    let config = state.model()?.model.config();
    let (layers, heads) = (config.layers, config.heads);
    let all = (0..layers)
        .flat_map(|layer| (0..heads).map(move |head| (Layer::from(layer), Head::from(head))));
    let cells: Vec<Cell> = all.clone().map(|head| cell(state, colour, head)).collect();
    let labels = all
        .map(|head| row(state, head).and_then(survey::role).map(short))
        .collect();
    let values = cells.iter().filter_map(|cell| value(*cell));
    let (low, high) = values.fold((0.0_f32, 0.0_f32), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let (range, scale) = match colour {
        Colour::Behaviour => ((0.0, 1.0), Scale::Kinds(&HUES, NUMBER)),
        Colour::Survey(figure) if figure.unit == Unit::Signed || low < 0.0 => {
            let most = high.max(-low).max(0.01);
            ((-most, most), Scale::Diverging)
        }
        Colour::Survey(figure) if figure.unit == Unit::Share => {
            ((0.0, high.max(0.1)), Scale::Sequential(Hue::Model))
        }
        Colour::Survey(_) => (
            (0.0, high.max(f32::MIN_POSITIVE)),
            Scale::Sequential(Hue::Model),
        ),
        Colour::Sentence(_) => ((0.0, high.max(1.0)), Scale::Sequential(Hue::Model)),
    };
    Some(Grid {
        layers,
        heads,
        cells,
        labels,
        range,
        scale,
    })
}

/// The number of a cell.
fn value(cell: Cell) -> Option<f32> {
    match cell {
        Cell::Value(value) | Cell::Kind(_, value) => Some(value),
        Cell::Unknown | Cell::Picture => None,
    }
}

fn cell(state: &AppState, colour: Colour, head: (Layer, Head)) -> Cell {
    let number = |value: Option<f64>| value.map_or(Cell::Unknown, |v| Cell::Value(v as f32));
    match colour {
        Colour::Behaviour => {
            let Some((role, strength)) = behaviour(state, head) else {
                return Cell::Unknown;
            };
            let kind = KINDS.iter().position(|(of, _)| *of == role);
            kind.map_or(Cell::Unknown, |kind| Cell::Kind(kind, strength as f32))
        }
        Colour::Survey(figure) => number(row(state, head).and_then(figure.get)),
        Colour::Sentence(figure) => {
            number(glance(state, head.0, head.1).and_then(|glance| figure.of_glance(glance)))
        }
    }
}

/// The behaviour that leads a head, and the attention behind it.
fn behaviour(state: &AppState, head: (Layer, Head)) -> Option<(Role, f64)> {
    let row = row(state, head)?;
    let shown = || survey(state)?.examples_of(head.0, head.1)?.behaviour;
    let role = survey::role(row).or_else(shown)?;
    Some((role, weight(row, role)?))
}

/// Attention behind a behaviour: on repeated random tokens for induction, beyond uniform attention for duplicates.
fn weight(row: &HeadRow, role: Role) -> Option<f64> {
    let figure = survey::figure_of(role.figure())?;
    let on_text = row.induction_excess.filter(|_| role == Role::Induction);
    (figure.get)(row).or(on_text)
}

/// Short name of a role, for a cell.
pub(crate) fn short(role: Role) -> &'static str {
    let kind = KINDS.iter().find(|(of, _)| *of == role);
    kind.map_or("", |(_, kind)| kind.name)
}

/// The head that is shown until a person chooses one, and why: the clearest induction head, else that with the largest attention on the token before.
pub(crate) fn first_head(state: &AppState) -> Option<((Layer, Head), &'static str)> {
    let largest = |values: Vec<((Layer, Head), f64)>| {
        let most = values
            .into_iter()
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        most.map(|(head, _)| head)
    };
    if let Some(survey) = survey(state) {
        let of = |key: &str| {
            let figure = survey::figure_of(key)?;
            let rows = survey.heads.iter();
            let values = rows.filter_map(|row| Some(((row.layer, row.head), (figure.get)(row)?)));
            largest(values.collect())
        };
        let induction = of("induction_random").map(|head| (head, "the strongest induction"));
        return induction
            .or_else(|| Some((of("previous")?, "the most attention on the token before")));
    }
    let heads = overview(state)?.heads.iter();
    let values = heads.map(|glance| ((glance.layer, glance.head), f64::from(glance.previous)));
    let head = largest(values.collect())?;
    Some((
        head,
        "the most attention on the token before, in the sentence",
    ))
}

/// The features that a head shows, with their dictionary.
pub(crate) fn features_of(
    state: &AppState,
    (layer, head): (Layer, Head),
) -> Option<(DictionaryId, Vec<FeatureId>)> {
    let dictionary = state.z_dictionary(layer)?;
    let figures = state.heads.features.figures.get(&dictionary.id)?;
    let mut all = figures.load.ready()?.iter();
    let figures = all.find(|figures| figures.head == head)?;
    let features = figures.features.iter().map(|(feature, _)| *feature);
    Some((dictionary.id, features.collect()))
}

/// Attention patterns of all heads on the sentence in Prompt, or on the last one of the same model.
fn overview(state: &AppState) -> Option<&Overview> {
    let sentence = state.sentence()?;
    let (of, overview) = state.attention.last_overview.as_ref()?;
    of.same_model(&sentence).then_some(&**overview)
}

/// Attention pattern of one head.
pub(crate) fn glance(state: &AppState, layer: Layer, head: Head) -> Option<&HeadGlance> {
    let mut heads = overview(state)?.heads.iter();
    heads.find(|glance| (glance.layer, glance.head) == (layer, head))
}

/// A head in one line: its name, its role, the figure that colours the map, and what else tells most.
pub(super) fn describe(state: &AppState, colour: Colour, head: (Layer, Head)) -> String {
    let mut parts = vec![name(head)];
    if let Some(row) = row(state, head) {
        parts.push(profile(state, row));
        if let Colour::Survey(figure) = colour {
            let value = (figure.get)(row).map_or_else(|| "not measured".to_owned(), number::number);
            parts.push(format!("{} {value}", figure.title.to_lowercase()));
        }
    } else if let Colour::Sentence(figure) = colour {
        let value = glance(state, head.0, head.1).and_then(|glance| figure.of_glance(glance));
        let value = value.map_or_else(|| "not computed yet".to_owned(), number::number);
        parts.push(format!("{} {value}", figure.title().to_lowercase()));
    }
    parts.join(" · ")
}

/// The role of a head and the attention behind it, in words.
pub(crate) fn profile(state: &AppState, row: &HeadRow) -> String {
    let head = (row.layer, row.head);
    let Some((role, share)) = behaviour(state, head) else {
        return "no leading behaviour".to_owned();
    };
    let share = number::percent(share);
    let place = match role {
        Role::Induction if row.induction_random.is_some() => {
            "of its attention on the token after an earlier copy, on random tokens"
        }
        Role::Induction => "of its attention beyond chance on tokens after an earlier copy",
        Role::DuplicateToken => "of its attention beyond chance on earlier copies of the token",
        Role::PreviousToken => "of its attention on the token before",
        Role::SameToken => "of its attention on the token itself",
        Role::FirstToken => "of its attention on the first token",
    };
    match survey::role(row) {
        Some(role) => format!("{} · {share} {place}", role.name().to_lowercase()),
        None => format!("no clear role · {share} {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_the_survey_is_in_one_group_of_the_picker() {
        let groups = groups();
        let all: usize = groups.iter().map(|(_, figures)| figures.len()).sum();
        assert_eq!(all, FIGURES.len());
        assert!(
            groups.iter().all(|(name, _)| *name != "Other"),
            "{groups:?}"
        );
    }

    #[test]
    fn every_role_has_a_hue_and_a_letter_of_its_own() {
        for role in Role::ALL {
            let of = KINDS.iter().filter(|(kind, _)| *kind == role);
            assert_eq!(of.count(), 1, "{role:?}");
        }
        for (i, (_, kind)) in KINDS.iter().enumerate() {
            let same = |(_, other): &&(Role, Kind<'_>)| other.letter == kind.letter;
            assert_eq!(KINDS.iter().position(|other| same(&other)), Some(i));
        }
    }
}
