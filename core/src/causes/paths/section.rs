//! Section of a report on the paths between heads.

use super::{DEFINITIONS, HeadAt, Paths};
use crate::causes::patch::begun;
use crate::section::{Cell, Figure, HeatMap, Section, Table};

/// Paths listed in the table.
const LISTED: usize = 20;

impl Paths {
    /// Makes a section of a report: the matrix of shares, the paths that carry most, and the definitions.
    pub fn section(&self) -> Section {
        let map = HeatMap {
            caption: "Share of the difference that comes back along one path: 0 nothing, 1 all"
                .to_owned(),
            y: "sender".to_owned(),
            x: "receiver".to_owned(),
            rows: self.senders.iter().map(HeadAt::to_string).collect(),
            columns: self.receivers.iter().map(ToString::to_string).collect(),
            values: self.recovered(),
        };
        let columns = ["sender", "receiver", "target", "recovered"];
        let mut table = Table::new("Paths that move the target most", &columns);
        for path in self.largest().into_iter().take(LISTED) {
            let cells: [Cell; 4] = [
                path.from.to_string().into(),
                path.to.to_string().into(),
                path.value.into(),
                path.recovered.into(),
            ];
            table = table.row(cells);
        }
        begun(
            "Along which paths does the difference of the texts travel?",
            &self.pair,
            self.conclusion(),
        )
        .setting("MLPs", self.mlps.name())
        .figure(Figure::from(map))
        .figure(table)
        .define(DEFINITIONS)
    }
}
