//! Container logs as the kubelet lays them out and containerd writes them:
//! `<time> stdout F <line>` in `0.log`, rotated to `0.log.<time>`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The log file of one container.
#[derive(Debug)]
pub struct CriLog {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    batch: Vec<u8>,
}

impl CriLog {
    /// Opens (makes) the log at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        Ok(Self { path: path.to_owned(), file, stamp: Stamp::default(), batch: Vec::new() })
    }

    /// Adds one line (with or without its newline) to the batch.
    pub fn push(&mut self, line: &[u8], now: SystemTime) {
        self.stamp.write(now, &mut self.batch);
        self.batch.extend_from_slice(b" stdout F ");
        self.batch.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        self.batch.push(b'\n');
    }

    /// Bytes in the batch.
    pub fn pending(&self) -> usize {
        self.batch.len()
    }

    /// Writes the batch and returns its size. A batch that cannot be written is dropped.
    pub fn flush(&mut self) -> io::Result<u64> {
        let written = self.file.write_all(&self.batch);
        let bytes = self.batch.len() as u64;
        self.batch.clear();
        written.map(|()| bytes)
    }

    /// Renames the log to `<path>.<time>` and goes on in a new one, as the kubelet has it done.
    pub fn rotate(&mut self, now: SystemTime) -> io::Result<PathBuf> {
        let mut name = self.path.clone().into_os_string();
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        name.push(format!(".{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}"));
        let rotated = PathBuf::from(name);
        fs::rename(&self.path, &rotated)?;
        self.file = append_to(&self.path)?;
        Ok(rotated)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// RFC 3339 times; the part up to the seconds is rendered once a second.
#[derive(Debug, Default)]
struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    fn write(&mut self, now: SystemTime, out: &mut Vec<u8>) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs();
        if self.second != second || self.text.is_empty() {
            let (year, month, day) = civil(second / 86_400);
            let (hour, minute, s) = (second / 3600 % 24, second / 60 % 60, second % 60);
            self.second = second;
            self.text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{s:02}.");
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut digits = *b"000000000Z";
        let mut nanos = since.subsec_nanos();
        for digit in digits[..9].iter_mut().rev() {
            *digit = b'0' + (nanos % 10) as u8;
            nanos /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn times_are_rfc_3339_with_nanoseconds() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (1_767_225_599, 999_999_999, "2025-12-31T23:59:59.999999999Z"),
        ] {
            let mut out = Vec::new();
            Stamp::default().write(at(seconds, nanos), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn rotation_keeps_the_old_lines_and_starts_a_new_file() {
        let dir = std::env::temp_dir().join(format!("evictd-cri-log-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("0.log");
        let mut log = CriLog::open(&path).unwrap();
        log.push(b"one\n", at(951_782_400, 5));
        log.flush().unwrap();
        let rotated = log.rotate(at(951_782_400, 0)).unwrap();
        log.push(b"two", at(951_782_401, 0));
        log.flush().unwrap();

        let text = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(rotated, dir.join("0.log.20000229-000000"));
        assert_eq!(text(&rotated), "2000-02-29T00:00:00.000000005Z stdout F one\n");
        assert_eq!(text(&path), "2000-02-29T00:00:01.000000000Z stdout F two\n");
        fs::remove_dir_all(&dir).unwrap();
    }
}
