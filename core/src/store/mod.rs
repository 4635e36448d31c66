//! The activation store: activations (and gradients, if wanted) of chosen hooks over a text, as a folder of safetensors shards with a manifest.
//! Written shard by shard so that a kill costs the unfinished one at most, read row by row from mapped files with every checksum checked.
//! Computes no activation itself: [`crate::capture`] fills a store.
//!
//! # On disk
//! | file | what it is |
//! |---|---|
//! | `manifest.json` | what the store is of ([`Description`]), and the shards that are whole: file, bytes, checksum of the header |
//! | `shard-00000.safetensors` | rows 0 to `shard_rows` − 1: one tensor `[b, t, d]` per hook under its name, its gradient as `grad.HOOK`, and `tokens [b, t]` |
//!
//! A row is one sequence of `t` tokens, the first position included. In each shard's `__metadata__` stands, by tensor, one checksum (XXH3, 64 bits, hex)
//! per row: the manifest vouches for the headers and its own text, the headers vouch for the data. Both files and tensors are read by any safetensors
//! library as they are.

mod format;
mod manifest;
mod reader;
mod shuffle;
#[cfg(test)]
mod tests;
mod writer;

pub use self::format::{Description, Dtype, HookTensor, SEPARATE_DOCUMENTS};
pub(crate) use self::manifest::{is_in, is_of_store};
pub use self::reader::{Damage, Store, Verified};
pub use self::shuffle::Order;
pub use self::writer::{Piece, Writer};
