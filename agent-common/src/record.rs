//! What travels through the ring buffer: crossings and rare events, one fixed-size record each.

/// What a record reports; see the fields of [`Record`] for what each kind fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An armed budget is used up. `detail` = tripwire slot, `cgroup_id` = the task that tripped it.
    Tripwire = 1,
    /// The kernel began to reclaim memory. `detail` = [`ReclaimSource`].
    Reclaim = 2,
    /// The OOM killer chose a victim. `cgroup_id` is 0 where the kernel tells only the pid.
    OomVictim = 3,
    /// A cgroup (v2 hierarchy) was created.
    CgroupMkdir = 4,
    /// A cgroup (v2 hierarchy) was removed.
    CgroupRmdir = 5,
    /// `memory.events` of `cgroup_id` changed.
    MemoryEvent = 6,
}

/// Where reclaim began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ReclaimSource {
    /// A cgroup reached its limit.
    Memcg = 0,
    /// An allocation reclaims by itself.
    Direct = 1,
    /// kswapd was woken.
    Kswapd = 2,
}

impl ReclaimSource {
    /// Number of sources.
    pub const COUNT: usize = 3;
}

/// One record of the `RECORDS` ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// `bpf_ktime_get_ns` (CLOCK_MONOTONIC) when it happened.
    pub ktime: u64,
    /// cgroup v2 id, 0 if unknown.
    pub cgroup_id: u64,
    /// A [`Kind`].
    pub kind: u32,
    /// Depends on the kind.
    pub detail: u32,
    /// Thread group of the OOM victim, else 0.
    pub pid: u32,
    /// Always zero.
    pub reserved: u32,
    /// Command name of the OOM victim, NUL-padded.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<Record>() == 48);

impl Record {
    /// The record's kind; `None` for a number this version does not know.
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self.kind {
            1 => Kind::Tripwire,
            2 => Kind::Reclaim,
            3 => Kind::OomVictim,
            4 => Kind::CgroupMkdir,
            5 => Kind::CgroupRmdir,
            6 => Kind::MemoryEvent,
            _ => return None,
        })
    }

    /// Reads a record from the bytes of a ring buffer item; `None` if the size is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            ktime: u64_at(0)?,
            cgroup_id: u64_at(8)?,
            kind: u32_at(16)?,
            detail: u32_at(20)?,
            pid: u32_at(24)?,
            reserved: u32_at(28)?,
            comm: bytes.get(32..48)?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_ring() {
        let mut bytes = [0u8; 48];
        bytes[0..8].copy_from_slice(&7u64.to_ne_bytes());
        bytes[8..16].copy_from_slice(&8u64.to_ne_bytes());
        bytes[16..20].copy_from_slice(&3u32.to_ne_bytes());
        bytes[20..24].copy_from_slice(&9u32.to_ne_bytes());
        bytes[24..28].copy_from_slice(&10u32.to_ne_bytes());
        bytes[32..36].copy_from_slice(b"java");
        let record = Record::from_bytes(&bytes).unwrap();
        assert_eq!(
            (record.ktime, record.cgroup_id, record.kind(), record.detail, record.pid),
            (7, 8, Some(Kind::OomVictim), 9, 10)
        );
        assert_eq!(&record.comm[..5], b"java\0");
    }

    #[test]
    fn wrong_sizes_and_unknown_kinds_are_refused() {
        assert_eq!(Record::from_bytes(&[0; 47]), None);
        assert_eq!(Record::from_bytes(&[0; 49]), None);
        assert_eq!(Record::from_bytes(&[0; 48]).unwrap().kind(), None);
    }
}
