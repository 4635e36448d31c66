//! Texts that train and texts that test, drawn within every group.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};

/// Texts of a group below which it is not split.
pub const LEAST_TEXTS: usize = 5;

/// Texts that train, and texts that test, each in a drawn order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Texts that train.
    pub train: Vec<usize>,
    /// Texts that test.
    pub test: Vec<usize>,
}

impl Split {
    /// Draws the `test_share` of every group: `groups` holds the group of each text, `names` the names of the groups.
    ///
    /// # Errors
    /// A group with fewer than [`LEAST_TEXTS`] texts, and a share that is none.
    pub fn new(groups: &[usize], names: &[String], (test_share, seed): (f64, u64)) -> Result<Self> {
        if !(test_share > 0.0 && test_share < 1.0) {
            let what = format!(
                "{test_share} is no share of texts that test: give a number between 0 and 1"
            );
            return Err(Error::setting("test share", what));
        }
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut split = Self {
            train: Vec::new(),
            test: Vec::new(),
        };
        for (group, name) in names.iter().enumerate() {
            let mut texts: Vec<usize> = (0..groups.len())
                .filter(|text| groups[*text] == group)
                .collect();
            if texts.len() < LEAST_TEXTS {
                let what = format!(
                    "{name} has {} texts: give {LEAST_TEXTS} or more, so that some can test",
                    texts.len()
                );
                return Err(Error::setting("labelled", what));
            }
            texts.shuffle(&mut chance);
            let test = (test_share * texts.len() as f64).round() as usize;
            let test = test.clamp(1, texts.len() - 1);
            split.test.extend(texts.drain(..test));
            split.train.extend(texts);
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_gives_its_share_and_the_seed_decides() {
        let groups: Vec<usize> = (0..60).map(|i| usize::from(i % 3 == 0)).collect();
        let names = ["a".to_owned(), "b".to_owned()];
        let split = Split::new(&groups, &names, (0.2, 4)).unwrap();
        let of = |texts: &[usize], group| texts.iter().filter(|t| groups[**t] == group).count();
        assert_eq!((of(&split.test, 0), of(&split.test, 1)), (8, 4));
        let mut all = [split.train.clone(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
        assert_eq!(split, Split::new(&groups, &names, (0.2, 4)).unwrap());
        assert_ne!(split, Split::new(&groups, &names, (0.2, 5)).unwrap());
        let few = Split::new(&groups[..12], &names, (0.2, 4)).unwrap_err();
        assert!(few.to_string().contains("b has 4 texts"));
        assert!(Split::new(&groups, &names, (1.0, 4)).is_err());
    }
}
