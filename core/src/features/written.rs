//! Parts that a feature of a cross-layer transcoder writes in its layers, by its weights alone: length, tokens that it moves there, features that write nearly the same.
//!
//! Other dictionaries write one hook, and [`super::Detail`] says all of it. The packed form is that of [`Parts::bytes`]: for each hook the length and three lists of
//! pairs, little-endian.

use rayon::prelude::*;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::effects::{norm, on_logits, strongest};
use super::{Neighbour, TokenEffect};
use crate::compare;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::sae::{ByToken, Output};

/// Number of promoted tokens listed for a layer, of suppressed ones, and of neighbours.
pub const WRITTEN: usize = 5;
/// Products of two numbers that finding neighbours may take; for more the lists stay empty. Some minutes of a laptop's processor.
const MOST_PRODUCTS: u64 = 4_000_000_000_000;

pub(super) const SCHEMA: &str =
    "CREATE TABLE written (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);";

/// Part of a feature's row that is written at one hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Hook.
    pub hook: HookPoint,
    /// Norm of its decoder row there.
    pub norm: f64,
    /// Tokens that this part of the row promotes most, strongest first; empty where it does not lead to the residual stream.
    pub promoted: Vec<TokenEffect>,
    /// Tokens that it suppresses most, strongest first.
    pub suppressed: Vec<TokenEffect>,
    /// Features of the same dictionary with the largest cosine of decoder rows there; empty where the dictionary is too large to compare all pairs in each layer.
    pub neighbours: Vec<Neighbour>,
}

/// Part of one feature's row at one hook, in numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Part {
    pub(super) norm: f64,
    pub(super) promoted: Vec<(TokenId, f32)>,
    pub(super) suppressed: Vec<(TokenId, f32)>,
    pub(super) neighbours: Vec<Neighbour>,
}

/// Parts of one feature's row, by the hooks of its dictionary; empty unless that is a layer of a cross-layer transcoder.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parts(pub(super) Vec<Part>);

/// Computes the parts of all features, `[f]`, for a dictionary that writes several hooks; `step` is asked before each chunk of each layer and may stop it.
pub(super) fn of(
    model: &Model,
    sae: ByToken<'_>,
    (outputs, per_chunk): (&[Output], usize),
    step: &mut dyn FnMut() -> Flow,
) -> Result<Option<Vec<Parts>>> {
    let f = sae.features();
    let mut all = vec![Parts(vec![Part::default(); outputs.len()]); f];
    let numbers: Vec<u32> = (0..f as u32).collect();
    let products = (f as u64).pow(2) * sae.w_dec.columns() as u64;
    for (at, output) in outputs.iter().enumerate() {
        let rows = numbers.iter().map(|f| sae.written(FeatureId(*f), output));
        let rows = rows.collect::<Result<Vec<&[f32]>>>()?;
        for (parts, row) in all.iter_mut().zip(&rows) {
            parts.0[at].norm = norm(row);
        }
        if products <= MOST_PRODUCTS {
            let table = Matrix::new(f, output.width(), rows.concat())?;
            let Ended::Done(found) = compare::nearest(&table, WRITTEN, step)? else {
                return Ok(None);
            };
            let neighbour = |(feature, cosine)| Neighbour { feature, cosine };
            for (parts, nearest) in all.iter_mut().zip(found) {
                parts.0[at].neighbours = nearest.into_iter().map(neighbour).collect();
            }
        }
        let alone = std::slice::from_ref(output);
        for (features, chunk) in numbers.chunks(per_chunk).zip(all.chunks_mut(per_chunk)) {
            if step().is_break() {
                return Ok(None);
            }
            let Some(logits) = on_logits(model, sae, (features, alone))? else {
                break;
            };
            chunk.par_iter_mut().enumerate().for_each(|(i, parts)| {
                parts.0[at].promoted = strongest(logits.row(i), 1.0, WRITTEN);
                parts.0[at].suppressed = strongest(logits.row(i), -1.0, WRITTEN);
            });
        }
    }
    Ok(Some(all))
}

impl Parts {
    /// Returns the tokens that they name.
    pub(super) fn tokens(&self) -> impl Iterator<Item = TokenId> {
        let lists = self
            .0
            .iter()
            .flat_map(|part| [&part.promoted, &part.suppressed]);
        lists.flatten().map(|(id, _)| *id)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let list = |out: &mut Vec<u8>, pairs: &mut dyn ExactSizeIterator<Item = (u32, f32)>| {
            out.push(pairs.len() as u8);
            for (number, x) in pairs {
                out.extend(number.to_le_bytes());
                out.extend(x.to_le_bytes());
            }
        };
        for part in &self.0 {
            out.extend(part.norm.to_le_bytes());
            for effects in [&part.promoted, &part.suppressed] {
                list(
                    &mut out,
                    &mut effects.iter().map(|(id, effect)| (id.0, *effect)),
                );
            }
            let neighbours = part.neighbours.iter();
            list(
                &mut out,
                &mut neighbours.map(|of| (of.feature.0, of.cosine)),
            );
        }
        out
    }

