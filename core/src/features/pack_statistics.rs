//! Packed form of a feature's tokens, positions and relations: a zlib stream of variable-length integers and little-endian floats.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::histogram::Octaves;
use super::pack::{LONGEST, Reader, Writer};
use super::tallies::Count;

/// Tokens, positions and relations of one feature, in numbers. Tokens are ranks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PackedStatistics {
    pub(super) sizes: Octaves,
    pub(super) by_mean: Vec<(u32, Count)>,
    pub(super) by_count: Vec<(u32, Count)>,
    pub(super) before: Vec<(u32, Count)>,
    /// Active tokens in each part of a row.
    pub(super) by_part: Vec<u32>,
    /// Active tokens that are the first of a document or row.
    pub(super) first: u32,
    pub(super) neighbours: Vec<(u32, f32)>,
    /// Other feature, and tokens on which both are active.
    pub(super) coactive: Vec<(u32, u64)>,
    pub(super) neurons: Vec<(u32, f32)>,
}

impl PackedStatistics {
    /// Returns them as compressed bytes.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        self.sizes.write(&mut out);
        for counts in [&self.by_mean, &self.by_count, &self.before] {
            out.list(counts, |out, (rank, count)| {
                out.int(u64::from(*rank));
                out.int(u64::from(count.count));
                out.f64(count.sum);
            });
        }
        out.list(&self.by_part, |out, count| out.int(u64::from(*count)));
        out.int(u64::from(self.first));
        for cosines in [&self.neighbours, &self.neurons] {
            out.list(cosines, |out, (other, cosine)| {
                out.int(u64::from(*other));
                out.f32(*cosine);
            });
        }
        out.list(&self.coactive, |out, (other, both)| {
            out.int(u64::from(*other));
            out.int(*both);
        });
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&out.0)?;
        zlib.finish()
    }

    /// Reads the bytes that [`Self::bytes`] wrote; `None` if they are damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut plain = Vec::new();
        let mut zlib = ZlibDecoder::new(bytes).take(LONGEST);
        zlib.read_to_end(&mut plain).ok()?;
        let mut from = Reader(&plain);
        let counted = |from: &mut Reader<'_>| {
            let (rank, count, sum) = (from.rank()?, from.rank()?, from.f64()?);
            Some((rank, Count { count, sum }))
        };
        let cosine = |from: &mut Reader<'_>| Some((from.rank()?, from.f32()?));
        let statistics = Self {
            sizes: Octaves::read(&mut from)?,
            by_mean: from.list(counted)?,
            by_count: from.list(counted)?,
            before: from.list(counted)?,
            by_part: from.list(Reader::rank)?,
            first: from.rank()?,
            neighbours: from.list(cosine)?,
            neurons: from.list(cosine)?,
            coactive: from.list(|from| Some((from.rank()?, from.int()?)))?,
        };
        from.0.is_empty().then_some(statistics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_come_back_and_damage_is_told() {
        let count = |count, sum| Count { count, sum };
        let mut sizes = Octaves::default();
        sizes.add(-9);
        sizes.add(4);
        let statistics = PackedStatistics {
            sizes,
            by_mean: vec![(3, count(5, 1.25)), (70_000, count(9, -2.5))],
            by_count: vec![(70_000, count(9, -2.5))],
            before: vec![(0, count(14, 0.1))],
            by_part: vec![0, 300, 2],
            first: 7,
            neighbours: vec![(12, 0.5), (3, -0.25)],
            coactive: vec![(9, 1 << 33)],
            neurons: vec![(1023, -0.9)],
        };
        let bytes = statistics.bytes().unwrap();
        assert_eq!(PackedStatistics::from_bytes(&bytes), Some(statistics));
        for cut in 0..bytes.len() - 8 {
            assert_eq!(PackedStatistics::from_bytes(&bytes[..cut]), None, "{cut}");
        }
        let none = PackedStatistics::default();
        let read = PackedStatistics::from_bytes(&none.bytes().unwrap());
        assert_eq!(read, Some(none));
    }
}
