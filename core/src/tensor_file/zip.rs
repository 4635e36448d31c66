//! Entries of a zip archive, as PyTorch and NumPy write it. Every number is checked against the file's length, and no entry is read before it is requested.
//! Entries are stored or deflated; encryption and split archives are unsupported. This module does not interpret the entries.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::short;

/// Bytes of the record that ends an archive, and of the longest comment after it.
const END: usize = 22;
const COMMENT: usize = u16::MAX as usize;
/// Bytes of an entry's record in the list, and before its data, without names.
const LISTED: usize = 46;
const LOCAL: usize = 30;
/// Largest number of entries; no checkpoint has more.
const ENTRIES: usize = 1 << 20;
/// Largest factor, and margin, by which a deflated entry may grow: weights compress less, a zip bomb more.
const RATIO: u64 = 64;
const SLACK: u64 = 4 << 20;

/// Place of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    deflated: bool,
    crc: u32,
    /// First byte of the data, and their number in the file.
    begin: usize,
    packed: usize,
    /// Number of unpacked bytes.
    size: usize,
}

/// An archive in memory or mapped.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    file: &'a [u8],
    entries: BTreeMap<String, Entry>,
}

impl<'a> Archive<'a> {
    /// Returns whether `file` starts as an archive does.
    pub(crate) fn detect(file: &[u8]) -> bool {
        file.starts_with(b"PK\x03\x04")
    }

    /// Reads the list of entries; the error phrase says what is wrong with it.
    pub(crate) fn read(file: &'a [u8]) -> Result<Self, String> {
        let (count, size, begin) = list(file)?;
        if count > ENTRIES || count.saturating_mul(LISTED) > size {
            return Err(format!(
                "its list of {size} bytes cannot hold {count} entries"
            ));
        }
        let list = begin
            .checked_add(size)
            .and_then(|end| file.get(begin..end))
            .ok_or_else(|| {
                format!(
                    "its list lies at byte {begin} of a file of {} bytes",
                    file.len()
                )
            })?;
        let mut entries = BTreeMap::new();
        let mut rest = list;
        for _ in 0..count {
            let (name, entry, behind) = listed(file, rest)?;
            rest = behind;
            if entries.contains_key(&name) {
                return Err(format!("its entry `{}` is listed twice", short(&name)));
            }
            entries.insert(name, entry);
        }
        Ok(Self { file, entries })
    }

    /// Returns the names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns the bytes of a stored entry after testing its checksum.
    pub(crate) fn stored(&self, name: &str) -> Result<&'a [u8], String> {
        let entry = self.entry(name)?;
        if entry.deflated {
            return Err(format!("its entry `{}` is packed", short(name)));
        }
        let bytes = self.packed(entry);
        test(name, entry, bytes)?;
        Ok(bytes)
    }

    /// Returns the unpacked bytes of an entry after testing its checksum.
    pub(crate) fn bytes(&self, name: &str) -> Result<Cow<'a, [u8]>, String> {
        let entry = self.entry(name)?;
        if !entry.deflated {
            return Ok(Cow::Borrowed(self.stored(name)?));
        }
        let bytes = inflated(self.packed(entry), entry.size)
            .map_err(|what| format!("its entry `{}` {what}", short(name)))?;
        test(name, entry, &bytes)?;
        Ok(Cow::Owned(bytes))
    }

    fn entry(&self, name: &str) -> Result<&Entry, String> {
        let entry = self.entries.get(name);
        entry.ok_or_else(|| format!("it has no entry `{}`", short(name)))
    }

    fn packed(&self, entry: &Entry) -> &'a [u8] {
        let bytes = self.file.get(entry.begin..entry.begin + entry.packed);
        bytes.unwrap_or_default()
    }
}

/// Tests the checksum of `bytes`, where there is one: PyTorch can omit it, which is a 0.
fn test(name: &str, entry: &Entry, bytes: &[u8]) -> Result<(), String> {
    let mut crc = Crc::new();
    crc.update(bytes);
    if entry.crc == 0 || crc.sum() == entry.crc {
        return Ok(());
    }
    let name = short(name);
    Err(format!(
        "its entry `{name}` is damaged, its checksum does not match"
    ))
}

/// Unpacks deflated bytes, which must give `size` bytes.
fn inflated(packed: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let most = RATIO * packed.len() as u64 + SLACK;
    if size as u64 > most {
        return Err(format!(
            "claims to unpack from {} to {size} bytes, too much for weights",
            packed.len()
        ));
    }
    let mut bytes = Vec::new();
    // One byte more than claimed, to see that there is none.
    let read = DeflateDecoder::new(packed)
        .take(size as u64 + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(read) if read == size => Ok(bytes),
        Ok(read) => Err(format!(
            "unpacks to {} bytes and not to {size}",
            if read > size {
                "more".to_owned()
            } else {
                read.to_string()
            }
        )),
        Err(_damaged) => Err("cannot be unpacked, it is damaged".to_owned()),
    }
}

