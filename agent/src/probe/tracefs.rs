//! The fields of tracepoint records, as tracefs describes them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Where tracefs is mounted, the usual place first.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// A load-time global of the BPF object and the field of a tracepoint's record that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the global.
    pub global: &'static str,
    name: &'static str,
    /// Bytes that the program reads.
    size: u64,
    optional: bool,
}

impl Field {
    /// A field that the program cannot do without, of `size` bytes.
    pub const fn need(global: &'static str, name: &'static str, size: u64) -> Self {
        Self { global, name, size, optional: false }
    }

    /// A field that some kernels do not have; the global stays 0 there.
    pub const fn want(global: &'static str, name: &'static str, size: u64) -> Self {
        Self { optional: true, ..Self::need(global, name, size) }
    }
}

/// Why a tracepoint cannot be used.
#[derive(Debug, Error)]
pub enum TracefsError {
    /// There is no tracefs to look into.
    #[error("no tracefs: it is mounted at none of {}", PLACES.join(", "))]
    NotMounted,
    /// The tracepoint is not there, or its description cannot be read.
    #[error("no tracepoint {event}: {path}: {source}", path = path.display())]
    NoEvent {
        /// `category/name`.
        event: String,
        /// Its description.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The record has no such field.
    #[error("tracepoint {event} has no field {field}: its format changed")]
    NoField {
        /// `category/name`.
        event: String,
        /// The field.
        field: &'static str,
    },
    /// The field is there with another size.
    #[error(
        "field {field} of tracepoint {event} has {found} bytes, not {size}: its format changed"
    )]
    Resized {
        /// `category/name`.
        event: String,
        /// The field.
        field: &'static str,
        /// Its size now.
        found: u64,
        /// The size that the program reads.
        size: u64,
    },
}

/// tracefs, or a directory that looks like it.
#[derive(Debug)]
pub struct Tracefs {
    root: Option<PathBuf>,
}

impl Tracefs {
    /// At `root`, or wherever it is mounted.
    pub fn at(root: Option<&Path>) -> Self {
        let usual = || {
            let mut places = PLACES.into_iter().map(PathBuf::from);
            places.find(|place| place.join("events").is_dir())
        };
        Self { root: root.map(Path::to_owned).or_else(usual) }
    }

    /// Where it is; `None` if it is not mounted.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The values of the globals for these fields of `event` (`category/name`). Nothing is left out but
    /// optional fields that are not there.
    pub fn offsets(
        &self,
        event: &str,
        fields: &[Field],
    ) -> Result<Vec<(&'static str, u64)>, TracefsError> {
        let root = self.root.as_ref().ok_or(TracefsError::NotMounted)?;
        let path = root.join("events").join(event).join("format");
        let format = fs::read_to_string(&path).map_err(|source| {
            let event = event.to_owned();
            TracefsError::NoEvent { event, path, source }
        })?;
        let mut offsets = Vec::new();
        for field in fields {
            let event = || event.to_owned();
            match place(&format, field.name) {
                Some((offset, size)) if size == field.size => offsets.push((field.global, offset)),
                Some((_, found)) => {
                    let Field { name: field, size, .. } = *field;
                    return Err(TracefsError::Resized { event: event(), field, found, size });
                }
                None if field.optional => {}
                None => {
                    return Err(TracefsError::NoField { event: event(), field: field.name });
                }
            }
        }
        Ok(offsets)
    }
}

/// Offset and size of a field, from a line such as
/// `field:unsigned int copied; offset:36; size:4; signed:0;`.
fn place(format: &str, name: &str) -> Option<(u64, u64)> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().strip_prefix("field:")?.split(';').map(str::trim);
        let declared = parts.next()?.rsplit([' ', '*']).next()?;
        // Arrays carry their length: `comm[16]`.
        if declared.split('[').next()? != name {
            return None;
        }
        let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
        let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
        Some((offset, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "\
name: mark_victim
ID: 609
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] comm;\toffset:12;\tsize:4;\tsigned:0;
\tfield:char name[16];\toffset:16;\tsize:16;\tsigned:0;
\tfield:const void *at;\toffset:32;\tsize:8;\tsigned:0;

print fmt: \"pid=%d\", REC->pid
";

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let cases = [
            ("pid", Some((8, 4))),
            ("comm", Some((12, 4))),
            ("name", Some((16, 16))),
            ("at", Some((32, 8))),
            ("common_pid", Some((4, 4))),
            ("mon_pid", None),
            ("int", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(place(FORMAT, name), expected, "{name}");
        }
    }

    #[test]
    fn what_changed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let event = dir.path().join("events/oom/mark_victim");
        fs::create_dir_all(&event).unwrap();
        fs::write(event.join("format"), FORMAT).unwrap();
        let tracefs = Tracefs::at(Some(dir.path()));
        let ask = |event: &str, field| {
            tracefs.offsets(event, &[field]).map_err(|error| error.to_string())
        };
        assert_eq!(ask("oom/mark_victim", Field::need("PID", "pid", 4)), Ok(vec![("PID", 8)]));
        assert_eq!(ask("oom/mark_victim", Field::want("UID", "uid", 4)), Ok(vec![]));
        let error = |event: &str, field| ask(event, field).unwrap_err();
        assert_eq!(
            error("oom/mark_victim", Field::need("UID", "uid", 4)),
            "tracepoint oom/mark_victim has no field uid: its format changed"
        );
        assert_eq!(
            error("oom/mark_victim", Field::want("PID", "pid", 8)),
            "field pid of tracepoint oom/mark_victim has 4 bytes, not 8: its format changed"
        );
        let missing = error("oom/none", Field::need("PID", "pid", 4));
        assert!(missing.starts_with("no tracepoint oom/none: "), "{missing}");
        assert!(
            missing.ends_with("/events/oom/none/format: No such file or directory (os error 2)")
        );
    }

    #[test]
    fn garbage_is_no_field() {
        for line in ["field:", "field:;offset:;size:;", "field:int pid; offset:x; size:4;", "\0"] {
            assert_eq!(place(line, "pid"), None, "{line}");
        }
    }
}