    /// Reads what [`Parts::bytes`] wrote; none if it is damaged.
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (first, rest) = bytes.split_first_chunk::<N>()?;
            *bytes = rest;
            Some(*first)
        }
        fn list(bytes: &mut &[u8]) -> Option<Vec<(u32, f32)>> {
            let [many] = take::<1>(bytes)?;
            let pair = |_| {
                let number = u32::from_le_bytes(take(bytes)?);
                Some((number, f32::from_le_bytes(take(bytes)?)))
            };
            (0..many).map(pair).collect()
        }
        let tokens = |pairs: Vec<(u32, f32)>| {
            let pairs = pairs.into_iter();
            pairs.map(|(id, effect)| (TokenId(id), effect)).collect()
        };
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            parts.push(Part {
                norm: f64::from_le_bytes(take(&mut bytes)?),
                promoted: tokens(list(&mut bytes)?),
                suppressed: tokens(list(&mut bytes)?),
                neighbours: list(&mut bytes)?
                    .into_iter()
                    .map(|(feature, cosine)| Neighbour {
                        feature: FeatureId(feature),
                        cosine,
                    })
                    .collect(),
            });
        }
        Some(Self(parts))
    }

    /// Writes the parts of a feature.
    pub(super) fn write(&self, database: &Connection, feature: FeatureId) -> rusqlite::Result<()> {
        let mut insert =
            database.prepare_cached("INSERT INTO written (feature, packed) VALUES (?1, ?2)")?;
        insert.execute(params![feature.0, self.bytes()])?;
        Ok(())
    }

    /// Reads the parts of a feature from an index that has them; none if they are damaged.
    pub(super) fn stored(
        database: &Connection,
        feature: FeatureId,
    ) -> rusqlite::Result<Option<Self>> {
        let mut select =
            database.prepare_cached("SELECT packed FROM written WHERE feature = ?1")?;
        let packed: Option<Vec<u8>> = select.query_row([feature.0], |row| row.get(0)).optional()?;
        Ok(packed.and_then(|packed| Self::from_bytes(&packed)))
    }

    /// Reads the parts of a feature from an index that has them, with the texts of tokens; none if they are damaged or not those of `hooks`.
    pub(super) fn read(
        database: &Connection,
        feature: FeatureId,
        hooks: &[HookPoint],
        text: impl Fn(TokenId) -> Option<String>,
    ) -> rusqlite::Result<Option<Vec<Written>>> {
        let parts = Self::stored(database, feature)?;
        let Some(parts) = parts.filter(|parts| parts.0.len() == hooks.len()) else {
            return Ok(None);
        };
        let effects = |pairs: Vec<(TokenId, f32)>| -> Option<Vec<TokenEffect>> {
            let effect = |(id, effect)| {
                Some(TokenEffect {
                    id,
                    text: text(id)?,
                    effect,
                })
            };
            pairs.into_iter().map(effect).collect()
        };
        let named = parts.0.into_iter().zip(hooks).map(|(part, hook)| {
            Some(Written {
                hook: *hook,
                norm: part.norm,
                promoted: effects(part.promoted)?,
                suppressed: effects(part.suppressed)?,
                neighbours: part.neighbours,
            })
        });
        Ok(named.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_parts_come_back_and_damaged_ones_do_not() {
        let parts = Parts(vec![
            Part {
                norm: 1.25,
                promoted: vec![(TokenId(7), 0.5), (TokenId(900), 0.25)],
                suppressed: vec![(TokenId(3), -0.5)],
                neighbours: vec![Neighbour {
                    feature: FeatureId(12),
                    cosine: 0.75,
                }],
            },
            Part::default(),
        ]);
        let bytes = parts.bytes();
        assert_eq!(Parts::from_bytes(&bytes), Some(parts.clone()));
        assert_eq!(parts.tokens().count(), 3);
        for cut in 1..bytes.len() {
            // Cut at the end of the first hook it is a shorter list, which is not that of the dictionary's hooks.
            let read = Parts::from_bytes(&bytes[..cut]);
            assert!(read.is_none_or(|read| read.0.len() < 2), "{cut}");
        }
    }
}
