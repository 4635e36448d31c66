//! Brackets and narrows the place where a predicate of a positive number turns false.

use crate::error::Result;

/// Numbers that are tried together.
const TOGETHER: usize = 4;
/// Rounds of doubling or halving at most.
const OUTWARDS: usize = 4;
/// Rounds at most, narrowing included.
pub(super) const ROUNDS: usize = 9;

/// Neighbours of the place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Largest number below which nothing that was tried breaks; 0 if none holds.
    pub(super) holds: f64,
    /// Smallest number that breaks; none if none does.
    pub(super) breaks: Option<f64>,
}

/// Tries some ascending numbers; none once it was stopped.
type Try<'t> = &'t mut dyn FnMut(&[f64]) -> Result<Option<Vec<bool>>>;

/// Searches from 1 by doubling (or, where 1 breaks, halving), four numbers a round, then divides the gap in five until its width is at most `precision` of its upper
/// end. None if it was stopped.
pub(super) fn search(precision: f64, attempt: Try<'_>) -> Result<Option<Found>> {
    let mut found = Found {
        holds: 0.0,
        breaks: None,
    };
    for round in 0..OUTWARDS {
        let outwards = |i: usize| 2_f64.powi((round * TOGETHER + i) as i32);
        let tried: Vec<f64> = (0..TOGETHER).map(outwards).collect();
        let Some(holding) = attempt(&tried)? else {
            return Ok(None);
        };
        found.narrow(&tried, &holding);
        if found.breaks.is_some() {
            break;
        }
    }
    for round in 0..OUTWARDS {
        if found.holds > 0.0 || found.breaks.is_none() {
            break;
        }
        let inwards = |i: usize| 2_f64.powi(-((round * TOGETHER + i) as i32));
        let tried: Vec<f64> = (1..=TOGETHER).rev().map(inwards).collect();
        let Some(holding) = attempt(&tried)? else {
            return Ok(None);
        };
        found.narrow(&tried, &holding);
    }
    let mut rounds = ROUNDS - OUTWARDS;
    while let Some(breaks) = found.breaks
        && found.holds > 0.0
        && breaks - found.holds > precision * breaks
        && rounds > 0
    {
        rounds -= 1;
        let gap = breaks - found.holds;
        let within = |i: usize| found.holds + gap * i as f64 / (TOGETHER + 1) as f64;
        let tried: Vec<f64> = (1..=TOGETHER).map(within).collect();
        let Some(holding) = attempt(&tried)? else {
            return Ok(None);
        };
        found.narrow(&tried, &holding);
    }
    Ok(Some(found))
}

impl Found {
    /// Takes up ascending numbers that were tried: the first that breaks, and the one before it.
    fn narrow(&mut self, tried: &[f64], holding: &[bool]) {
        for (number, holds) in tried.iter().zip(holding) {
            if !holds {
                self.breaks = Some(*number);
                return;
            }
            self.holds = *number;
        }
    }
}
