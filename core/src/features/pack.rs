//! Packed forms of the index: a feature's detail is a zlib stream of variable-length integers and little-endian floats; so is a token row.
//!
//! A detail holds, in this order: histogram, counts of the intervals, promoted, suppressed, head shares, examples, and last the effects on all logits in bins,
//! if there are any. Examples are stored column by column, first their headers, then all their activations, which compresses better. An activation is
//! 1..=65,535 of the strongest in its window, or 0; for a feature with negative activations it has a sign (zigzag).
//!
//! A row holds the runs of its documents and its tokens. A token is its rank by frequency in the text, so most take one byte.
//!
//! Version 1 has no negative activations and no rows. Its examples hold their document and the tokens of their window, between headers and activations.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::effects::LogitCounts;
use super::file::FIRST;
use super::histogram::Bins;

/// An example in numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PackedExample {
    pub(super) of: Of,
    /// Position of the example's token in the window.
    pub(super) at: usize,
    /// `[window]`.
    pub(super) acts: Vec<f32>,
}

/// Source of an example's window.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Of {
    /// A row that the index holds, and the position of the example's token in it.
    Row { row: u32, position: usize },
    /// Tokens of the window, `[window]`, since version 1 holds no rows.
    Excerpt { document: u32, ranks: Vec<u32> },
}

/// A token row in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PackedRow {
    /// Number of tokens of each document in turn.
    pub(super) documents: Vec<(u32, usize)>,
    pub(super) ranks: Vec<u32>,
}

/// A feature's detail in numbers, without the scalars, which have columns of their own.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PackedDetail {
    pub(super) bins: Bins,
    /// Tokens per interval, highest first, with its examples.
    pub(super) intervals: Vec<(u64, Vec<PackedExample>)>,
    pub(super) top: Vec<PackedExample>,
    pub(super) promoted: Vec<(u32, f32)>,
    pub(super) suppressed: Vec<(u32, f32)>,
    pub(super) head_shares: Vec<f32>,
    /// Older files end before this.
    pub(super) logits: LogitCounts,
}

const STEPS: f32 = 65_535.0;
/// A detail unpacks to a few kilobytes; a stream longer than this is damaged.
pub(super) const LONGEST: u64 = 1 << 20;

impl PackedDetail {
    /// Returns the detail as compressed bytes.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        out.f64(self.bins.width);
        out.f64(self.bins.last_edge);
        out.f64(self.bins.first_edge);
        out.int(self.bins.below as u64);
        out.list(&self.bins.counts, |out, count| out.int(*count));
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
            let (row, position) = match example.of {
                Of::Row { row, position } => (row, position),
                Of::Excerpt { .. } => return Err(std::io::ErrorKind::Unsupported.into()),
            };
            out.int(u64::from(row));
            out.int(position as u64);
            out.int(example.at as u64);
            out.int(example.acts.len() as u64);
            out.f32(example.peak());
        }
        let signed = self.bins.below > 0;
        for example in &examples {
            let peak = example.peak();
            for act in &example.acts {
                let step = step(act.abs(), peak);
                out.int(if signed {
                    2 * step - u64::from(*act < 0.0)
                } else {
                    step
                });
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

    /// Reads the bytes that [`Self::bytes`] wrote, or those of a file of version 1; `None` if they are damaged.
    pub(super) fn from_bytes(bytes: &[u8], version: u32) -> Option<Self> {
        let mut plain = Vec::new();
        let mut zlib = ZlibDecoder::new(bytes).take(LONGEST);
        zlib.read_to_end(&mut plain).ok()?;
        let mut from = Reader(&plain);
        let (width, last_edge) = (from.f64()?, from.f64()?);
        let (first_edge, below) = match version {
            FIRST => (0.0, 0),
            _ => (from.f64()?, from.len()?),
        };
        let counts = from.list(Reader::int)?;
        let mut detail = Self {
            bins: Bins {
                width,
                below: (below <= counts.len()).then_some(below)?,
                first_edge,
                last_edge,
                counts,
            },
            ..Self::default()
        };
        let levels = from.list(|from| Some((from.int()?, from.len()?)))?;
        let effect = |from: &mut Reader<'_>| Some((from.rank()?, from.f32()?));
        detail.promoted = from.list(effect)?;
        detail.suppressed = from.list(effect)?;
        detail.head_shares = from.list(Reader::f32)?;
        let top = from.len()?;
        let drawn: usize = levels.iter().map(|(_, examples)| examples).sum();
        let form = (version, below > 0);
        let mut examples = from.examples(top.checked_add(drawn)?, form)?.into_iter();
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
        let sizes = self.acts.iter().map(|act| act.abs());
        sizes.fold(0.0, f32::max)
    }
}

impl PackedRow {
    /// Returns the row as bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Writer(Vec::new());
        out.list(&self.documents, |out, (document, tokens)| {
            out.int(u64::from(*document));
            out.int(*tokens as u64);
        });
        out.list(&self.ranks, |out, rank| out.int(u64::from(*rank)));
        out.0
    }

    /// Reads the bytes that [`Self::bytes`] wrote; `None` if they are damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let run = |from: &mut Reader<'_>| Some((from.rank()?, from.int()?.try_into().ok()?));
        let row = Self {
            documents: from.list(run)?,
            ranks: from.list(Reader::rank)?,
        };
        from.0.is_empty().then_some(row)
    }

    /// Returns the document at a position.
    pub(super) fn document(&self, position: usize) -> Option<u32> {
        let mut before = 0_usize;
        for (document, tokens) in &self.documents {
            before = before.checked_add(*tokens)?;
            if position < before {
                return Some(*document);
            }
        }
        None
    }
}

