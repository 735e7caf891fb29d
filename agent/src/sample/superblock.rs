//! The device of a filesystem as a whole, which is what the kernel's probes see.
//!
//! On btrfs `stat` tells a device of the subvolume; the mount table tells that of the superblock.

use std::{fs, path::Path};

use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

/// Device of the superblock that holds `path`, numbered like `st_dev`; `None` if it cannot be told.
pub fn device(path: &Path) -> Option<u64> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    of_mount(&fs::read_to_string("/proc/thread-self/mountinfo").ok()?, found.stx_mnt_id)
}

/// Device of the mount with that id in the text of a `mountinfo`.
fn of_mount(table: &str, id: u64) -> Option<u64> {
    let id = id.to_string();
    table.lines().find_map(|line| {
        let mut fields = line.split(' ');
        if fields.next()? != id {
            return None;
        }
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some(makedev(major.parse().ok()?, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        230 22 0:41 /@/log /var/log rw - btrfs /dev/vdb rw,subvolid=257\n\
        broken\n23 22 0:x / /x rw - tmpfs none rw\n";

    #[test]
    fn the_mount_is_found_by_its_id() {
        assert_eq!(of_mount(TABLE, 22), Some(makedev(254, 0)));
        assert_eq!(of_mount(TABLE, 230), Some(makedev(0, 41)));
        assert_eq!(of_mount(TABLE, 23), None, "no number");
        assert_eq!(of_mount(TABLE, 2), None);
    }

    #[test]
    fn it_is_what_stat_tells_where_a_filesystem_has_no_subvolumes() {
        let proc = Path::new("/proc");
        assert_eq!(device(proc), Some(rustix::fs::stat(proc).expect("stat").st_dev));
    }
}
