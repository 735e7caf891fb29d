//! Writer of cpio archives in the "newc" form, which the kernel unpacks as initramfs.

use std::io::{self, Write};

const ALIGNMENT: u64 = 4;
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive under construction; [`Archive::finish`] writes its end mark.
pub(crate) struct Archive<W> {
    out: W,
    written: u64,
    inode: u32,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, written: 0, inode: 0 }
    }

    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, DIRECTORY, (0, 0), &[])
    }

    /// A file that may be read and run by everybody.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.entry(path, EXECUTABLE, (0, 0), content)
    }

    pub(crate) fn character_device(&mut self, path: &str, device: (u32, u32)) -> io::Result<()> {
        self.entry(path, CHARACTER_DEVICE, device, &[])
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        device: (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        let name_size = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        self.inode += 1;
        // inode, mode, uid, gid, links, mtime, size, own device, device, name size, checksum
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        self.put(b"070701")?;
        self.put(header.as_bytes())?;
        self.put(path.as_bytes())?;
        self.put(&[0])?;
        self.pad()?;
        self.put(content)?;
        self.pad()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = self.written.next_multiple_of(ALIGNMENT) - self.written;
        self.put(&[0; ALIGNMENT as usize][..missing as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(archive: &[u8], entry: usize, index: usize) -> u32 {
        let start = entry + 6 + 8 * index;
        let text = std::str::from_utf8(&archive[start..start + 8]).unwrap();
        u32::from_str_radix(text, 16).unwrap()
    }

    #[test]
    fn entries_are_aligned_and_carry_mode_size_and_device() {
        let mut archive = Archive::new(Vec::new());
        archive.directory("bin").unwrap();
        archive.file("bin/abc", b"12345").unwrap();
        archive.character_device("dev/console", (5, 1)).unwrap();
        let bytes = archive.finish().unwrap();

        // (name, mode, size, major, minor); an entry is a header of 110 bytes, name, content
        let expected = [
            ("bin", DIRECTORY, 0, 0, 0),
            ("bin/abc", EXECUTABLE, 5, 0, 0),
            ("dev/console", CHARACTER_DEVICE, 0, 5, 1),
            ("TRAILER!!!", 0, 0, 0, 0),
        ];
        let mut at = 0_usize;
        for (name, mode, size, major, minor) in expected {
            assert_eq!(&bytes[at..at + 6], b"070701", "{name}");
            assert_eq!(field(&bytes, at, 1), mode, "{name}: mode");
            assert_eq!(field(&bytes, at, 6), size, "{name}: size");
            assert_eq!((field(&bytes, at, 9), field(&bytes, at, 10)), (major, minor), "{name}");
            assert_eq!(field(&bytes, at, 11) as usize, name.len() + 1, "{name}: name size");
            let content = (at + 110 + name.len() + 1).next_multiple_of(4);
            assert_eq!(&bytes[at + 110..at + 110 + name.len()], name.as_bytes());
            if size == 5 {
                assert_eq!(&bytes[content..content + 5], b"12345");
            }
            at = (content + size as usize).next_multiple_of(4);
        }
        assert_eq!(at, bytes.len());
    }
}
