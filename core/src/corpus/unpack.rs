//! Reads a file and decompresses it on the way. The output is compared with the available memory as it grows, so that a small file that unpacks to terabytes
//! ends in an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::kind::Packing;
use crate::device::check_room;
use crate::error::{Error, Result};

/// Bytes between two checks of the available memory.
const LOOK_EVERY: u64 = 64 << 20;
/// Bytes read at a time.
const PIECE: usize = 1 << 16;

/// Bytes of a file, decompressed.
pub(super) struct Unpacked<'a> {
    reader: Box<dyn BufRead + 'a>,
    path: &'a Path,
    packing: Packing,
    /// Bytes read in all, and the value at the last memory check.
    read: u64,
    looked: u64,
    begun: bool,
}

impl<'a> Unpacked<'a> {
    /// Opens `path` and skips a byte-order mark.
    pub(super) fn open(path: &'a Path, packing: Packing) -> Result<Self> {
        let failed = |source| Error::io("cannot read the file", path, source);
        let file = BufReader::with_capacity(PIECE, File::open(path).map_err(failed)?);
        let reader: Box<dyn BufRead> = match packing {
            Packing::None => Box::new(file),
            Packing::Gzip => Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(file))),
            Packing::Zstd => zstd(file, path)?,
        };
        Ok(Self {
            reader,
            path,
            packing,
            read: 0,
            looked: 0,
            begun: false,
        })
    }

    /// Returns the buffered bytes, empty at the end of the file; [`Self::consume`] removes them.
    pub(super) fn fill(&mut self) -> Result<&[u8]> {
        if self.read >= self.looked + LOOK_EVERY {
            self.looked = self.read;
            // A second copy of the text exists while it grows and while it is tokenized.
            check_room(self.read + LOOK_EVERY, || {
                format!(
                    "more than {} bytes of text in {}",
                    self.read,
                    self.path.display()
                )
            })?;
        }
        if !self.begun {
            self.begun = true;
            self.pass_mark()?;
        }
        let (path, packing) = (self.path, self.packing);
        retried(&mut self.reader).map_err(|e| broken(path, packing, e))
    }

    /// Skips a byte-order mark.
    fn pass_mark(&mut self) -> Result<()> {
        const MARK: &[u8] = "\u{feff}".as_bytes();
        let (path, packing) = (self.path, self.packing);
        let failed = |e| broken(path, packing, e);
        let there = retried(&mut self.reader).map_err(failed)?;
        if there.len() >= MARK.len() {
            let mark = if there.starts_with(MARK) {
                MARK.len()
            } else {
                0
            };
            self.reader.consume(mark);
            return Ok(());
        }
        // A pipe may deliver single bytes.
        let mut head = Vec::new();
        let mut first = (&mut self.reader).take(MARK.len() as u64);
        first.read_to_end(&mut head).map_err(failed)?;
        if head != MARK {
            let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
            self.reader = Box::new(Read::chain(io::Cursor::new(head), rest));
        }
        Ok(())
    }

    /// Removes `bytes` bytes from the buffer.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.read += bytes as u64;
        self.reader.consume(bytes);
    }

    /// Reads the rest.
    pub(super) fn rest(mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.fill()?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(piece);
            let taken = piece.len();
            self.consume(taken);
        }
    }
}

#[cfg(feature = "zstd")]
fn zstd<'a>(file: BufReader<File>, path: &Path) -> Result<Box<dyn BufRead + 'a>> {
    let unpacked = zstd::stream::read::Decoder::with_buffer(file)
        .map_err(|source| Error::io("cannot read the file", path, source))?;
    Ok(Box::new(BufReader::with_capacity(PIECE, unpacked)))
}

#[cfg(not(feature = "zstd"))]
fn zstd<'a>(_: BufReader<File>, path: &Path) -> Result<Box<dyn BufRead + 'a>> {
    Err(Error::left_out(
        format!("unpacking the zstd file {}", path.display()),
        "zstd",
    ))
}

/// Fills a buffer, again if a signal interrupted it.
fn retried<'b>(reader: &'b mut Box<dyn BufRead + '_>) -> io::Result<&'b [u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    reader.fill_buf()
}

fn broken(path: &Path, packing: Packing, source: io::Error) -> Error {
    let kind = match packing {
        Packing::None => return Error::io("cannot read the file", path, source),
        Packing::Gzip => "gzip",
        Packing::Zstd => "zstd",
    };
    let what = format!("is not a complete {kind} file ({source}): copy or download it again");
    Error::input(what, path)
}
