//! NumPy's `.npz`: a zip archive of `.npy` arrays, stored or deflated, in C or Fortran order. Objects (pickles) and structured types are rejected.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::array::{Array, Number};
use super::short;
use super::zip::Archive;

/// Largest header in bytes; NumPy itself rejects longer ones.
const LONGEST: usize = 10_000;

/// Ending of an array's name, which NumPy compares case-sensitively.
const END: &str = ".npy";

/// Returns whether an entry of that name is an array.
pub(crate) fn is_array(name: &str) -> bool {
    name.strip_suffix(END).is_some()
}

/// Returns the arrays of a whole file by name, without `.npy`; the error phrase says what is wrong with it.
pub(crate) fn read(file: &[u8]) -> Result<BTreeMap<String, Array<'_>>, String> {
    let archive = Archive::read(file)?;
    let mut arrays = BTreeMap::new();
    // All unpacked bytes together have the bound of one entry.
    let mut unpacked = 0_usize;
    for entry in archive.names() {
        let Some(name) = entry.strip_suffix(END) else {
            continue;
        };
        let bytes = archive.bytes(entry)?;
        if matches!(bytes, Cow::Owned(_)) {
            unpacked = unpacked.saturating_add(bytes.len());
            if unpacked as u64 > 64 * file.len() as u64 + (4 << 20) {
                return Err("its entries unpack to more bytes than any weights have".to_owned());
            }
        }
        let array = array(bytes).map_err(|what| {
            let name = short(name);
            format!("array `{name}` {what}")
        })?;
        arrays.insert(name.to_owned(), array);
    }
    if arrays.is_empty() {
        return Err("it holds no .npy array".to_owned());
    }
    Ok(arrays)
}

fn array(bytes: Cow<'_, [u8]>) -> Result<Array<'_>, String> {
    let head = Head::read(&bytes)?;
    let data = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[head.length..]),
        Cow::Owned(mut bytes) => {
            bytes.drain(..head.length);
            Cow::Owned(bytes)
        }
    };
    if head.fortran {
        Array::fortran(head.number, head.shape, data)
    } else {
        Array::contiguous(head.number, head.shape, data)
    }
}

/// Header before an array's data.
struct Head {
    /// Length in bytes, magic included.
    length: usize,
    number: Number,
    fortran: bool,
    shape: Vec<usize>,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "has no whole .npy header".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(cut)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (length, rest) = match version[0] {
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            other => return Err(format!("is of .npy version {other}")),
        };
        if length > LONGEST {
            return Err(format!("claims a header of {length} bytes"));
        }
        let header = rest.get(..length).ok_or_else(cut)?;
        let header = str::from_utf8(header).ok().ok_or_else(cut)?;
        let mut words = Words(header);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        words.expect('{')?;
        while !words.take('}') {
            let key = words.text()?;
            words.expect(':')?;
            match key {
                "descr" => descr = Some(words.text()?),
                "fortran_order" => fortran = Some(words.truth()?),
                "shape" => shape = Some(words.shape()?),
                other => {
                    let other = short(other);
                    return Err(format!("has `{other}` in its header"));
                }
            }
            words.take(',');
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(cut());
        };
        Ok(Self {
            length: bytes.len() - rest.len() + length,
            number: number(descr)?,
            fortran,
            shape,
        })
    }
}

fn number(descr: &str) -> Result<Number, String> {
    Ok(match descr {
        "<f2" => Number::F16,
        "<f4" => Number::F32,
        "<f8" => Number::F64,
        "|i1" => Number::I8,
        "<i2" => Number::I16,
        "<i4" => Number::I32,
        "<i8" => Number::I64,
        "|u1" => Number::U8,
        "|b1" => Number::Bool,
        other => {
            let other = short(other);
            return Err(format!("is of type `{other}`, save it as <f4"));
        }
    })
}

/// Unread rest of a header, a Python dict of one line.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn take(&mut self, sign: char) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(sign) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("lacks `{sign}` in its header"))
        }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect('\'')?;
        }
        let (text, rest) = self
            .0
            .split_once(quote)
            .ok_or("has an open text in its header")?;
        self.0 = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("has neither True nor False for `fortran_order`".to_owned())
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.take(')') {
            self.0 = self.0.trim_start();
            let digits = self
                .0
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(self.0.len());
            let (number, rest) = self.0.split_at(digits);
            let number = number.parse().ok().ok_or("has an impossible shape")?;
            shape.push(number);
            self.0 = rest;
            if shape.len() > 8 {
                return Err("has more than 8 dimensions".to_owned());
            }
            self.take(',');
        }
        Ok(shape)
    }
}
