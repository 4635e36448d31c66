//! Facts about one feature that accumulate during the pass: counts, the strongest example of each of the strongest rows, reservoirs. Strength is size; signs
//! are kept.

use super::histogram::{Bins, Counts, Octaves};
use super::pack::{Reader, Writer};
use super::reservoir::{Moment, Reservoir, draw, level};
use super::tallies::{Counted, PARTS, Seen, Setup, Sums};
use super::{CONTEXT, INTERVALS, PER_INTERVAL, Summary, TOP};
use crate::ids::FeatureId;
use crate::latents::Latents;

/// Active tokens of one feature in a chunk of rows, in order of place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    seen: &'a [Seen],
    latents: &'a Latents,
    /// Token of the chunk, and entry of the latents.
    at: &'a [(u32, u32)],
}

/// Counts of one interval.
#[derive(Debug)]
pub(super) struct Level<'a> {
    /// Number of tokens in it.
    pub(super) count: u64,
    pub(super) examples: Vec<&'a Moment>,
}

/// Activations of one sign, by size.
#[derive(Debug, Clone)]
struct Side {
    active: u64,
    /// Largest size.
    most: f32,
    counts: Counts,
    reservoir: Reservoir,
}

/// Running tally of one feature.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) sums: Sums,
    below: Side,
    above: Side,
    /// Sizes by order of magnitude.
    sizes: Octaves,
    /// Strongest tokens, strongest first, at most one per row.
    pub(super) top: Vec<Moment>,
    /// Active tokens in each part of a row.
    pub(super) by_part: [u32; PARTS],
    /// Active tokens that are the first of a document or row.
    pub(super) first: u32,
    /// Tokens and other features.
    pub(super) counted: Counted,
}

/// A feature and the key of its priorities; none where they do not follow from places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) feature: usize,
    pub(super) key: Option<u64>,
}

impl Side {
    fn new(signed: bool) -> Self {
        Self {
            active: 0,
            most: 0.0,
            counts: Counts::default(),
            reservoir: Reservoir::new(signed),
        }
    }

    fn merge(&mut self, other: Self) {
        self.active += other.active;
        self.most = self.most.max(other.most);
        self.counts.merge(&other.counts);
        self.reservoir.merge(other.reservoir);
    }

    fn write(&self, out: &mut Writer, whole: bool) {
        out.int(self.active);
        if self.active > 0 {
            out.f32(self.most);
            self.counts.write(out);
            let kept: Vec<&Moment> = self.reservoir.kept().collect();
            write_moments(out, &kept, whole);
        }
    }

    fn read(from: &mut Reader<'_>, signed: bool, keys: Keys) -> Option<Self> {
        let mut side = Self::new(signed);
        side.active = from.int()?;
        if side.active > 0 {
            side.most = from.f32()?;
            side.reservoir.reach(side.most);
            side.counts = Counts::read(from)?;
            for moment in read_moments(from, keys)? {
                let (size, priority) = (moment.act.abs(), moment.priority);
                if size.is_nan() || size <= 0.0 || size > side.most {
                    return None;
                }
                side.reservoir.offer(size, level(size), priority, || moment);
            }
        }
        Some(side)
    }
}

