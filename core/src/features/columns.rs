//! Scalars of all features as columns of numbers, each one value of the file, so that an index of many features opens at once. Older forms have a row a feature.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::file::FIRST;
use super::{Moments, Summary};
use crate::ids::FeatureId;

pub(super) const SCHEMA: &str =
    "CREATE TABLE scalar (name TEXT PRIMARY KEY, packed BLOB NOT NULL);";

/// Rank of a token that there is not.
const NONE: u32 = u32::MAX;

/// Scalars of all features.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    /// `[f]`.
    pub(super) summaries: Vec<Summary>,
    /// `[f]`: number of active tokens.
    pub(super) active: Vec<u64>,
    /// `[f]`: rank of the token at the strongest example.
    pub(super) top: Vec<Option<u32>>,
    /// Tokens in each part of a row; empty in older forms.
    pub(super) by_part: Vec<u64>,
}

impl Columns {
    pub(super) fn write(&self, database: &Connection) -> rusqlite::Result<()> {
        let mut insert = database.prepare("INSERT INTO scalar (name, packed) VALUES (?1, ?2)")?;
        let summaries = self.summaries.iter();
        for (name, value) in FIELDS {
            let bytes = summaries.clone().flat_map(|s| value(s).to_le_bytes());
            insert.execute(params![name, bytes.collect::<Vec<u8>>()])?;
        }
        let whole = |counts: &[u64]| -> Vec<u8> {
            counts
                .iter()
                .flat_map(|count| count.to_le_bytes())
                .collect()
        };
        insert.execute(params!["active", whole(&self.active)])?;
        insert.execute(params!["by_part", whole(&self.by_part)])?;
        let top = self.top.iter();
        let top = top.flat_map(|rank| rank.unwrap_or(NONE).to_le_bytes());
        insert.execute(params!["top_rank", top.collect::<Vec<u8>>()])?;
        Ok(())
    }

    /// Reads the scalars of an index of any form with this number of features; none if they are damaged.
    pub(super) fn read(
        database: &Connection,
        (form, features): (u32, usize),
    ) -> rusqlite::Result<Option<Self>> {
        let columns = if form <= super::file::ROWS {
            Some(Self::from_rows(database, form)?)
        } else {
            Self::from_columns(database)?
        };
        Ok(columns.filter(|columns| columns.summaries.len() == features))
    }

    fn from_columns(database: &Connection) -> rusqlite::Result<Option<Self>> {
        let mut select = database.prepare("SELECT packed FROM scalar WHERE name = ?1")?;
        let mut bytes = |name: &str| -> rusqlite::Result<Vec<u8>> {
            let bytes = select.query_row([name], |row| row.get(0)).optional()?;
            Ok(bytes.unwrap_or_default())
        };
        let whole = |bytes: Vec<u8>| -> Vec<u64> {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| u64::from_le_bytes(*b))
                .collect()
        };
        let active = whole(bytes("active")?);
        let by_part = whole(bytes("by_part")?);
        let top = bytes("top_rank")?;
        let top = top.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b));
        let top: Vec<Option<u32>> = top.map(|rank| (rank != NONE).then_some(rank)).collect();
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(FIELDS.len());
        for (name, _) in FIELDS {
            let bytes = bytes(name)?;
            let column = bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b));
            values.push(column.collect());
        }
        let features = active.len();
        if top.len() != features || values.iter().any(|column| column.len() != features) {
            return Ok(None);
        }
        let summary = |f: usize| {
            let [
                density,
                mean,
                min,
                max,
                decoder_norm,
                variance,
                skewness,
                kurtosis,
                cosine,
            ] = std::array::from_fn(|column| values[column][f]);
            Summary {
                feature: FeatureId::from(f),
                density,
                mean,
                min,
                max,
                decoder_norm,
                moments: (active[f] > 0).then_some(Moments {
                    variance,
                    skewness,
                    kurtosis,
                }),
                encoder_decoder_cosine: (!cosine.is_nan()).then_some(cosine),
            }
        };
        Ok(Some(Self {
            summaries: (0..features).map(summary).collect(),
            active,
            top,
            by_part,
        }))
    }

    /// Reads forms 1 and 2; form 1 has no negative activations.
    fn from_rows(database: &Connection, form: u32) -> rusqlite::Result<Self> {
        let min = if form == FIRST { "0.0" } else { "min" };
        let statement = format!(
            "SELECT feature, density, mean, {min}, max, decoder_norm, active, top_rank FROM feature ORDER BY feature"
        );
        let mut statement = database.prepare(&statement)?;
        let mut rows = statement.query([])?;
        let mut columns = Self::default();
        while let Some(row) = rows.next()? {
            columns.summaries.push(Summary {
                feature: FeatureId(row.get(0)?),
                density: row.get(1)?,
                mean: row.get(2)?,
                min: row.get(3)?,
                max: row.get(4)?,
                decoder_norm: row.get(5)?,
                ..Summary::default()
            });
            columns.active.push(row.get(6)?);
            columns.top.push(row.get(7)?);
        }
        Ok(columns)
    }
}

/// Name of a column of the file, and its value; NaN where there is none.
type Field = (&'static str, fn(&Summary) -> f64);

const FIELDS: [Field; 9] = [
    ("density", |s| s.density),
    ("mean", |s| s.mean),
    ("min", |s| s.min),
    ("max", |s| s.max),
    ("decoder_norm", |s| s.decoder_norm),
    ("variance", |s| s.moments.map_or(f64::NAN, |m| m.variance)),
    ("skewness", |s| s.moments.map_or(f64::NAN, |m| m.skewness)),
    ("kurtosis", |s| s.moments.map_or(f64::NAN, |m| m.kurtosis)),
    ("encoder_decoder_cosine", |s| {
        s.encoder_decoder_cosine.unwrap_or(f64::NAN)
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_and_damage_is_told() {
        let columns = Columns {
            summaries: vec![
                Summary {
                    density: 0.25,
                    mean: 1.5,
                    min: -1.0,
                    max: 4.0,
                    decoder_norm: 0.5,
                    moments: Some(Moments {
                        variance: 2.0,
                        skewness: -0.5,
                        kurtosis: 3.0,
                    }),
                    encoder_decoder_cosine: Some(-0.75),
                    ..Summary::default()
                },
                Summary {
                    feature: FeatureId(1),
                    ..Summary::default()
                },
            ],
            active: vec![1 << 40, 0],
            top: vec![Some(7), None],
            by_part: vec![3, 4],
        };
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(SCHEMA).unwrap();
        columns.write(&database).unwrap();
        let read = |features| Columns::read(&database, (3, features)).unwrap();
        assert_eq!(read(2), Some(columns));
        assert_eq!(read(3), None);
        let cut = "UPDATE scalar SET packed = substr(packed, 1, 8) WHERE name = 'max'";
        database.execute_batch(cut).unwrap();
        assert_eq!(read(2), None);
    }
}
