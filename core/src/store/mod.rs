//! Activation store: activations, and gradients if asked for, of chosen hooks over a text, as a folder of safetensors shards with a manifest. Shards are
//! written one by one, so killing the program costs at most the unfinished one; rows are read from mapped files and checked. [`crate::capture`] computes the
//! activations and fills a store.
//!
//! # On disk
//! | file | what it is |
//! |---|---|
//! | `manifest.json` | description of the store ([`Description`]) and its complete shards: file, bytes, checksum of the header |
//! | `shard-00000.safetensors` | rows 0 to `shard_rows` − 1: one tensor `[b, t, d]` per hook under its name, its gradient as `grad.HOOK`, and `tokens [b, t]` |
//!
//! A row is one sequence of `t` tokens, the first position included. The `__metadata__` of a shard holds, by tensor, one checksum per row (XXH3, 64 bits, hex):
//! the manifest covers the headers and its own text, the headers cover the data. Any safetensors library reads the files and tensors as they are.

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