fn step(size: f32, peak: f32) -> u64 {
    if size > 0.0 {
        (size / peak * STEPS).round().max(1.0) as u64
    } else {
        0
    }
}

/// Writer of bytes.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Writes seven bits a byte, lowest first.
    pub(super) fn int(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.int(items.len() as u64);
        for item in items {
            put(self, item);
        }
    }
}

/// Reader of bytes; every method returns `None` at the end.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn int(&mut self) -> Option<u64> {
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

    /// Reads the number of items that follow; each takes at least one byte.
    pub(super) fn len(&mut self) -> Option<usize> {
        let len = usize::try_from(self.int()?).ok()?;
        (len <= self.0.len()).then_some(len)
    }

    pub(super) fn rank(&mut self) -> Option<u32> {
        u32::try_from(self.int()?).ok()
    }

    pub(super) fn f32(&mut self) -> Option<f32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f32::from_le_bytes(*bytes))
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn list<T>(
        &mut self,
        mut get: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let len = self.len()?;
        (0..len).map(|_| get(self)).collect()
    }

    fn examples(&mut self, n: usize, (version, signed): (u32, bool)) -> Option<Vec<PackedExample>> {
        let mut headers = Vec::new();
        for _ in 0..n {
            let (number, position) = match version {
                FIRST => (self.rank()?, 0),
                _ => (self.rank()?, usize::try_from(self.int()?).ok()?),
            };
            let (at, window, peak) = (self.len()?, self.len()?, self.f32()?);
            headers.push((number, position, (at < window).then_some(at)?, window, peak));
        }
        let mut windows = Vec::new();
        for (number, position, at, window, _) in &headers {
            windows.push(match version {
                FIRST => Of::Excerpt {
                    document: *number,
                    ranks: (0..*window).map(|_| self.rank()).collect::<Option<_>>()?,
                },
                _ => Of::Row {
                    row: *number,
                    position: (at <= position).then_some(*position)?,
                },
            });
        }
        let mut examples = Vec::new();
        for (of, (_, _, at, window, peak)) in windows.into_iter().zip(headers) {
            let act = |step: u64| match signed {
                true if step % 2 == 1 => -(step.div_ceil(2) as f32 / STEPS * peak),
                true => (step / 2) as f32 / STEPS * peak,
                false => step as f32 / STEPS * peak,
            };
            let acts = (0..window).map(|_| self.int().map(act));
            examples.push(PackedExample {
                of,
                at,
                acts: acts.collect::<Option<_>>()?,
            });
        }
        Some(examples)
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::VERSION;
    use super::*;

    fn example(row: u32, act: f32) -> PackedExample {
        PackedExample {
            of: Of::Row { row, position: 300 },
            at: 1,
            acts: vec![0.0, act, act.abs() / 70_000.0],
        }
    }

    fn detail(sign: f32) -> PackedDetail {
        PackedDetail {
            bins: Bins {
                width: 0.125,
                below: usize::from(sign < 0.0),
                first_edge: 6.2_f64.min(sign.into()),
                last_edge: 6.2,
                counts: vec![1000, 0, u64::MAX],
            },
            intervals: vec![(7, vec![example(300, 0.7)]), (0, vec![])],
            top: vec![example(0, 6.2 * sign), example(1, 5.0)],
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
        for sign in [1.0, -1.0] {
            let packed = detail(sign);
            let read = PackedDetail::from_bytes(&packed.bytes().unwrap(), VERSION).unwrap();
            let (was, is) = (&packed.top[0], &read.top[0]);
            assert_eq!((was.acts[0], was.acts[1]), (is.acts[0], is.acts[1]));
            assert!(is.acts[2] > 0.0 && is.acts[2] <= is.acts[1].abs() / 65_000.0);
            let blank = |mut detail: PackedDetail| {
                let drawn = detail.intervals.iter_mut().flat_map(|level| &mut level.1);
                for example in detail.top.iter_mut().chain(drawn) {
                    example.acts.clear();
                }
                detail
            };
            assert_eq!(blank(read), blank(packed.clone()));
            // Hooks without effects have none.
            let bare = PackedDetail {
                logits: LogitCounts::default(),
                ..packed
            };
            let read = PackedDetail::from_bytes(&bare.bytes().unwrap(), VERSION).unwrap();
            assert_eq!(read.logits, bare.logits);
        }
        let empty = PackedDetail::default();
        let read = PackedDetail::from_bytes(&empty.bytes().unwrap(), VERSION);
        assert_eq!(read, Some(empty));
    }

    #[test]
    fn a_row_comes_back_and_knows_the_document_of_each_token() {
        let row = PackedRow {
            documents: vec![(4, 2), (700, 1)],
            ranks: vec![0, 70_000, 128],
        };
        let bytes = row.bytes();
        assert_eq!(PackedRow::from_bytes(&bytes), Some(row.clone()));
        let documents: Vec<_> = (0..4).map(|position| row.document(position)).collect();
        assert_eq!(documents, [Some(4), Some(4), Some(700), None]);
        for cut in 0..bytes.len() {
            assert_eq!(PackedRow::from_bytes(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn damaged_bytes_are_told_and_allocate_nothing() {
        let bytes = detail(-1.0).bytes().unwrap();
        for cut in 0..bytes.len() - 8 {
            let read = PackedDetail::from_bytes(&bytes[..cut], VERSION);
            assert_eq!(read, None, "{cut}");
        }
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&[0xff; 64]).unwrap();
        let bytes = zlib.finish().unwrap();
        for version in [FIRST, VERSION] {
            assert_eq!(PackedDetail::from_bytes(&bytes, version), None);
        }
    }
}
