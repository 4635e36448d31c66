//! `events.jsonl` read back as the points of a run's curves.

use std::path::Path;

use serde_json::Value;

use super::recorder::EVENTS;
use crate::error::{Error, Result};
use crate::train::Point;

/// Maximum size of the events of a run in bytes; a run has some hundred thousand.
const LONGEST: u64 = 64 << 20;

/// Reads the points of the curves of the run in `folder`, ascending by step. After a resumption from a checkpoint, points beyond that checkpoint are dropped;
/// figures that are not numbers are NaN. A last line that was cut off when the program was killed is skipped.
pub fn curves(folder: &Path) -> Result<Vec<Point>> {
    let path = folder.join(EVENTS);
    let length = std::fs::metadata(&path)
        .map_err(|e| Error::io("cannot open a run's curves", &path, e))?
        .len();
    if length > LONGEST {
        let what = format!("has {length} bytes, too many for the curves of a run");
        return Err(Error::input(what, &path));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::io("cannot read a run's curves", &path, e))?;
    let mut points: Vec<Point> = Vec::new();
    let lines = text.lines().count();
    for (i, line) in text.lines().enumerate() {
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(_) if i + 1 == lines => break,
            Err(e) => {
                let what = format!("has no event in line {} ({e}), train again", i + 1);
                return Err(Error::input(what, &path));
            }
        };
        if let Some(point) = point(&value) {
            let kept = points.partition_point(|before| before.step < point.step);
            points.truncate(kept);
            points.push(point);
        }
    }
    Ok(points)
}

fn point(line: &Value) -> Option<Point> {
    let real = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    Some(Point {
        step: line["step"].as_u64()?,
        tokens_seen: line["tokens_seen"].as_u64()?,
        loss: real("loss"),
        fvu: real("fvu"),
        l0: real("l0"),
        dead_fraction: real("dead_fraction"),
        learning_rate: real("learning_rate"),
        tokens_per_second: real("tokens_per_second"),
        ..Point::default()
    })
}
