//! Packed form of the sources of a feature's strongest examples: a zlib stream of the heads' shares, then for each example its largest part, its parts in steps
//! of a 4,095th of that one (zigzag), those before the window with their positions, the sum, and from version 3 on the sums by head.
//!
//! A checkpoint holds the numbers as they are.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::pack::{LONGEST, Reader, Writer};
use super::sources::{Found, OfFeature, Parts};

const STEPS: f32 = 4095.0;
/// First version that holds sums by head.
const BY_HEAD: u32 = 3;

impl OfFeature {
    /// Returns the parts as compressed bytes.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer(Vec::new());
        out.list(&self.heads, |out, share| out.f32(*share));
        out.list(&self.examples, |out, parts| {
            let most = parts.most();
            out.f32(most);
            out.f32(parts.sum);
            out.list(&parts.window, |out, part| out.int(zigzag(*part, most)));
            out.list(&parts.before, |out, (position, part)| {
                out.int(u64::from(*position));
                out.int(zigzag(*part, most));
            });
            out.list(&parts.heads, |out, part| out.f32(*part));
        });
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&out.0)?;
        zlib.finish()
    }

    /// Reads the bytes that [`Self::bytes`] wrote, or those of an older version; `None` if they are damaged.
    pub(super) fn from_bytes(bytes: &[u8], version: u32) -> Option<Self> {
        let mut plain = Vec::new();
        let mut zlib = ZlibDecoder::new(bytes).take(LONGEST);
        zlib.read_to_end(&mut plain).ok()?;
        let mut from = Reader(&plain);
        let heads = from.list(Reader::f32)?;
        let examples = from.list(|from| {
            let (most, sum) = (from.f32()?, from.f32()?);
            let part = |from: &mut Reader<'_>| Some(unzigzag(from.int()?, most));
            Some(Parts {
                window: from.list(part)?,
                before: from.list(|from| Some((from.rank()?, part(from)?)))?,
                sum,
                heads: if version < BY_HEAD {
                    Vec::new()
                } else {
                    from.list(Reader::f32)?
                },
            })
        })?;
        from.0.is_empty().then_some(Self { examples, heads })
    }
}

impl Found {
    /// Writes the parts as they are, for a checkpoint.
    pub(super) fn write(&self, out: &mut Writer) {
        out.int(self.done as u64);
        out.list(&self.features, |out, of| {
            out.list(&of.examples, |out, parts| {
                out.f32(parts.sum);
                out.list(&parts.window, |out, part| out.f32(*part));
                out.list(&parts.before, |out, (position, part)| {
                    out.int(u64::from(*position));
                    out.f32(*part);
                });
                out.list(&parts.heads, |out, part| out.f32(*part));
            });
        });
    }

    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let parts = |from: &mut Reader<'_>| {
            let sum = from.f32()?;
            Some(Parts {
                window: from.list(Reader::f32)?,
                before: from.list(|from| Some((from.rank()?, from.f32()?)))?,
                sum,
                heads: from.list(Reader::f32)?,
            })
        };
        Some(Self {
            done: usize::try_from(from.int()?).ok()?,
            features: from.list(|from| {
                Some(OfFeature {
                    examples: from.list(parts)?,
                    heads: Vec::new(),
                })
            })?,
        })
    }
}

impl Parts {
    fn most(&self) -> f32 {
        let before = self.before.iter().map(|(_, part)| part);
        let sizes = self.window.iter().chain(before).map(|part| part.abs());
        sizes.fold(0.0, f32::max)
    }
}

fn zigzag(part: f32, most: f32) -> u64 {
    let step = if most > 0.0 {
        (part / most * STEPS).round() as i64
    } else {
        0
    };
    if step < 0 {
        (-2 * step - 1) as u64
    } else {
        (2 * step) as u64
    }
}

fn unzigzag(code: u64, most: f32) -> f32 {
    let size = code.div_ceil(2) as f32 / STEPS * most;
    if code % 2 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> OfFeature {
        OfFeature {
            examples: vec![
                Parts {
                    window: vec![0.5, -2.0, 0.0, 1e-5],
                    before: vec![(0, 4.0), (700, -0.25)],
                    sum: 2.25,
                    heads: vec![1.0, -0.3],
                },
                Parts::default(),
            ],
            heads: vec![0.75, 0.25],
        }
    }

    #[test]
    fn parts_come_back_to_half_a_step_of_the_largest() {
        let was = parts();
        let is = OfFeature::from_bytes(&was.bytes().unwrap(), 3).unwrap();
        assert_eq!(
            (is.heads.clone(), is.examples[0].sum),
            (was.heads.clone(), 2.25)
        );
        let near = |a: f32, b: f32| assert!((a - b).abs() <= 4.0 / 8190.0 * 1.001, "{a} {b}");
        let (a, b) = (&was.examples[0], &is.examples[0]);
        a.window
            .iter()
            .zip(&b.window)
            .for_each(|(a, b)| near(*a, *b));
        for ((i, a), (j, b)) in a.before.iter().zip(&b.before) {
            assert_eq!(i, j);
            near(*a, *b);
        }
        // The largest and 0 are exact.
        assert_eq!((b.before[0].1, b.window[2]), (4.0, 0.0));
        assert_eq!(is.examples[1], Parts::default());
        assert_eq!(b.heads, a.heads);
        let none = OfFeature::default();
        assert_eq!(OfFeature::from_bytes(&none.bytes().unwrap(), 3), Some(none));
    }

    #[test]
    fn a_checkpoint_holds_parts_as_they_are() {
        let was = Found {
            done: 7,
            features: vec![
                OfFeature {
                    heads: Vec::new(),
                    ..parts()
                },
                OfFeature::default(),
            ],
        };
        let mut out = Writer(Vec::new());
        was.write(&mut out);
        let mut from = Reader(&out.0);
        assert_eq!(Found::read(&mut from), Some(was));
        assert!(from.0.is_empty());
    }

    #[test]
    fn damaged_bytes_are_told() {
        let bytes = parts().bytes().unwrap();
        for cut in 0..bytes.len() - 8 {
            assert_eq!(OfFeature::from_bytes(&bytes[..cut], 3), None, "{cut}");
        }
    }
}
