//! Section of a report as plain data: what a result says, with its settings, tables and plots. Results make sections of themselves; the module `report` draws
//! them as HTML and writes them as JSON.

use serde::{Deserialize, Serialize};

/// One result in a report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Section {
    /// Title: the question, and what it was asked of.
    pub title: String,
    /// Name and value of each setting: model, dictionary, text, seed.
    pub settings: Vec<(String, String)>,
    /// Sentences on the result, its conclusion first.
    pub sentences: Vec<String>,
    /// Tables and plots, in order.
    pub figures: Vec<Figure>,
    /// Name and definition of each figure used.
    pub definitions: Vec<(String, String)>,
}

/// Table or plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Figure {
    /// Numbers and texts in columns.
    Table(Table),
    /// One bar for each name, by sign.
    Bars(Bars),
    /// Series over one axis.
    Lines(Lines),
    /// Cells coloured by their value.
    HeatMap(HeatMap),
}

/// Content of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Number; none for one that is undefined.
    Number(Option<f64>),
    /// Text; a token is quoted by whoever makes the cell.
    Text(String),
}

/// Numbers and texts in columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// Sentence above it.
    pub caption: String,
    /// Headings, units included.
    pub columns: Vec<String>,
    /// Rows, as long as the headings.
    pub rows: Vec<Vec<Cell>>,
}

/// One bar for each name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bars {
    /// Sentence above it, with the unit of the values.
    pub caption: String,
    /// Name and value of each bar; none where the value is undefined.
    pub bars: Vec<(String, Option<f64>)>,
}

/// Series over one axis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lines {
    /// Sentence above it.
    pub caption: String,
    /// Title of the horizontal axis, with its unit.
    pub x: String,
    /// Title of the vertical axis, with its unit.
    pub y: String,
    /// Series, in order.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Name.
    pub name: String,
    /// Points `[x, y]` in order; a `y` of none is a gap.
    pub points: Vec<(f64, Option<f64>)>,
    /// Lower and upper edge of a band around each point; empty without a band.
    pub band: Vec<[f64; 2]>,
}

/// Cells coloured by their value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeatMap {
    /// Sentence above it, with the unit of the values.
    pub caption: String,
    /// Title of the rows.
    pub y: String,
    /// Title of the columns.
    pub x: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values, a list a row; none where a value is undefined.
    pub values: Vec<Vec<Option<f64>>>,
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(finite(value))
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        Self::Number(value.and_then(finite))
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Number(Some(value as f64))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

impl Section {
    /// Begins a section that says `conclusion`.
    pub fn new(title: impl Into<String>, conclusion: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            sentences: vec![conclusion.into()],
            ..Self::default()
        }
    }

    /// Adds a setting.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers name the value in passing"
    )]
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a sentence.
    #[must_use]
    pub fn sentence(mut self, sentence: impl Into<String>) -> Self {
        self.sentences.push(sentence.into());
        self
    }

    /// Adds sentences.
    #[must_use]
    pub fn notes(mut self, notes: &[String]) -> Self {
        self.sentences.extend_from_slice(notes);
        self
    }

    /// Adds a table or plot.
    #[must_use]
    pub fn figure(mut self, figure: impl Into<Figure>) -> Self {
        self.figures.push(figure.into());
        self
    }

    /// Adds what `other` says, shows and defines; its settings are left out.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.sentences.extend(other.sentences);
        self.figures.extend(other.figures);
        for definition in other.definitions {
            if !self.definitions.contains(&definition) {
                self.definitions.push(definition);
            }
        }
        self
    }

    /// Adds definitions of figures.
    #[must_use]
    pub fn define(mut self, definitions: &[(&str, &str)]) -> Self {
        let all = definitions.iter();
        self.definitions
            .extend(all.map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned())));
        self
    }
}

impl Table {
    /// Begins a table with these headings.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }
}

impl Bars {
    /// Makes bars of names and values.
    pub fn new(caption: impl Into<String>, bars: impl IntoIterator<Item = (String, f64)>) -> Self {
        let bars = bars.into_iter();
        Self {
            caption: caption.into(),
            bars: bars.map(|(name, value)| (name, finite(value))).collect(),
        }
    }
}

impl Series {
    /// Makes a line of points `[x, y]`; a `y` that is not finite is a gap.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().filter(|(x, _)| x.is_finite());
        Self {
            name: name.into(),
            points: points.map(|(x, y)| (x, finite(y))).collect(),
            band: Vec::new(),
        }
    }

    /// Adds the lower and upper edge of a band, one pair a point.
    #[must_use]
    pub fn with_band(mut self, band: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let band: Vec<[f64; 2]> = band.into_iter().collect();
        if band.iter().flatten().all(|edge| edge.is_finite()) {
            self.band = band;
        }
        self
    }
}

impl From<Table> for Figure {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Bars> for Figure {
    fn from(bars: Bars) -> Self {
        Self::Bars(bars)
    }
}

impl From<Lines> for Figure {
    fn from(lines: Lines) -> Self {
        Self::Lines(lines)
    }
}

impl From<HeatMap> for Figure {
    fn from(map: HeatMap) -> Self {
        Self::HeatMap(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_section_says_and_shows_both_and_defines_once() {
        let one = |title: &str| {
            let section = Section::new(title, title).setting("of", title);
            let table = Table::new(title, &["name"]);
            section.figure(table).define(&[("nats", "natural units")])
        };
        let mut want = one("a").figure(Table::new("b", &["name"]));
        want.sentences.push("b".to_owned());
        assert_eq!(one("a").joined(one("b")), want);
    }

    #[test]
    fn a_section_survives_json_with_its_gaps() {
        let section = Section::new("What does it cost?", "It costs 0.1 nats")
            .setting("model", "demo")
            .setting("tokens", 20)
            .sentence("Second")
            .notes(&["Note".to_owned()])
            .figure(
                Table::new("Costs", &["name", "nats"])
                    .row(["a".into(), 0.1.into()])
                    .row(["b".into(), f64::NAN.into()]),
            )
            .figure(Bars::new("Shares", [("x".to_owned(), f64::INFINITY)]))
            .figure(Lines {
                series: vec![
                    Series::new("s", [(0.0, 1.0), (1.0, f64::NAN)]).with_band([[0.0, 1.0]; 2]),
                ],
                ..Lines::default()
            })
            .figure(HeatMap {
                values: vec![vec![Some(1.0), None]],
                ..HeatMap::default()
            })
            .define(&[("nats", "natural units")]);
        let json = serde_json::to_string(&section).unwrap();
        assert!(json.contains("\"kind\":\"heat_map\""), "{json}");
        assert!(json.contains("[\"b\",null]"), "{json}");
        assert_eq!(serde_json::from_str::<Section>(&json).unwrap(), section);
    }
}
