//! Tests writing whole or not at all: on a full disk, across disks, through links, into pipes and devices.

use super::*;

fn full(_: &mut dyn Write) -> std::io::Result<()> {
    Err(std::io::Error::new(
        ErrorKind::StorageFull,
        "no space left on device",
    ))
}

/// Returns the names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_failed_write_leaves_the_older_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    write_bytes(&path, b"old").unwrap();
    let refused = write(&path, full).unwrap_err().to_string();
    assert!(
        refused.contains("no space left") && refused.contains("a.json"),
        "{refused}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.json"]);
}

#[test]
fn a_folder_is_filled_from_inside_and_keeps_what_was_there() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("new/sae");
    write_folder(&path, |to| {
        assert!(
            to.starts_with(&path),
            "renames never leave the disk: {to:?}"
        );
        write_bytes(&to.join("a"), b"1")
    })
    .unwrap();
    write_folder(&path, |to| write_bytes(&to.join("b"), b"2")).unwrap();
    assert_eq!(names(&path), ["a", "b"]);
    let refused = write_folder(&path, |to| {
        write_bytes(&to.join("a"), b"3")?;
        write(&to.join("b"), full)
    });
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("new/sae/b") && !said.contains(PREFIX),
        "{said}"
    );
    assert_eq!(std::fs::read(path.join("a")).unwrap(), b"1");
    assert_eq!(names(&path), ["a", "b"]);
    // A folder made for a failed write is removed.
    let other = root.path().join("x/y");
    assert!(write_folder(&other, |_| Err(Error::setting("x", "refused"))).is_err());
    assert_eq!(names(root.path()), ["new"]);
    // No message names a temporary file.
    std::fs::create_dir(path.join("c")).unwrap();
    let said = write_folder(&path, |to| write_bytes(&to.join("c"), b"4"));
    let said = said.unwrap_err().to_string();
    assert!(
        said.contains("is a folder") && said.contains("sae/c"),
        "{said}"
    );
}

#[test]
fn what_can_be_written_is_known_before_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    check(&root.path().join("a/b/c.json")).unwrap();
    check_folder(&root.path().join("a/b")).unwrap();
    assert!(names(root.path()).is_empty());
    let file = root.path().join("file");
    write_bytes(&file, b"a file").unwrap();
    for refused in [
        check(&file.join("a")),
        check_folder(&file),
        check_folder(&file.join("a/b")),
        check(root.path()),
        write_bytes(&file.join("a"), b""),
        write_folder(&file, |_| Ok(())),
    ] {
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(root.path().to_str().unwrap()), "{said}");
        assert!(!said.contains(PREFIX), "{said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
}

