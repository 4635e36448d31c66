//! Size and number of the stored pictures.

use std::path::Path;

use umbra_tests::{names, repository};

/// Most stored pictures, and their bytes together.
const PICTURES: (usize, u64) = (90, 15 << 19);

/// Checks the paths and sizes of the stored pictures.
fn pictures_are_few_and_small(files: &[(String, u64)]) -> Vec<String> {
    let (most, most_bytes) = PICTURES;
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let mut found = Vec::new();
    if files.len() > most {
        found.push(format!("{} pictures, {most} at most", files.len()));
    }
    if bytes > most_bytes {
        found.push(format!(
            "the pictures have {bytes} bytes, {most_bytes} at most"
        ));
    }
    let foreign = (files.iter()).filter(|(path, _)| {
        Path::new(path)
            .extension()
            .is_none_or(|ending| ending != "png")
    });
    found.extend(foreign.map(|(path, _)| format!("{path} is no picture")));
    found
}

#[test]
fn stored_pictures_are_few_and_small() {
    let folder = repository().join("app/tests/snapshots");
    let mut files = Vec::new();
    for part in names(&folder) {
        for name in names(&folder.join(&part)) {
            let left = [".new.png", ".old.png", ".diff.png"];
            if !left.iter().any(|ending| name.ends_with(ending)) {
                files.push((
                    format!("{part}/{name}"),
                    folder.join(&part).join(&name).metadata().unwrap().len(),
                ));
            }
        }
    }
    assert_eq!(pictures_are_few_and_small(&files), [""; 0]);
    let one = |bytes| vec![("widgets/a.dark.png".to_owned(), bytes)];
    for (breach, named) in [
        (one(PICTURES.1 + 1), "bytes"),
        (
            vec![("widgets/a.png".to_owned(), 1); PICTURES.0 + 1],
            "pictures, ",
        ),
        (vec![("widgets/a.txt".to_owned(), 1)], "a.txt"),
    ] {
        let found = pictures_are_few_and_small(&breach);
        assert!(found.iter().any(|why| why.contains(named)), "{found:?}");
    }
}
