//! Evaluation: what dictionaries are worth, one file per panel of the screen. Kept numbers of dictionaries are in the catalogue.

pub(crate) mod tab;
