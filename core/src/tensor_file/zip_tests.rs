//! Archives written byte by byte, valid ones and ones that lie.

use std::io::Write as _;

use flate2::Crc;
use flate2::write::DeflateEncoder;

use super::zip::Archive;

/// An entry: name, bytes, whether it is deflated.
pub(crate) type Entry<'a> = (&'a str, &'a [u8], bool);

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns an archive as others write it.
pub(crate) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, bytes, deflate) in entries {
        let packed = if *deflate {
            deflated(bytes)
        } else {
            bytes.to_vec()
        };
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut facts = [20_u16, 0, if *deflate { 8 } else { 0 }, 0, 0]
            .map(u16::to_le_bytes)
            .concat();
        for n in [crc.sum(), packed.len() as u32, bytes.len() as u32] {
            facts.extend(n.to_le_bytes());
        }
        facts.extend((name.len() as u16).to_le_bytes());
        let place = file.len() as u32;
        file.extend(b"PK\x03\x04");
        file.extend(&facts);
        file.extend([0, 0]);
        file.extend(name.as_bytes());
        file.extend(&packed);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&facts);
        list.extend([0; 12]);
        list.extend(place.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (count, begin) = (entries.len() as u16, file.len() as u32);
    file.extend(&list);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].map(u16::to_le_bytes).concat());
    file.extend((list.len() as u32).to_le_bytes());
    file.extend(begin.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// Returns `bytes` with `with` written over them at `at`.
pub(crate) fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// Returns the start of the list.
pub(crate) fn list_of(bytes: &[u8]) -> usize {
    bytes
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap()
}

#[test]
fn whole_archives_are_read() {
    let file = archive(&[("a", b"one", false), ("b/c", &[7; 5000], true)]);
    let read = Archive::read(&file).unwrap();
    assert_eq!(read.names().collect::<Vec<_>>(), ["a", "b/c"]);
    assert_eq!(read.stored("a").unwrap(), b"one");
    assert_eq!(*read.bytes("b/c").unwrap(), [7; 5000]);
    assert!(read.stored("b/c").unwrap_err().contains("packed"));
    assert!(read.bytes("d").unwrap_err().contains("no entry `d`"));
    // A comment at the end, and a size of 64 bits.
    let commented = [&patched(&file, file.len() - 2, &[3, 0])[..], b"end"].concat();
    assert_eq!(Archive::read(&commented).unwrap().names().count(), 2);
}

#[test]
fn lying_archives_are_refused() {
    let file = archive(&[("a", b"one", false), ("b", &[7; 5000], true)]);
    let (list, end) = (list_of(&file), file.len() - 22);
    for (bytes, want) in [
        (Vec::new(), "end is missing"),
        (file[..file.len() - 1].to_vec(), "end is missing"),
        (patched(&file, end + 10, &[9, 0]), "cannot hold 9 entries"),
        (
            patched(&file, end + 10, &[0xff; 2]),
            "record of its list is missing",
        ),
        (patched(&file, end + 12, &[0xfe; 4]), "claims 2 entries"),
        (patched(&file, end + 16, &[1]), "list is cut off"),
        (patched(&file, end + 4, &[1]), "several parts"),
        (patched(&file, list + 8, &[1]), "`a` is encrypted"),
        (
            patched(&file, list + 10, &[12]),
            "`a` is packed by method 12",
        ),
        (
            patched(&file, list + 20, &[0xfe; 4]),
            "`a` claims 4278124286 bytes",
        ),
        (patched(&file, list + 20, &[0xff; 4]), "`a` lacks its size"),
        (patched(&file, list + 24, &[2]), "`a` claims 3 bytes"),
        (patched(&file, list + 42, &[5]), "`a` does not lie"),
        (
            archive(&[("a", b"1", false), ("a", b"2", false)]),
            "`a` is listed twice",
        ),
    ] {
        let said = Archive::read(&bytes).unwrap_err();
        assert!(
            said.contains(want) && said.lines().count() == 1,
            "{said} lacks {want}"
        );
    }
    let damaged = patched(&file, 31, b"x");
    let said = Archive::read(&damaged).unwrap().bytes("a").unwrap_err();
    assert!(said.contains("checksum"), "{said}");
}

#[test]
fn what_unpacks_to_far_more_is_refused_before_it_is_unpacked() {
    let bomb = archive(&[("w", &vec![0; 64 << 20], true)]);
    let said = Archive::read(&bomb).unwrap().bytes("w").unwrap_err();
    assert!(said.contains("too much for weights"), "{said}");
    // One that claims to be small, and one that claims to be larger.
    for claim in [100_u32, 70_000] {
        let file = archive(&[("w", &vec![3; 65_536], true)]);
        let lying = patched(&file, list_of(&file) + 24, &claim.to_le_bytes());
        let said = Archive::read(&lying).unwrap().bytes("w").unwrap_err();
        assert!(said.contains("unpacks to"), "{said}");
    }
}
