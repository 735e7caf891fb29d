//! Writes that are under way: what is known at their beginning and needed at their end.

/// Value of `WRITING`: the write that a task is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Call {
    /// Address of the `struct file` in the kernel.
    pub file: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

/// Value of `DIRTY_RANGES`: the blocks of a file that a task has marked as to be written back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DirtyRange {
    /// Address of the inode in the kernel.
    pub inode: u64,
    /// First byte, at the beginning of a block.
    pub start: u64,
    /// Bytes, up to the end of a block.
    pub length: u64,
    /// Size of the file then.
    pub size: u64,
}

impl DirtyRange {
    /// Bytes that were written, given the file's size and its blocks' size afterwards: exactly what was
    /// appended, whole blocks of what lay in the file already.
    pub const fn written(&self, size: u64, block: u64) -> u64 {
        if size <= self.size {
            self.length
        } else if self.size < self.start + block && self.size > self.start {
            // The write began in the file's last block: most likely where the file ended.
            size - self.size
        } else {
            size.saturating_sub(self.start)
        }
    }
}

const _: () = {
    assert!(size_of::<Call>() == 16);
    assert!(size_of::<DirtyRange>() == 32);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_bytes_are_exact_and_others_whole_blocks() {
        let cases = [
            ("first bytes", (0, 4096, 0), 100, 100),
            ("appended within a block", (0, 4096, 100), 200, 100),
            ("appended across blocks", (0, 8192, 4000), 5000, 1000),
            ("appended at a block", (4096, 4096, 4096), 8192, 4096),
            ("overwritten", (4096, 8192, 1 << 20), 1 << 20, 8192),
            ("overwritten and appended", (0, 12288, 8192), 12288, 12288),
            ("behind a hole", (1 << 20, 4096, 100), (1 << 20) + 4096, 4096),
        ];
        for (name, (start, length, size), after, expected) in cases {
            let range = DirtyRange { inode: 1, start, length, size };
            assert_eq!(range.written(after, 4096), expected, "{name}");
        }
    }
}
