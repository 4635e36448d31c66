//! Benchmarks of dictionaries that need no judge, as SAEBench 0.6.0 and the papers behind it define them; each figure with a seed and an interval.
//!
//! | part | what it holds |
//! |---|---|
//! | [`absorption`] | words on which a feature of their first letter is silent, since another one stands in |
//! | [`disentangle`] | whether a few features carry one attribute of an entity and no other |
//! | [`consistency`] | how far the features of one seed are found again by another |
//! | [`estimate`] | means with intervals |

pub mod absorption;
pub mod consistency;
pub mod disentangle;
pub mod estimate;
mod regression;
