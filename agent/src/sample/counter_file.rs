//! Kernel counters in text files: opened once, re-read in place.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// Room for the longest file read: `memory.stat` of a v1 cgroup is about 2 KiB, `/proc/meminfo` 1.6.
const BUFFER: usize = 8192;

/// One text file of counters. Reading allocates nothing.
#[derive(Debug)]
pub struct CounterFile(OwnedFd);

impl CounterFile {
    /// Opens the file at `path`, relative to `dir` unless absolute.
    pub fn open_at(dir: impl AsFd, path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(dir, path.as_ref(), flags, Mode::empty())?))
    }

    /// Opens the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(rustix::fs::CWD, path)
    }

    /// Reads the whole file and gives its text to `parse`. `None` if it cannot be read (its cgroup
    /// may be gone) or `parse` finds nothing.
    pub fn read<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut buffer = [0_u8; BUFFER];
        let mut len = 0;
        while len < BUFFER {
            match rustix::io::pread(&self.0, &mut buffer[len..], len as u64) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        // Cut in the middle of a value, it would be wrong rather than unknown.
        let text = str::from_utf8(buffer.get(..len)?).ok()?;
        let whole = if len == BUFFER { &text[..=text.rfind('\n')?] } else { text };
        parse(whole)
    }

    /// A file that holds one number; `max` (no limit) is `u64::MAX`.
    pub fn number(&self) -> Option<u64> {
        self.read(|text| match text.trim_ascii() {
            "max" => Some(u64::MAX),
            digits => digits.parse().ok(),
        })
    }
}

/// The number after `key` in lines of `key value …`; the key includes a colon where the file has one.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next()? == key { words.next()?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn numbers_are_read_again_in_place() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("memory.max");
        for (text, expected) in [
            ("4096\n", Some(4096)),
            ("max\n", Some(u64::MAX)),
            ("\n", None),
            ("-1\n", None),
            ("18446744073709551615\n", Some(u64::MAX)),
        ] {
            fs::write(&path, text).expect("write");
            let file = CounterFile::open(&path).expect("open");
            assert_eq!(file.number(), expected, "{text:?}");
            fs::write(&path, "7\n").expect("write");
            assert_eq!(file.number(), Some(7));
        }
    }

    #[test]
    fn keys_match_whole_words() {
        let text = "file 1\ninactive_file 2\ntotal_inactive_file 3\nMemFree:   4 kB\n";
        for (key, expected) in [
            ("inactive_file", Some(2)),
            ("total_inactive_file", Some(3)),
            ("MemFree:", Some(4)),
            ("inactive", None),
        ] {
            assert_eq!(keyed(text, key), expected, "{key}");
        }
    }
}