#[test]
fn two_spellings_of_a_path_are_one() {
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join("there");
    std::fs::create_dir(&there).unwrap();
    let same = |a: &Path, b: &Path| identity(a) == identity(b);
    assert!(same(&there, &root.path().join("./there/")));
    assert!(same(
        &there.join("new"),
        &root.path().join("there/x/../new/.")
    ));
    assert!(same(Path::new("runs/a"), Path::new("./runs//a/")));
    assert!(!same(&there, &there.join("new")));
    #[cfg(unix)]
    {
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&there, &link).unwrap();
        assert!(same(&there.join("new"), &link.join("new")));
        let nowhere = root.path().join("nowhere");
        std::os::unix::fs::symlink("coming", &nowhere).unwrap();
        assert!(same(&nowhere, &root.path().join("coming")));
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_are_followed_and_stay_links() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("store")).unwrap();
        write_bytes(&at("store/real"), b"old").unwrap();
        std::fs::set_permissions(at("store/real"), std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink("store/real", at("first")).unwrap();
        symlink(at("first"), at("second")).unwrap();
        symlink("store/coming", at("third")).unwrap();
        write_bytes(&at("second"), b"new").unwrap();
        write_bytes(&at("third"), b"newer").unwrap();
        assert_eq!(std::fs::read(at("store/real")).unwrap(), b"new");
        assert_eq!(std::fs::read(at("store/coming")).unwrap(), b"newer");
        for link in ["first", "second", "third"] {
            assert!(at(link).symlink_metadata().unwrap().is_symlink(), "{link}");
        }
        let mode = std::fs::metadata(at("store/real")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "what was private stays private");
        assert!(write(&at("second"), full).is_err());
        assert_eq!(std::fs::read(at("store/real")).unwrap(), b"new");
        assert_eq!(names(&at("store")), ["coming", "real"]);
        symlink(at("ring"), at("ring")).unwrap();
        assert!(write_bytes(&at("ring"), b"").is_err());
    }

    #[test]
    fn a_folder_on_another_disk_and_files_that_lead_there_are_written() {
        let Ok(disk) = tempfile::tempdir_in("/dev/shm") else {
            eprintln!("SKIPPED: there is no second disk at /dev/shm");
            return;
        };
        let root = tempfile::tempdir().unwrap();
        let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
        if device(disk.path()) == device(root.path()) {
            eprintln!("SKIPPED: /dev/shm is no second disk");
            return;
        }
        let out = root.path().join("out");
        symlink(disk.path(), &out).unwrap();
        write_folder(&out, |to| write_bytes(&to.join("a"), b"1")).unwrap();
        assert_eq!(names(disk.path()), ["a"]);
        let here = root.path().join("here");
        std::fs::create_dir(&here).unwrap();
        symlink(disk.path().join("b"), here.join("b")).unwrap();
        write_folder(&here, |to| write_bytes(&to.join("b"), b"2")).unwrap();
        assert_eq!(std::fs::read(disk.path().join("b")).unwrap(), b"2");
        assert!(here.join("b").symlink_metadata().unwrap().is_symlink());
        assert_eq!(names(&here), ["b"]);
    }

    #[test]
    fn pipes_and_devices_get_the_bytes_and_stay_what_they_are() {
        let null = Path::new("/dev/null");
        write_bytes(null, b"nothing").unwrap();
        check(null).unwrap();
        let of = |path: &Path| std::fs::metadata(path).unwrap().file_type();
        assert!(of(null).is_char_device());
        for refused in [
            write_folder(null, |_| Ok(())),
            check_folder(null),
            check_regular(null),
            write_by(null, |_| Ok(true)).map(drop),
        ] {
            let said = refused.unwrap_err().to_string();
            assert!(
                said.contains("a device") && said.contains("/dev/null"),
                "{said}"
            );
        }
        if !Path::new("/dev/full").exists() {
            eprintln!("SKIPPED: there is no /dev/full");
            return;
        }
        let said = write_bytes(Path::new("/dev/full"), b"much").unwrap_err();
        assert!(said.to_string().contains("/dev/full"), "{said}");

        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|made| made.success()) {
            eprintln!("SKIPPED: no mkfifo makes a pipe");
            return;
        }
        check(&pipe).unwrap();
        let read = std::thread::scope(|threads| {
            let reader = threads.spawn(|| std::fs::read(&pipe).unwrap());
            write_bytes(&pipe, b"through").unwrap();
            reader.join().unwrap()
        });
        assert_eq!(read, b"through");
        assert!(of(&pipe).is_fifo());
        assert_eq!(names(root.path()), ["pipe"]);
    }

    #[test]
    fn an_open_file_is_written_where_it_stands() {
        use std::os::fd::AsRawFd as _;

        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let file = File::create(&path).unwrap();
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        if !Path::new(&open).exists() {
            eprintln!("SKIPPED: there is no /proc/self/fd");
            return;
        }
        write_bytes(Path::new(&open), b"one ").unwrap();
        (&file).write_all(b"").unwrap();
        write_bytes(Path::new(&open), b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two");
        assert_eq!(
            file.metadata().unwrap().ino(),
            std::fs::metadata(&path).unwrap().ino()
        );
    }

    #[test]
    fn a_file_whose_folder_takes_no_other_is_written_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("closed");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("a");
        write_bytes(&path, b"a longer text").unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
        if File::create(folder.join("b")).is_ok() {
            eprintln!("SKIPPED: permissions do not bind this user");
        } else {
            check(&path).unwrap();
            assert!(check(&folder.join("c")).is_err());
            write_bytes(&path, b"short").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"short");
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        // `overwrite` by itself, with write permission back.
        overwrite(&path, b"in its place").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"in its place");
    }
}