impl Tally {
    /// Creates an empty tally.
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            sums: Sums::default(),
            below: Side::new(setup.signed),
            above: Side::new(setup.signed),
            sizes: Octaves::default(),
            top: Vec::new(),
            by_part: [0; PARTS],
            first: 0,
            counted: Counted::new(setup.exact),
        }
    }

    /// Adds the tokens of a later chunk, none of activation 0. `key` decides this feature's priorities.
    pub(super) fn add(&mut self, column: Column<'_>, key: u64) {
        let mut strongest: Option<usize> = None;
        for i in 0..column.len() {
            let (seen, act) = (column.seen(i), column.act(i));
            self.sums.add(f64::from(act));
            self.by_part[seen.part] += 1;
            self.first += u32::from(seen.first);
            let side = if act < 0.0 {
                &mut self.below
            } else {
                &mut self.above
            };
            let size = act.abs();
            let level = level(size);
            self.sizes.add(level);
            side.active += 1;
            side.most = side.most.max(size);
            side.counts.add(size);
            let priority = mix(key ^ column.place(i));
            side.reservoir
                .offer(size, level, priority, || column.moment(i, priority));
            match strongest {
                Some(best) if column.seen(best).row == seen.row => {
                    if size > column.act(best).abs() {
                        strongest = Some(i);
                    }
                }
                former => {
                    self.offer_top(column, former, key);
                    strongest = Some(i);
                }
            }
        }
        self.offer_top(column, strongest, key);
    }

    fn offer_top(&mut self, column: Column<'_>, candidate: Option<usize>, key: u64) {
        let Some(i) = candidate else { return };
        let size = column.act(i).abs();
        if self.top.len() == TOP {
            if self.top.last().is_some_and(|last| last.act.abs() >= size) {
                return;
            }
            self.top.pop();
        }
        let at = self.top.partition_point(|kept| kept.act.abs() >= size);
        self.top.reserve_exact(1);
        let priority = mix(key ^ column.place(i));
        self.top.insert(at, column.moment(i, priority));
    }

    /// Merges the tally of other rows. Returns whether candidates of both are the same.
    pub(super) fn merge(&mut self, other: Self) -> bool {
        self.sums.merge(&other.sums);
        self.below.merge(other.below);
        self.above.merge(other.above);
        self.sizes.merge(&other.sizes);
        self.top.extend(other.top);
        let order = |a: &Moment, b: &Moment| {
            let order = b.act.abs().total_cmp(&a.act.abs());
            order.then((a.row, a.position).cmp(&(b.row, b.position)))
        };
        self.top.sort_by(order);
        self.top.truncate(TOP);
        for (sum, count) in self.by_part.iter_mut().zip(other.by_part) {
            *sum += count;
        }
        self.first += other.first;
        self.counted.merge(other.counted)
    }

    /// Gives every row a new number.
    pub(super) fn renumber(&mut self, new: &(dyn Fn(u32) -> u32 + Sync)) {
        let sides = [&mut self.below, &mut self.above];
        let drawn = sides.into_iter().flat_map(|side| side.reservoir.kept_mut());
        for moment in self.top.iter_mut().chain(drawn) {
            moment.row = new(moment.row);
        }
    }

    /// Returns every token that is kept as an example or may become one when other rows are merged.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Moment> {
        let sides = [&self.below, &self.above];
        let drawn = sides.into_iter().flat_map(|side| side.reservoir.kept());
        self.top.iter().chain(drawn)
    }

    /// Returns the sizes of activations in bins of equal ratio.
    pub(super) fn sizes(&self) -> Octaves {
        self.sizes.joined()
    }

    /// Writes the tally, `whole` with the priorities of its examples.
    pub(super) fn write(&self, out: &mut Writer, whole: bool) {
        self.sums.write(out);
        self.below.write(out, whole);
        self.above.write(out, whole);
        self.sizes.write(out);
        write_moments(out, &self.top.iter().collect::<Vec<_>>(), whole);
        for count in self.by_part {
            out.int(u64::from(count));
        }
        out.int(u64::from(self.first));
        self.counted.write(out);
    }

    pub(super) fn read(from: &mut Reader<'_>, setup: Setup, keys: Keys) -> Option<Self> {
        let mut tally = Self {
            sums: Sums::read(from)?,
            below: Side::read(from, setup.signed, keys)?,
            above: Side::read(from, setup.signed, keys)?,
            sizes: Octaves::read(from)?,
            top: read_moments(from, keys)?,
            by_part: [0; PARTS],
            first: 0,
            counted: Counted::new(setup.exact),
        };
        for count in &mut tally.by_part {
            *count = from.rank()?;
        }
        tally.first = from.rank()?;
        let later = setup.features.checked_sub(keys.feature + 1)?;
        tally.counted = Counted::read(from, setup.exact, later)?;
        Some(tally)
    }

    pub(super) fn active(&self) -> u64 {
        self.below.active + self.above.active
    }

    /// Returns the least and the largest activation, each 0 where there is none of that sign.
    fn range(&self) -> (f64, f64) {
        (0.0 - f64::from(self.below.most), f64::from(self.above.most))
    }

    /// Returns all activations in bins.
    pub(super) fn bins(&self) -> Bins {
        let (min, max) = self.range();
        Bins::new((&self.below.counts, min), (&self.above.counts, max))
    }

    /// Returns the number of activations below `edge`; a bin that it divides counts in proportion.
    fn lower(&self, edge: f64) -> u64 {
        let lower = if edge > 0.0 {
            self.below.active as f64 + self.above.counts.below(edge)
        } else {
            self.below.active as f64 - self.below.counts.below(-edge)
        };
        lower.round() as u64
    }

    /// Returns the scalars over `tokens` tokens.
    pub(super) fn summary(&self, feature: FeatureId, tokens: u64, decoder_norm: f64) -> Summary {
        let (min, max) = self.range();
        let active = self.active() as f64;
        Summary {
            feature,
            density: active / tokens.max(1) as f64,
            mean: self.sums.mean(),
            min,
            max,
            decoder_norm,
            moments: self.sums.moments(),
            encoder_decoder_cosine: None,
        }
    }

    /// Returns five equal intervals from the least activation, or 0, to the largest, or 0, highest first; none for a feature that was never active.
    pub(super) fn levels(&self) -> Vec<Level<'_>> {
        let active = self.active();
        if active == 0 {
            return Vec::new();
        }
        let sides = [&self.below, &self.above].map(|side| &side.reservoir);
        let all_kept = sides.iter().map(|side| side.kept().count()).sum::<usize>() as u64 == active;
        let lower = |edge: f64, i: usize| match i {
            0 => 0,
            INTERVALS => active,
            _ => self.lower(edge),
        };
        let level = |i: usize| {
            let (from, to) = ends(self.range(), i);
            let inside = |act: f32| {
                let act = f64::from(act);
                act >= from && (act < to || i + 1 == INTERVALS)
            };
            let mut examples = draw(sides, inside);
            let count = if all_kept {
                examples.len() as u64
            } else {
                lower(to, i + 1) - lower(from, i)
            };
            examples.truncate(PER_INTERVAL);
            // A level that the bins cut may have kept too few: some of the strongest may lie in it.
            for moment in self.top.iter().filter(|moment| inside(moment.act)) {
                if examples.len() < PER_INTERVAL && !examples.contains(&moment) {
                    examples.push(moment);
                }
            }
            Level { count, examples }
        };
        (0..INTERVALS).rev().map(level).collect()
    }
}

