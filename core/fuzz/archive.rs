//! A zip archive of stored entries without checksums, which the readers take for archives whose writer left them out.

/// The archive of `entries`, name and bytes.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let mut facts = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let size = (bytes.len() as u32).to_le_bytes();
        facts.extend([size, size].concat());
        facts.extend((name.len() as u16).to_le_bytes());
        let place = (file.len() as u32).to_le_bytes();
        file.extend([b"PK\x03\x04", &facts[..], &[0, 0], name.as_bytes(), &bytes[..]].concat());
        list.extend([b"PK\x01\x02\x14\0", &facts[..], &[0; 12], &place, name.as_bytes()].concat());
    }
    let (count, begin) = ((entries.len() as u16).to_le_bytes(), (file.len() as u32).to_le_bytes());
    let size = (list.len() as u32).to_le_bytes();
    [&file[..], &list, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &begin, &[0, 0]].concat()
}
