//! The one sentence on where a target depends on the difference of two texts.

use super::{PatchSite, Patching};

/// Share of the difference below which a place is said to do nothing.
const NOTHING: f64 = 0.01;
/// Stations of the residual stream that are named.
const NAMED: usize = 4;

/// Layers in a row in which one position brings back most.
struct Station {
    at: usize,
    layers: [usize; 2],
    shares: [f64; 2],
}

impl Patching {
    /// Says in one sentence where the target depends on the difference of the texts.
    pub fn conclusion(&self) -> String {
        if let Some(undecided) = self.pair.undecided() {
            return undecided;
        }
        let places = self.places();
        let Some(first) = places.first() else {
            return "There is no place to patch.".to_owned();
        };
        let share = first.recovered.unwrap_or_default();
        let (what, target) = (self.site.words(), &self.pair.target_said);
        if share.abs() < NOTHING {
            return format!(
                "No single place of the {what} moves {target} by even 1 % of the way between the two texts."
            );
        }
        if self.site == PatchSite::ResidPre {
            return self.stations_said();
        }
        let half = |other: &f64| other * share > 0.0 && other.abs() >= share.abs() / 2.0;
        let shares = places.iter().skip(1).filter_map(|place| place.recovered);
        let also = match shares.filter(half).count() {
            0 => "no other place does half as much".to_owned(),
            1 => "1 other place does at least half as much".to_owned(),
            some => format!("{some} other places do at least half as much"),
        };
        let moved = if share > 0.0 {
            format!(
                "brings back {} of the difference in {target}",
                percent(share)
            )
        } else {
            format!("moves {target} {} the other way", percent(-share))
        };
        let name = self.place_name(first.layer, first.at);
        if self.site.is_by_head() {
            let head = name.trim_start_matches("head ");
            return format!("Head {head} matters most: its z from the first text {moved}; {also}.");
        }
        format!("The {what} matters most in {name}: from the first text it {moved}; {also}.")
    }

    /// Says at which position of the residual stream the difference lies, from layer to layer.
    fn stations_said(&self) -> String {
        let stations = self.stations();
        let position = |at: usize| {
            let text = self.pair.corrupt_texts.get(at).map_or("", String::as_str);
            format!("“{}” (position {at})", text.replace('\n', "⏎"))
        };
        let place = |of: &Station| {
            let position = position(of.at);
            match of.layers {
                [from, to] if from == to => format!("{position} in layer {from}"),
                [from, to] => format!("{position} in layers {from} to {to}"),
            }
        };
        let share = |of: &Station| {
            let [least, most] = of.shares.map(percent);
            if least == most {
                most
            } else {
                format!("{least} to {most}")
            }
        };
        let more = match stations.len().saturating_sub(NAMED) {
            0 => "",
            _ => ", and on others later",
        };
        let named = &stations[..stations.len().min(NAMED)];
        format!(
            "In the residual stream {} depends most on {}{more}: from the first text {} back {} of the difference.",
            self.pair.target_said,
            joined(named.iter().map(place)),
            if named.len() == 1 {
                "it alone brings"
            } else {
                "each alone brings"
            },
            joined(named.iter().map(share))
        )
    }

    /// Returns the positions that bring back most, in runs of layers; layers in which none does anything are left out.
    fn stations(&self) -> Vec<Station> {
        let mut stations: Vec<Station> = Vec::new();
        for (layer, row) in self.recovered().iter().enumerate() {
            let shares = row.iter().enumerate();
            let shares = shares.filter_map(|(at, share)| Some((at, (*share)?)));
            let best = shares.max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((at, share)) = best.filter(|(_, share)| *share >= NOTHING) else {
                continue;
            };
            match stations
                .last_mut()
                .filter(|of| of.at == at && of.layers[1] + 1 == layer)
            {
                Some(of) => {
                    of.layers[1] = layer;
                    of.shares = [of.shares[0].min(share), of.shares[1].max(share)];
                }
                None => stations.push(Station {
                    at,
                    layers: [layer; 2],
                    shares: [share; 2],
                }),
            }
        }
        stations
    }
}

/// Formats a share in whole percents.
fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Joins phrases by commas and “and”.
fn joined(phrases: impl Iterator<Item = String>) -> String {
    let mut phrases: Vec<String> = phrases.collect();
    let last = phrases.pop().unwrap_or_default();
    if phrases.is_empty() {
        return last;
    }
    format!("{} and {last}", phrases.join(", "))
}