/// Returns the number of entries, the bytes of their list and its start.
fn list(file: &[u8]) -> Result<(usize, usize, usize), String> {
    let least = file.len().saturating_sub(END + COMMENT);
    let end = file
        .len()
        .checked_sub(END)
        .and_then(|last| {
            (least..=last)
                .rev()
                .find(|at| file[*at..].starts_with(b"PK\x05\x06"))
        })
        .ok_or("its end is missing, it is cut off")?;
    let record = &file[end..];
    let parts = [u16_at(record, 4), u16_at(record, 6)];
    let (count, size, begin) = (
        u64::from(u16_at(record, 10)),
        u64::from(u32_at(record, 12)),
        u64::from(u32_at(record, 16)),
    );
    let big = count == 0xffff || size == 0xffff_ffff || begin == 0xffff_ffff;
    let (count, size, begin) = if big {
        list_of_64_bits(file, end)?
    } else if parts == [0, 0] {
        (count, size, begin)
    } else {
        return Err("it is one of an archive's several parts".to_owned());
    };
    let whole = |n: u64| usize::try_from(n).ok().filter(|n| *n <= file.len());
    match (whole(count), whole(size), whole(begin)) {
        (Some(count), Some(size), Some(begin)) => Ok((count, size, begin)),
        _ => Err(format!(
            "its list claims {count} entries and {size} bytes from byte {begin}, the file has {}",
            file.len()
        )),
    }
}

/// Returns number, bytes and start for an archive beyond 4 GiB, which states them in a record of its own.
fn list_of_64_bits(file: &[u8], end: usize) -> Result<(u64, u64, u64), String> {
    let cut = || "the record of its list is missing, it is cut off".to_owned();
    let locator = end.checked_sub(20).map(|at| &file[at..]).ok_or_else(cut)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Err(cut());
    }
    let record = usize::try_from(u64_at(locator, 8))
        .ok()
        .and_then(|at| file.get(at..))
        .filter(|record| record.len() >= 56 && record.starts_with(b"PK\x06\x06"))
        .ok_or_else(cut)?;
    Ok((u64_at(record, 32), u64_at(record, 40), u64_at(record, 48)))
}

/// Returns the first entry of `list`, and the rest.
fn listed<'a>(file: &[u8], list: &'a [u8]) -> Result<(String, Entry, &'a [u8]), String> {
    let cut = || "its list is cut off".to_owned();
    if list.len() < LISTED || !list.starts_with(b"PK\x01\x02") {
        return Err(cut());
    }
    let lengths = [28, 30, 32].map(|at| usize::from(u16_at(list, at)));
    let [name, extra, comment] = lengths;
    let rest = &list[LISTED..];
    if rest.len() < name + extra + comment {
        return Err(cut());
    }
    let (name, rest) = rest.split_at(name);
    let (extra, rest) = rest.split_at(extra);
    let name = String::from_utf8_lossy(name).into_owned();
    let wrong = |what: String| format!("its entry `{}` {what}", short(&name));
    if u16_at(list, 8) & 1 != 0 {
        return Err(wrong("is encrypted".to_owned()));
    }
    let deflated = match u16_at(list, 10) {
        0 => false,
        8 => true,
        other => return Err(wrong(format!("is packed by method {other}"))),
    };
    let claimed = [20, 24, 42].map(|at| u64::from(u32_at(list, at)));
    let [packed, size, local] =
        widened(claimed, extra).ok_or_else(|| wrong("lacks its size".to_owned()))?;
    let outside = || {
        wrong(format!(
            "claims {packed} bytes from byte {local}, the file has {}",
            file.len()
        ))
    };
    let whole = |n: u64| usize::try_from(n).ok().ok_or_else(outside);
    let (packed, size, local) = (whole(packed)?, whole(size)?, whole(local)?);
    let header = file.get(local..).ok_or_else(outside)?;
    if header.len() < LOCAL || !header.starts_with(b"PK\x03\x04") {
        return Err(wrong("does not lie where the list says".to_owned()));
    }
    let before = LOCAL + usize::from(u16_at(header, 26)) + usize::from(u16_at(header, 28));
    let begin = local + before;
    let end = begin.checked_add(packed).filter(|end| *end <= file.len());
    if end.is_none() || (!deflated && packed != size) {
        return Err(outside());
    }
    let crc = u32_at(list, 16);
    let entry = Entry {
        deflated,
        crc,
        begin,
        packed,
        size,
    };
    Ok((name, entry, &rest[comment..]))
}

/// Returns packed size, size and place: those that do not fit 32 bits are in a field of 64 bits, size first.
fn widened([packed, size, local]: [u64; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    const TOO_BIG: u64 = 0xffff_ffff;
    let mut field: &[u8] = &[];
    while extra.len() >= 4 {
        let length = usize::from(u16_at(extra, 2));
        let body = extra.get(4..4 + length)?;
        if u16_at(extra, 0) == 1 {
            field = body;
        }
        extra = &extra[4 + length..];
    }
    let mut next = |n: u64| {
        if n != TOO_BIG {
            return Some(n);
        }
        let (number, rest) = field.split_first_chunk()?;
        field = rest;
        Some(u64::from_le_bytes(*number))
    };
    let size = next(size)?;
    let packed = next(packed)?;
    Some([packed, size, next(local)?])
}

fn at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    // Callers have checked the record's length.
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes(at(bytes, place))
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_le_bytes(at(bytes, place))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(at(bytes, place))
}
