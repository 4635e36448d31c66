//! The packed form of one feature's detail (file version 1): a zlib stream of variable-length integers and little-endian floats.
//!
//! Order: histogram, counts of the intervals, promoted, suppressed, head shares, examples, and last, if there are any, all effects on logits in bins. Examples stand column by column, first their headers,
//! then all their tokens, then all their activations, so that like lies beside like. A token is its rank by frequency in the text, so most take
//! one byte; an activation is 1..=65,535 of the strongest in its window, 0 where there is none.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::effects::LogitCounts;

/// An example in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PackedExample {
    pub(super) document: u32,
    pub(super) at: usize,
    /// `[window]`.
    pub(super) ranks: Vec<u32>,
    /// `[window]`.
    pub(super) acts: Vec<f32>,
}

/// A feature's detail in numbers; its scalars are columns of their own.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PackedDetail {
    /// Ends of the bins but the first, which is 0: width and last edge tell all.
    pub(super) bin_width: f64,
    pub(super) last_edge: f64,
    pub(super) counts: Vec<u64>,
    /// Tokens per interval, highest first, with its examples.
    pub(super) intervals: Vec<(u64, Vec<PackedExample>)>,
    pub(super) top: Vec<PackedExample>,
    pub(super) promoted: Vec<(u32, f32)>,
    pub(super) suppressed: Vec<(u32, f32)>,
    pub(super) head_shares: Vec<f32>,
    /// Files that are older end without it.
    pub(super) logits: LogitCounts,
}

const STEPS: f32 = 65_535.0;
/// A detail unpacks to a few kilobytes; a stream that goes on beyond this is damaged.
const LONGEST: u64 = 1 << 20;

impl PackedDetail {
    /// As bytes, compressed.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        out.f64(self.bin_width);
        out.f64(self.last_edge);
        out.list(&self.counts, |out, count| out.int(*count));
        out.list(&self.intervals, |out, (count, examples)| {
            out.int(*count);
            out.int(examples.len() as u64);
        });
        for effects in [&self.promoted, &self.suppressed] {
            out.list(effects, |out, (rank, effect)| {
                out.int(u64::from(*rank));
                out.f32(*effect);
            });
        }
        out.list(&self.head_shares, |out, share| out.f32(*share));
        out.int(self.top.len() as u64);
        let drawn = self.intervals.iter().flat_map(|(_, examples)| examples);
        let examples: Vec<_> = self.top.iter().chain(drawn).collect();
        for example in &examples {
            out.int(u64::from(example.document));
            out.int(example.at as u64);
            out.int(example.ranks.len() as u64);
            out.f32(example.peak());
        }
        for rank in examples.iter().flat_map(|example| &example.ranks) {
            out.int(u64::from(*rank));
        }
        for example in &examples {
            let peak = example.peak();
            for act in &example.acts {
                out.int(step(*act, peak));
            }
        }
        if !self.logits.counts.is_empty() {
            out.f32(self.logits.least);
            out.f32(self.logits.most);
            out.list(&self.logits.counts, |out, count| out.int(*count));
        }
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&out.0)?;
        zlib.finish()
    }

    /// Reads what [`Self::bytes`] wrote; `None` if it is damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut plain = Vec::new();
        let mut zlib = ZlibDecoder::new(bytes).take(LONGEST);
        zlib.read_to_end(&mut plain).ok()?;
        let mut from = Reader(&plain);
        let mut detail = Self {
            bin_width: from.f64()?,
            last_edge: from.f64()?,
            counts: from.list(Reader::int)?,
            ..Self::default()
        };
        let levels = from.list(|from| Some((from.int()?, from.len()?)))?;
        let effect = |from: &mut Reader<'_>| Some((from.rank()?, from.f32()?));
        detail.promoted = from.list(effect)?;
        detail.suppressed = from.list(effect)?;
        detail.head_shares = from.list(Reader::f32)?;
        let top = from.len()?;
        let drawn: usize = levels.iter().map(|(_, examples)| examples).sum();
        let mut examples = from.examples(top.checked_add(drawn)?)?.into_iter();
        detail.top = examples.by_ref().take(top).collect();
        for (count, n) in levels {
            let examples = examples.by_ref().take(n).collect();
            detail.intervals.push((count, examples));
        }
        if !from.0.is_empty() {
            detail.logits = LogitCounts {
                least: from.f32()?,
                most: from.f32()?,
                counts: from.list(Reader::int)?,
            };
        }
        Some(detail)
    }
}

