//! Every way to take blocks of a filesystem and to give them back, in a fixed order of chance.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    ptr,
};

use rustix::{
    fs::{FallocateFlags, OFlags, fallocate},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

use crate::args::Args;

/// Files at a time.
const FILES: u64 = 24;
/// A file is at most this long.
const LONGEST: u64 = 1 << 20;
const PAGE: u64 = 4096;

type Done = std::io::Result<()>;

/// Does `count` operations in `dir` and leaves what is there then. The same `seed` does the same.
pub(crate) fn churn(args: &Args) -> Result<(), String> {
    let dir = PathBuf::from(args.text("dir").ok_or("churn needs --dir")?);
    let mut churn = Churn {
        chance: Chance(args.number("seed", 1).max(1)),
        held: Vec::new(),
        block: vec![b'c'; usize::try_from(LONGEST).unwrap_or(0)],
        dir,
    };
    for number in 0..args.number("count", 1000) {
        churn.step().map_err(|e| format!("{}: operation {number}: {e}", churn.dir.display()))?;
    }
    Ok(())
}

struct Churn {
    dir: PathBuf,
    chance: Chance,
    /// Open, but without a name.
    held: Vec<File>,
    block: Vec<u8>,
}

impl Churn {
    fn step(&mut self) -> Done {
        let path = self.dir.join(self.chance.below(FILES).to_string());
        match self.chance.below(14) {
            0..=3 => self.append(&path),
            4 => self.overwrite(&path),
            5 => open(&path)?.set_len(self.chance.below(LONGEST)),
            6 => self.truncate_to_nothing(&path),
            7 => fs::rename(&path, self.dir.join(self.chance.below(FILES).to_string()))
                .or_else(absent),
            8 => fs::remove_file(&path).or_else(absent),
            9 => self.unlink_and_hold(&path),
            10 => self.punch_hole(&path),
            11 => self.preallocate(&path),
            12 => self.write_direct(&path),
            _ => self.store_through_a_mapping(&path),
        }
    }

    fn append(&mut self, path: &Path) -> Done {
        let mut file = open(path)?;
        let at = file.seek(SeekFrom::End(0))?;
        let length = self.chance.below(128 << 10);
        if at + length < LONGEST {
            file.write_all(self.bytes(length))?;
        }
        if self.chance.below(8) == 0 { file.sync_all() } else { Ok(()) }
    }

    fn overwrite(&mut self, path: &Path) -> Done {
        let (length, at) = (self.chance.below(64 << 10), self.chance.below(LONGEST / 2));
        open(path)?.write_all_at(self.bytes(length), at)
    }

    fn truncate_to_nothing(&mut self, path: &Path) -> Done {
        open(path)?.set_len(0)
    }

    fn unlink_and_hold(&mut self, path: &Path) -> Done {
        let file = open(path)?;
        fs::remove_file(path)?;
        file.write_all_at(self.bytes(100_000), 0)?;
        self.held.push(file);
        if self.held.len() > 4 {
            self.held.remove(0);
        }
        Ok(())
    }

    fn punch_hole(&mut self, path: &Path) -> Done {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (at, length) = (self.chance.below(LONGEST / 2), 1 + self.chance.below(LONGEST / 2));
        Ok(fallocate(open(path)?, flags, at, length)?)
    }

    fn preallocate(&mut self, path: &Path) -> Done {
        let (at, length) = (self.chance.below(LONGEST / 2), 1 + self.chance.below(LONGEST / 2));
        Ok(fallocate(open(path)?, FallocateFlags::empty(), at, length)?)
    }

    fn write_direct(&mut self, path: &Path) -> Done {
        let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .custom_flags(flags)
            .open(path)?;
        // O_DIRECT wants aligned memory too.
        let start = self.block.as_ptr().align_offset(usize::try_from(PAGE).unwrap_or(4096));
        let length = usize::try_from((1 + self.chance.below(16)) * PAGE).unwrap_or(0);
        let at = self.chance.below(LONGEST / PAGE / 2) * PAGE;
        file.write_all_at(self.block.get(start..start + length).unwrap_or_default(), at)
    }

    fn store_through_a_mapping(&mut self, path: &Path) -> Done {
        let file = open(path)?;
        let pages = 1 + self.chance.below(32);
        let length = pages * PAGE;
        if file.metadata()?.len() < length {
            file.set_len(length)?;
        }
        let size = usize::try_from(length).unwrap_or(0);
        // SAFETY: a new mapping of a file that nobody else shortens; unmapped before it is closed.
        unsafe {
            let at = mmap(
                ptr::null_mut(),
                size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )?;
            for page in 0..pages {
                at.cast::<u8>().add(usize::try_from(page * PAGE).unwrap_or(0)).write_volatile(b'm');
            }
            munmap(at, size)?;
        }
        Ok(())
    }

    fn bytes(&self, length: u64) -> &[u8] {
        self.block.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default()
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

fn absent(error: std::io::Error) -> Done {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// xorshift64
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
