//! Section of a report on where a target depends on the difference of two texts.

use super::{DEFINITIONS, Patching};
use crate::causes::TextPair;
use crate::section::{Cell, Figure, HeatMap, Section, Table};

/// Places listed in the table.
const LISTED: usize = 20;

/// Begins a section with the two texts.
pub(in crate::causes) fn begun(title: &str, pair: &TextPair, conclusion: String) -> Section {
    Section::new(title, conclusion)
        .sentence(pair.described())
        .setting("first text", pair.clean_texts.concat())
        .setting("second text", pair.corrupt_texts.concat())
        .setting("target", &pair.target)
}

impl Patching {
    /// Makes a section of a report: the map of shares, the places that move the target most, and the definitions.
    pub fn section(&self) -> Section {
        let by_head = self.site.is_by_head();
        let columns = if by_head {
            let heads = self.values.first().map_or(0, Vec::len);
            (0..heads).map(|head| head.to_string()).collect()
        } else {
            self.pair.corrupt_texts.clone()
        };
        let map = HeatMap {
            caption: format!(
                "Share of the difference that comes back with the {} of one place taken from the first text: 0 nothing, 1 all",
                self.site.words()
            ),
            y: "layer".to_owned(),
            x: if by_head {
                "head"
            } else {
                "token of the second text"
            }
            .to_owned(),
            rows: (0..self.values.len())
                .map(|layer| layer.to_string())
                .collect(),
            columns,
            values: self.recovered(),
        };
        let mut table = Table::new(
            "Places that move the target most",
            &["place", "target", "recovered"],
        );
        for place in self.places().into_iter().take(LISTED) {
            let name = self.place_name(place.layer, place.at);
            let cells: [Cell; 3] = [name.into(), place.value.into(), place.recovered.into()];
            table = table.row(cells);
        }
        begun(
            "Where does the difference of the texts matter?",
            &self.pair,
            self.conclusion(),
        )
        .setting("site", self.site)
        .figure(Figure::from(map))
        .figure(table)
        .define(DEFINITIONS)
    }
}