impl PackedExample {
    fn peak(&self) -> f32 {
        self.acts.iter().copied().fold(0.0, f32::max)
    }
}

fn step(act: f32, peak: f32) -> u64 {
    if act > 0.0 {
        (act / peak * STEPS).round().max(1.0) as u64
    } else {
        0
    }
}

struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, least first.
    fn int(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    fn f64(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.int(items.len() as u64);
        for item in items {
            put(self, item);
        }
    }
}

/// Every reader answers `None` at the end of the bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn int(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number of items that follow; each takes a byte at least.
    fn len(&mut self) -> Option<usize> {
        let len = usize::try_from(self.int()?).ok()?;
        (len <= self.0.len()).then_some(len)
    }

    fn rank(&mut self) -> Option<u32> {
        u32::try_from(self.int()?).ok()
    }

    fn f32(&mut self) -> Option<f32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f32::from_le_bytes(*bytes))
    }

    fn f64(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    fn list<T>(&mut self, mut get: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        (0..len).map(|_| get(self)).collect()
    }

    fn examples(&mut self, n: usize) -> Option<Vec<PackedExample>> {
        let mut headers = Vec::new();
        for _ in 0..n {
            headers.push((self.rank()?, self.len()?, self.len()?, self.f32()?));
        }
        let mut examples = Vec::new();
        for (document, at, window, _) in &headers {
            examples.push(PackedExample {
                document: *document,
                at: (at < window).then_some(*at)?,
                ranks: (0..*window).map(|_| self.rank()).collect::<Option<_>>()?,
                acts: Vec::new(),
            });
        }
        for (example, (_, _, window, peak)) in examples.iter_mut().zip(&headers) {
            let act = |step: u64| step as f32 / STEPS * peak;
            example.acts = (0..*window)
                .map(|_| self.int().map(act))
                .collect::<Option<_>>()?;
        }
        Some(examples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(document: u32, act: f32) -> PackedExample {
        PackedExample {
            document,
            at: 1,
            ranks: vec![3, 70_000, 128],
            acts: vec![0.0, act, act / 70_000.0],
        }
    }

    fn detail() -> PackedDetail {
        PackedDetail {
            bin_width: 0.125,
            last_edge: 6.2,
            counts: vec![1000, 0, u64::MAX],
            intervals: vec![(7, vec![example(300, 0.7)]), (0, vec![])],
            top: vec![example(0, 6.2), example(1, 5.0)],
            promoted: vec![(4095, 1.5)],
            suppressed: vec![(0, -2.5), (9, -1.0)],
            head_shares: vec![0.25, 0.75],
            logits: LogitCounts {
                least: -2.5,
                most: 1.5,
                counts: vec![4, 0, 300],
            },
        }
    }

    #[test]
    fn a_detail_comes_back_with_activations_to_a_65_535th() {
        let packed = detail();
        let read = PackedDetail::from_bytes(&packed.bytes().unwrap()).unwrap();
        let (was, is) = (&packed.top[0], &read.top[0]);
        assert_eq!((was.acts[0], was.acts[1]), (is.acts[0], is.acts[1]));
        assert!(is.acts[2] > 0.0 && is.acts[2] <= is.acts[1] / 65_000.0);
        let blank = |mut detail: PackedDetail| {
            let drawn = detail.intervals.iter_mut().flat_map(|level| &mut level.1);
            for example in detail.top.iter_mut().chain(drawn) {
                example.acts.clear();
            }
            detail
        };
        assert_eq!(blank(read), blank(packed.clone()));
        // As older files have it.
        let older = PackedDetail {
            logits: LogitCounts::default(),
            ..packed
        };
        let read = PackedDetail::from_bytes(&older.bytes().unwrap()).unwrap();
        assert_eq!(read.logits, older.logits);
        let empty = PackedDetail::default();
        let read = PackedDetail::from_bytes(&empty.bytes().unwrap());
        assert_eq!(read, Some(empty));
    }

    #[test]
    fn damaged_bytes_are_told_and_allocate_nothing() {
        let bytes = detail().bytes().unwrap();
        for cut in 0..bytes.len() - 8 {
            assert_eq!(PackedDetail::from_bytes(&bytes[..cut]), None, "{cut}");
        }
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&[0xff; 64]).unwrap();
        assert_eq!(PackedDetail::from_bytes(&zlib.finish().unwrap()), None);
    }
}
