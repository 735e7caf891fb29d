//! The ways to write to a file, and to take space and give it back, by name.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What most paths write.
pub const BYTES: u64 = 4 << 20;

macro_rules! paths {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// One way to write to a file or to change what it holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum WritePath {$(
            $(#[$doc])*
            #[serde(rename = $name)]
            $variant,
        )*}

        impl WritePath {
            /// All of them, in the order of tables.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in tables and on command lines.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

paths! {
    /// write(2), 64 KiB at a time
    Write "write",
    /// pwrite(2)
    Pwrite "pwrite",
    /// writev(2), three buffers at a time
    Writev "writev",
    /// pwritev2(2) with a flag
    Pwritev2 "pwritev2",
    /// write(2) of 4 KiB to a file opened with `O_APPEND`
    Append "append",
    /// write(2), 100 bytes at a time
    Small "100-byte writes",
    /// The same megabyte, again and again
    Overwrite "overwrite",
    /// pwrite(2) with `O_DIRECT`
    Direct "O_DIRECT",
    /// `io_submit` to the page cache
    Aio "AIO",
    /// `io_submit` with `O_DIRECT`, several requests at a time, to blocks that are there and beyond the end
    AioDirect "AIO direct",
    /// io_uring to the page cache
    IoUring "io_uring",
    /// io_uring with `O_DIRECT`, as with AIO
    IoUringDirect "io_uring direct",
    /// A pipe spliced into the file
    Splice "splice",
    /// sendfile(2)
    Sendfile "sendfile",
    /// copy_file_range(2)
    CopyFileRange "copy_file_range",
    /// Stores through a shared mapping, to a hole
    Mmap "mmap stores",
    /// Stores over what was written and written back
    MmapAgain "mmap stores again",
    /// fallocate(2): takes blocks, writes nothing
    Fallocate "fallocate",
    /// Written, then shortened twice
    Truncate "truncate",
    /// Written further after the last name is gone
    UnlinkOpen "unlink while open",
    /// Written, then a hole punched
    Hole "hole punching",
}

impl FromStr for WritePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.iter().map(|path| path.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|path| path.name() == text);
        found.copied().ok_or_else(|| format!("no write path {text}; allowed: {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_found_by_its_name_alone() {
        for path in WritePath::ALL {
            assert_eq!(path.name().parse(), Ok(*path));
            let json = serde_json::to_string(path).unwrap();
            assert_eq!(json, format!("{:?}", path.name()));
        }
        let error = "written".parse::<WritePath>().unwrap_err();
        assert!(error.starts_with("no write path written; allowed: write, pwrite"), "{error}");
    }
}
