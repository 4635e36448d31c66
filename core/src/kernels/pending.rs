//! Results that lie on a device until they are read: several of them with one wait.

use std::ops::Range;

use crate::device::{Buffer, Gpu};
use crate::error::Result;

/// A result on a device.
pub(crate) trait Pending {
    /// Result on the host.
    type Value;

    /// Appends the parts of buffers that hold the result.
    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>);

    /// Makes the result from the words of its parts, taken from `read` in the order of [`Pending::parts`].
    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value;
}

/// Reads `pending` after all submitted work, with one wait; pairs, options and lists of results are results too.
pub(crate) fn read<P: Pending + ?Sized>(gpu: &Gpu, pending: &P) -> Result<P::Value> {
    let mut parts = Vec::new();
    pending.parts(&mut parts);
    let read = gpu.read_all::<u32>(&parts)?;
    Ok(pending.join(&mut read.into_iter()))
}

impl<P: Pending + ?Sized> Pending for &P {
    type Value = P::Value;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        (**self).parts(into);
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> P::Value {
        (**self).join(read)
    }
}

impl<A: Pending, B: Pending> Pending for (A, B) {
    type Value = (A::Value, B::Value);

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        self.0.parts(into);
        self.1.parts(into);
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        let first = self.0.join(read);
        (first, self.1.join(read))
    }
}

impl<P: Pending> Pending for Option<P> {
    type Value = Option<P::Value>;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        if let Some(pending) = self {
            pending.parts(into);
        }
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        self.as_ref().map(|pending| pending.join(read))
    }
}

impl<P: Pending> Pending for [P] {
    type Value = Vec<P::Value>;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        for pending in self {
            pending.parts(into);
        }
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        self.iter().map(|pending| pending.join(read)).collect()
    }
}

/// All words of a buffer, as u32.
#[derive(Debug, Clone)]
pub(crate) struct Words(pub(crate) Buffer);

impl Pending for Words {
    type Value = Vec<u32>;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        into.push((&self.0, 0..self.0.len()));
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        read.next().unwrap_or_default()
    }
}

/// All words of a buffer, as f32.
#[derive(Debug, Clone)]
pub(crate) struct Floats(pub(crate) Buffer);

impl Pending for Floats {
    type Value = Vec<f32>;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        into.push((&self.0, 0..self.0.len()));
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        floats(read.next())
    }
}

/// Words as f32.
pub(crate) fn floats(words: Option<Vec<u32>>) -> Vec<f32> {
    let words = words.unwrap_or_default().into_iter();
    words.map(f32::from_bits).collect()
}
