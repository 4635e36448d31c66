//! Compressed form of tallies: a header and blocks of features, each a zlib stream of its own, so that they are packed and read in parallel.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::pack::{Reader, Writer};
use super::{Counted, PARTS, Setup, Tallies, sketch::Sketch, tokens};
use crate::features::tally::{Keys, Tally, mix};

/// Features in a block.
const BLOCK: usize = 128;
/// Blocks packed at once.
const AT_ONCE: usize = 16;
/// Version of these bytes.
const FORM: u64 = 1;
/// Blocks unpack to less; a longer stream is damaged.
const LONGEST: u64 = 1 << 30;
/// Low levels of compression lose a tenth of the size and save half of the time.
const LEVEL: u32 = 4;

impl Tallies {
    /// Returns a header and blocks of features, each compressed.
    pub(in crate::features) fn parts(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let batches: Vec<Vec<Vec<u8>>> = self.batches().collect::<std::io::Result<_>>()?;
        Ok(batches.into_iter().flatten().collect())
    }

    /// Returns these parts some at a time, so that they are never held together.
    pub(in crate::features) fn batches(
        &self,
    ) -> impl Iterator<Item = std::io::Result<Vec<Vec<u8>>>> + '_ {
        let batch = move |features: &[Tally]| {
            let blocks = features.par_chunks(BLOCK).map(|block| {
                let mut out = Writer(Vec::new());
                for tally in block {
                    tally.write(&mut out, self.renumbered);
                }
                packed(&out.0)
            });
            blocks.collect::<std::io::Result<Vec<Vec<u8>>>>()
        };
        let header = std::iter::once_with(move || self.header().map(|header| vec![header]));
        header.chain(self.features.chunks(BLOCK * AT_ONCE).map(batch))
    }

    fn header(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        out.int(FORM);
        out.int(self.setup.features as u64);
        out.int(u64::from(self.setup.signed));
        out.int(self.setup.context as u64);
        out.u64(self.setup.seed);
        out.int(u64::from(self.setup.exact));
        out.int(u64::from(self.loose));
        out.int(u64::from(self.renumbered));
        out.int(self.tokens);
        for count in self.by_part {
            out.int(count);
        }
        out.list(&self.rows, |out, range| {
            out.int(u64::from(range.start));
            out.int(u64::from(range.end));
        });
        packed(&out.0)
    }

    /// Reads what [`Self::parts`] returned; `None` if it is damaged or of another version.
    pub(in crate::features) fn from_parts(parts: &[Vec<u8>]) -> Option<Self> {
        let (header, blocks) = parts.split_first()?;
        let plain = unpacked(header)?;
        let mut from = Reader(&plain);
        if from.int()? != FORM {
            return None;
        }
        let setup = Setup {
            features: usize::try_from(from.int()?).ok()?,
            signed: from.int()? == 1,
            context: usize::try_from(from.int()?).ok()?,
            seed: from.u64()?,
            exact: from.int()? == 1,
        };
        if blocks.len() != setup.features.div_ceil(BLOCK) {
            return None;
        }
        let (loose, renumbered) = (from.int()? == 1, from.int()? == 1);
        let tokens = from.int()?;
        let mut by_part = [0; PARTS];
        for count in &mut by_part {
            *count = from.int()?;
        }
        let rows = from.list(|from| Some(from.rank()?..from.rank()?))?;
        let key = ChaCha8Rng::seed_from_u64(setup.seed).next_u64();
        let block = |(block, bytes): (usize, &Vec<u8>)| {
            let plain = unpacked(bytes)?;
            let mut from = Reader(&plain);
            let first = block * BLOCK;
            let read = |f: usize| {
                let key = (!renumbered).then(|| mix(key ^ mix(f as u64)));
                Tally::read(&mut from, setup, Keys { feature: f, key })
            };
            let tallies: Option<Vec<Tally>> = (first..(first + BLOCK).min(setup.features))
                .map(read)
                .collect();
            tallies.filter(|_| from.0.is_empty())
        };
        let features: Option<Vec<Vec<Tally>>> = blocks.par_iter().enumerate().map(block).collect();
        Some(Self {
            setup,
            key,
            tokens,
            by_part,
            rows,
            loose,
            renumbered,
            features: features?.into_iter().flatten().collect(),
        })
    }

    /// Returns all parts as one.
    #[cfg(test)]
    pub(in crate::features) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        out.list(&self.parts()?, |out, part| {
            out.int(part.len() as u64);
            out.0.extend(part);
        });
        Ok(out.0)
    }

    /// Reads what [`Self::bytes`] returned; `None` if it is damaged or of another version.
    #[cfg(test)]
    pub(in crate::features) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let parts = from.list(|from| {
            let len = from.len()?;
            Some(from.bytes(len)?.to_vec())
        })?;
        Self::from_parts(&parts).filter(|_| from.0.is_empty())
    }
}

fn packed(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
    zlib.write_all(plain)?;
    zlib.finish()
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut zlib = ZlibDecoder::new(bytes).take(LONGEST);
    zlib.read_to_end(&mut plain).ok()?;
    Some(plain)
}

impl Counted {
    pub(in crate::features) fn write(&self, out: &mut Writer) {
        match self {
            Self::Exact {
                tokens,
                before,
                together,
            } => {
                tokens::write(out, &tokens::sorted(tokens));
                tokens::write(out, &tokens::sorted(before));
                let counts = (0_u64..).zip(together).filter(|(_, count)| **count > 0);
                let counts: Vec<(u64, u32)> = counts.map(|(at, count)| (at, *count)).collect();
                let mut next = 0;
                out.list(&counts, |out, (at, _)| {
                    out.int(at - next);
                    next = at + 1;
                });
                for (_, count) in &counts {
                    out.int(u64::from(*count));
                }
            }
            Self::Sketched(sketch) => sketch.write(out),
        }
    }

    /// Reads the counts of a feature that has `later` features after it.
    pub(in crate::features) fn read(
        from: &mut Reader<'_>,
        exact: bool,
        later: usize,
    ) -> Option<Self> {
        if !exact {
            return Some(Self::Sketched(Sketch::read(from)?));
        }
        let tokens = tokens::read(from)?.into_iter().collect();
        let before = tokens::read(from)?.into_iter().collect();
        let mut next = 0_u64;
        let places = from.list(|from| {
            let at = next.checked_add(from.int()?)?;
            next = at.checked_add(1)?;
            usize::try_from(at).ok().filter(|at| *at < later)
        })?;
        let mut together = vec![0; if places.is_empty() { 0 } else { later }];
        for at in places {
            together[at] = from.rank()?;
        }
        Some(Self::Exact {
            tokens,
            before,
            together,
        })
    }
}

/// Writes an ordered table of small counts by a whole number.
pub(in crate::features) fn write_table(out: &mut Writer, first: i32, counts: &[u32]) {
    out.int(u64::from(
        (first as u32).wrapping_shl(1) ^ ((first >> 31) as u32),
    ));
    out.list(counts, |out, count| out.int(u64::from(*count)));
}

/// Reads what [`write_table`] wrote.
pub(in crate::features) fn read_table(from: &mut Reader<'_>) -> Option<(i32, Vec<u32>)> {
    let code = from.rank()?;
    let first = (code >> 1) as i32 ^ -((code & 1) as i32);
    Some((first, from.list(Reader::rank)?))
}