/// Returns lower and upper end of interval `i` of a range, counted from the lowest.
pub(super) fn ends((min, max): (f64, f64), i: usize) -> (f64, f64) {
    let end = |i: usize| min + (max - min) * i as f64 / INTERVALS as f64;
    (end(i), end(i + 1))
}

impl<'a> Column<'a> {
    /// Creates it from the tokens of a chunk, their latents, and the feature's token and entry numbers.
    pub(super) fn new((seen, latents): (&'a [Seen], &'a Latents), at: &'a [(u32, u32)]) -> Self {
        Self { seen, latents, at }
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    pub(super) fn seen(&self, i: usize) -> &'a Seen {
        &self.seen[self.at[i].0 as usize]
    }

    pub(super) fn act(&self, i: usize) -> f32 {
        self.latents.acts[self.at[i].1 as usize]
    }

    /// Calls `count` with each later feature that is active on token `i`, in order.
    pub(super) fn each_later(&self, i: usize, mut count: impl FnMut(u32)) {
        let (token, entry) = self.at[i];
        let rest = entry as usize + 1..self.latents.offsets[token as usize + 1];
        let acts = &self.latents.acts[rest.clone()];
        for (feature, act) in self.latents.features[rest].iter().zip(acts) {
            if *act != 0.0 {
                count(*feature);
            }
        }
    }

    /// Row and position as one number.
    fn place(&self, i: usize) -> u64 {
        let seen = self.seen(i);
        u64::from(seen.row) << 32 | u64::from(seen.position)
    }

    fn moment(&self, i: usize, priority: u64) -> Moment {
        let &Seen { row, position, .. } = self.seen(i);
        let near = |other: &usize| {
            let other = self.seen(*other);
            other.row == row && other.position.abs_diff(position) as usize <= CONTEXT
        };
        let pair = |other: usize| {
            let offset = i64::from(self.seen(other).position) - i64::from(position);
            (offset as i8, self.act(other))
        };
        let before = (0..i).rev().take_while(near);
        let after = (i + 1..self.len()).take_while(near);
        Moment {
            row,
            position,
            act: self.act(i),
            priority,
            around: before.chain(after).map(pair).collect(),
        }
    }
}

/// Writes moments column by column, `whole` with their priorities, which otherwise follow from their places.
fn write_moments(out: &mut Writer, moments: &[&Moment], whole: bool) {
    out.list(moments, |out, moment| {
        out.int(u64::from(moment.row));
        out.int(u64::from(moment.position));
        out.f32(moment.act);
        out.int(moment.around.len() as u64);
        if whole {
            out.u64(moment.priority);
        }
    });
    for (offset, act) in moments.iter().flat_map(|moment| &moment.around) {
        out.0.push(*offset as u8);
        out.f32(*act);
    }
}

fn read_moments(from: &mut Reader<'_>, keys: Keys) -> Option<Vec<Moment>> {
    let mut sizes = Vec::new();
    let mut moments = from.list(|from| {
        let (row, position) = (from.rank()?, from.rank()?);
        let act = from.f32()?;
        sizes.push(from.len()?);
        let priority = match keys.key {
            Some(key) => mix(key ^ (u64::from(row) << 32 | u64::from(position))),
            None => from.u64()?,
        };
        Some(Moment {
            row,
            position,
            act,
            priority,
            around: Box::default(),
        })
    })?;
    for (moment, size) in moments.iter_mut().zip(sizes) {
        let pair = |_| Some((*from.bytes(1)?.first()? as i8, from.f32()?));
        moment.around = (0..size).map(pair).collect::<Option<_>>()?;
    }
    Some(moments)
}

/// A bijection of 64 bits that leaves no pattern (finaliser of SplitMix64).
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
