//! A run: one dictionary or several that are trained together, the curves of each and how each ended.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::sae::Sae;
use umbra_core::train::{Point, Spec};
use umbra_core::workbench::training::OnError;

use super::{Browsed, Ranking, Source};
use crate::state::jobs::JobId;

/// Dictionaries trained together at most, as many as there are colours for lines.
pub(crate) const TOGETHER: usize = 5;

/// Points of one curve: activations seen, value.
pub(crate) type Points = Vec<[f64; 2]>;

/// The curves of a run, one point per report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Curves {
    /// Normalised squared error plus AuxK's part.
    pub(crate) loss: Points,
    /// Fraction of variance unexplained.
    pub(crate) fvu: Points,
    /// Active features per token.
    pub(crate) l0: Points,
    /// Share of dead features.
    pub(crate) dead: Points,
    /// Activations per second.
    pub(crate) speed: Points,
}

/// Points kept per curve; beyond that, every second point is dropped.
const POINTS: usize = 20_000;

impl Curves {
    /// The curves of a run that was recorded.
    pub(crate) fn from_points(points: &[Point]) -> Self {
        let mut curves = Self::default();
        for at in points {
            curves.push(at);
        }
        curves
    }

    fn push(&mut self, at: &Point) {
        let x = at.tokens_seen as f64;
        let told = at.tokens_per_second > 0.0;
        let speed = if told { at.tokens_per_second } else { f64::NAN };
        for (curve, value) in [
            (&mut self.loss, at.loss),
            (&mut self.fvu, at.fvu),
            (&mut self.l0, at.l0),
            (&mut self.dead, at.dead_fraction),
            (&mut self.speed, speed),
        ] {
            // A run that goes on from a checkpoint does again what it had done beyond it.
            curve.truncate(curve.partition_point(|before| before[0] < x));
            if value.is_finite() {
                curve.push([x, value]);
            }
            if curve.len() > POINTS {
                let mut keep = false;
                curve.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
    }
}

/// Outcome of training one dictionary.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// The dictionary is on disk.
    Saved {
        /// Its folder.
        folder: PathBuf,
        /// Activations seen.
        tokens_seen: u64,
        /// Whether a person stopped it.
        stopped: bool,
        /// Whether a checkpoint is left to go on from.
        checkpoint: bool,
    },
    /// The dictionary was trained but could not be written; it is kept here.
    Unsaved {
        /// The dictionary.
        sae: Arc<Sae>,
        /// Folder it should be saved in.
        folder: PathBuf,
        /// One sentence.
        why: String,
    },
    /// The run failed.
    Failed {
        /// One sentence.
        why: String,
        /// Whether a checkpoint is left to go on from.
        checkpoint: bool,
    },
}

impl Ended {
    /// Whether it can go on.
    pub(crate) fn checkpoint(&self) -> bool {
        match self {
            Self::Saved { checkpoint, .. } | Self::Failed { checkpoint, .. } => *checkpoint,
            Self::Unsaved { .. } => false,
        }
    }
}

/// One dictionary of a run.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its settings.
    pub(crate) spec: Spec,
    /// The curves so far.
    pub(crate) curves: Curves,
    /// Densities of its features.
    pub(crate) ranking: Option<Arc<Ranking>>,
    /// Tokens that its features fire on.
    pub(crate) browsed: Option<Arc<Browsed>>,
    /// The latest report of a step.
    pub(crate) last: Option<Point>,
    /// Its notes.
    pub(crate) notes: Vec<String>,
    /// Outcome; none while it is trained.
    pub(crate) ended: Option<Ended>,
}

impl Member {
    /// One that has not begun.
    pub(crate) fn new(name: String, folder: PathBuf, spec: Spec) -> Self {
        Self {
            name,
            folder,
            spec,
            curves: Curves::default(),
            ranking: None,
            browsed: None,
            last: None,
            notes: vec![],
            ended: None,
        }
    }

    /// Activations seen.
    pub(crate) fn seen(&self) -> u64 {
        self.last.map_or(0, |last| last.tokens_seen)
    }

    /// Applies a report of the run's job.
    pub(super) fn apply(&mut self, said: Said) {
        match said {
            Said::Progress(progress) if progress.step > 0 => {
                self.curves.push(&progress);
                self.last = Some(progress);
            }
            Said::Progress(_) => {}
            Said::Ranked(ranking) => self.ranking = Some(ranking),
            Said::Browsed(browsed) => self.browsed = Some(browsed),
            Said::Note(note) => self.notes.push(note),
            Said::Ended(ended) => self.ended = Some(ended),
        }
    }
}

/// A report of a run's job on one of its dictionaries.
#[derive(Debug)]
pub(crate) enum Said {
    /// One more point of the curves.
    Progress(Point),
    /// Densities of the features.
    Ranked(Arc<Ranking>),
    /// Tokens that the features fire on now.
    Browsed(Arc<Browsed>),
    /// A sentence.
    Note(String),
    /// Training ended.
    Ended(Ended),
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its job.
    pub(crate) job: JobId,
    /// Its source.
    pub(crate) source: Source,
    /// Its dictionaries, one at least; they see the same activations.
    pub(crate) members: Vec<Member>,
    /// Part of a dictionary's error that they read in place of the activation.
    pub(crate) on: Option<OnError>,
    /// The one whose densities and features are shown.
    pub(crate) shown: usize,
}

impl Run {
    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.members.iter().any(|member| member.ended.is_none())
    }

    /// The dictionary whose densities and features are shown.
    pub(crate) fn shown(&self) -> Option<&Member> {
        self.members.get(self.shown)
    }

    /// A dictionary that was trained and is not written.
    pub(crate) fn unsaved(&self) -> Option<&Member> {
        let is_unsaved = |ended: &Ended| matches!(ended, Ended::Unsaved { .. });
        let mut members = self.members.iter();
        members.find(|member| member.ended.as_ref().is_some_and(is_unsaved))
    }

    /// Whether it has ended and left a checkpoint to go on from.
    pub(crate) fn can_go_on(&self) -> bool {
        let ended = self
            .members
            .iter()
            .filter_map(|member| member.ended.as_ref());
        !self.is_running() && ended.into_iter().any(Ended::checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_bounded_and_keep_their_order() {
        let mut curves = Curves::default();
        for step in 0..50_000_u64 {
            curves.push(&Point {
                tokens_seen: step,
                loss: 1.0,
                fvu: f64::NAN,
                ..Point::default()
            });
        }
        assert!(curves.loss.len() <= POINTS, "{}", curves.loss.len());
        assert!(curves.loss.is_sorted_by(|a, b| a[0] < b[0]));
        assert!(curves.fvu.is_empty());
    }

    #[test]
    fn a_run_that_goes_on_draws_over_what_it_does_again() {
        let point = |step: u64, loss: f64| Point {
            step,
            tokens_seen: step * 10,
            loss,
            ..Point::default()
        };
        let first: Vec<Point> = (1..=5).map(|step| point(step, 1.0)).collect();
        let mut curves = Curves::from_points(&first);
        curves.push(&point(4, 0.5));
        let ends = [[10.0, 1.0], [20.0, 1.0], [30.0, 1.0], [40.0, 0.5]];
        assert_eq!(curves.loss, ends);
    }
}
