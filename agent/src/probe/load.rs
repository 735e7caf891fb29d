//! Loads the BPF object and climbs each family's ladder.

use std::{fmt, io, path::Path};

use aya::{
    Btf as KernelBtf, Ebpf, EbpfLoader, Endianness, include_bytes_aligned,
    maps::{Map, MapError},
    programs::{
        BtfTracePoint, FEntry, FExit, KProbe, Program, ProgramError, RawTracePoint, TracePoint,
    },
};
use thiserror::Error;
use tracing::{info, warn};

use super::{
    filesystem::FsKind,
    ladder::{Attachment, Family, Hook, LADDER, Rung, cost_of_absence},
    offsets::{self, Offset},
    refusal::{causes, describe},
    sizes,
    standing::{Refused, Standing},
    tracefs::Tracefs,
    types::Types,
};
use crate::sample::CgroupMounts;

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/evictd-probes"));

/// Where the running kernel describes its types.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The object could not be loaded at all: no BPF on this kernel, or no right to it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The kernel refused the object.
    #[error("cannot load the BPF maps: {}", causes(.0))]
    Object(#[source] Box<aya::EbpfError>),
    /// A map is missing or of the wrong kind.
    #[error("BPF map {name}: {source}")]
    Map {
        /// Its name in the object.
        name: &'static str,
        /// What aya says.
        source: Box<MapError>,
    },
    /// The ring buffer cannot be waited for.
    #[error("cannot wait for the ring buffer: {0}")]
    Ring(#[source] io::Error),
}

/// Takes a map out of the object.
pub(super) fn take_map<M>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, LoadError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = ebpf.take_map(name).ok_or_else(|| MapError::InvalidName { name: name.to_owned() });
    map.and_then(M::try_from).map_err(|source| LoadError::Map { name, source: Box::new(source) })
}

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions<'a> {
    /// The kernel's BTF, normally [`KERNEL_BTF`].
    pub btf: &'a Path,
    /// tracefs, if it is elsewhere than usual.
    pub tracefs: Option<&'a Path>,
    /// Size of the ring buffer in bytes, a power of two of pages; `None` is the object's own.
    pub ring_bytes: Option<u32>,
    /// Whether the programs log what they see (aya-log); off, the verifier removes the code.
    pub log: bool,
    /// The ladder, normally [`LADDER`].
    pub ladder: &'a [(Family, &'a [Rung])],
    /// Entries of the counting maps, see [`MapSizes`](super::MapSizes).
    pub map_sizes: &'a [(&'static str, u32)],
    /// The filesystems whose writes and blocks are to be counted.
    pub filesystems: &'a [FsKind],
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self {
            btf: Path::new(KERNEL_BTF),
            tracefs: None,
            ring_bytes: None,
            log: false,
            ladder: LADDER,
            map_sizes: sizes::USUAL.entries(),
            filesystems: &[FsKind::Ext4],
        }
    }
}

/// Loads the object and attaches the best rung of each family. A family without a rung is a
/// degraded family, not an error.
pub fn load(options: LoadOptions<'_>) -> Result<(Ebpf, Vec<Standing>), LoadError> {
    let unusable =
        |error: &dyn fmt::Display| format!("no kernel BTF: {}: {error}", options.btf.display());
    let bytes = std::fs::read(options.btf).map_err(|error| unusable(&error));
    let kernel_btf = bytes.as_ref().map_err(Clone::clone).and_then(|bytes| {
        KernelBtf::parse(bytes, Endianness::default()).map_err(|error| unusable(&error))
    });
    let types = bytes.and_then(|bytes| {
        Types::read(bytes, options.btf, options.filesystems).map_err(|error| unusable(&error))
    });
    let tracefs = Tracefs::at(options.tracefs);
    let mut globals: Vec<(&str, u64)> = match &types {
        Ok(types) => globals(types),
        Err(_) => Vec::new(),
    };
    let write_end = types.as_ref().is_ok_and(|types| writes_end_space(&options, types));
    globals.push(("WRITES_END_SPACE", u64::from(write_end)));
    globals.extend(fields(&tracefs, options.ladder));

    let mut loader = EbpfLoader::new();
    loader.btf(kernel_btf.as_ref().ok());
    for (name, value) in &globals {
        loader.override_global(name, value, true);
    }
    let log_level = if options.log { u8::MAX } else { 0 };
    loader.override_global(aya_log::LEVEL, &log_level, false);
    if let Some(bytes) = options.ring_bytes {
        loader.map_max_entries("RECORDS", bytes);
    }
    for (map, entries) in options.map_sizes {
        loader.map_max_entries(map, *entries);
    }
    let mut ebpf = loader.load(OBJECT).map_err(|error| LoadError::Object(Box::new(error)))?;

    let climber = Climber {
        types: types.as_ref(),
        kernel_btf: kernel_btf.as_ref(),
        filesystems: options.filesystems,
        writes_end_space: write_end,
        tracefs,
        mounts: CgroupMounts::detect(Path::new("/proc/mounts")).map_err(|error| error.to_string()),
    };
    let standings: Vec<Standing> = options
        .ladder
        .iter()
        .map(|(family, rungs)| climber.climb(&mut ebpf, *family, rungs))
        .collect();
    for standing in &standings {
        match standing.rung {
            Some(_) => info!("probe {standing}"),
            None => warn!("probe {standing}; {}", cost_of_absence(standing.family)),
        }
    }
    Ok((ebpf, standings))
}

/// Values of the object's globals on this kernel. Offsets that it lacks stay 0; rungs that need them
/// are refused before they are loaded.
fn globals(types: &Types) -> Vec<(&'static str, u64)> {
    let offsets =
        offsets::ALL.iter().filter_map(|offset| Some((offset.global, offset.resolve(types).ok()?)));
    let victim_is_task = types.tracepoint_argument_is_pointer("mark_victim", 0).unwrap_or(false);
    // The tracepoint got its second argument in 6.10 or so.
    let reserve_has_count =
        types.tracepoint_argument_is_pointer("ext4_da_reserve_space", 1).is_ok();
    let flags = [("VICTIM_IS_TASK", victim_is_task), ("RESERVE_HAS_COUNT", reserve_has_count)];
    offsets.chain(flags.map(|(name, flag)| (name, u64::from(flag)))).collect()
}

/// Whether the programs that count writes on ext4 can do a part of the space family's work: it is
/// wanted, and the kernel has what it reads.
fn writes_end_space(options: &LoadOptions<'_>, types: &Types) -> bool {
    let rungs = options.ladder.iter().filter(|(family, _)| *family == Family::Space);
    let resolve = |offset: &Offset| offset.resolve(types).is_ok();
    options.filesystems.contains(&FsKind::Ext4)
        && rungs.flat_map(|(_, rungs)| *rungs).any(|rung| {
            let ext4 = rung.fs_offsets.iter().find(|(kind, _)| *kind == FsKind::Ext4);
            rung.offsets.iter().all(resolve)
                && ext4.is_some_and(|(_, offsets)| offsets.iter().all(resolve))
        })
}

/// Places of the fields that the ladder's tracepoints have here. Rungs that need others are refused
/// before they are loaded.
fn fields(tracefs: &Tracefs, ladder: &[(Family, &[Rung])]) -> Vec<(&'static str, u64)> {
    let rungs = ladder.iter().flat_map(|(_, rungs)| *rungs);
    let tracepoints = rungs.filter(|rung| rung.hook == Hook::Tracepoint);
    let attachments = tracepoints.flat_map(|rung| rung.attachments);
    let found = attachments.filter_map(|to| tracefs.offsets(to.target, to.fields).ok());
    found.flatten().collect()
}

struct Climber<'a> {
    types: Result<&'a Types, &'a String>,
    kernel_btf: Result<&'a KernelBtf, &'a String>,
    filesystems: &'a [FsKind],
    writes_end_space: bool,
    tracefs: Tracefs,
    mounts: Result<CgroupMounts, String>,
}

impl Climber<'_> {
    fn climb(&self, ebpf: &mut Ebpf, family: Family, rungs: &[Rung]) -> Standing {
        let mut standing = Standing { family, rung: None, refused: Vec::new() };
        for rung in rungs {
            match self.stand(ebpf, rung) {
                Ok(()) => {
                    standing.rung = Some(rung.name);
                    break;
                }
                Err(reason) => standing.refused.push(Refused { rung: rung.name, reason }),
            }
        }
        standing
    }

    fn stand(&self, ebpf: &mut Ebpf, rung: &Rung) -> Result<(), String> {
        if let Some(source) = rung.source() {
            return source.check(&self.mounts);
        }
        let in_use = |kind: &FsKind| self.filesystems.contains(kind);
        let of_fs = rung.fs_offsets.iter().filter(|(kind, _)| in_use(kind));
        for offset in rung.offsets.iter().chain(of_fs.flat_map(|(_, offsets)| *offsets)) {
            offset.resolve(self.types.map_err(Clone::clone)?).map_err(|error| error.to_string())?;
        }
        let mut attached: Vec<&str> = Vec::new();
        let meant = |attachment: &&Attachment| {
            attachment.filesystems.is_empty() || attachment.filesystems.iter().any(in_use)
        };
        for attachment in rung.attachments.iter().filter(meant) {
            if self.writes_end_space && attachment.instead.iter().any(|name| runs(ebpf, name)) {
                continue;
            }
            match self.attach(ebpf, attachment.hook.unwrap_or(rung.hook), *attachment) {
                Ok(()) => attached.push(attachment.program),
                Err(_) if attachment.optional => {}
                Err(reason) => {
                    for program in attached {
                        detach(ebpf, program);
                    }
                    return Err(reason);
                }
            }
        }
        if attached.is_empty() {
            return Err("no hook for the filesystems in use".to_owned());
        }
        Ok(())
    }

    fn attach(&self, ebpf: &mut Ebpf, hook: Hook, to: Attachment) -> Result<(), String> {
        let Attachment { program, target, .. } = to;
        let is_module = |fs: &&FsKind| self.types.is_ok_and(|types| types.is_module(**fs));
        let of_module = to.filesystems.iter().find(is_module);
        let described = |error: ProgramError| match (&error, of_module) {
            // aya looks into the kernel's own BTF alone.
            (ProgramError::Btf(_), Some(fs)) => {
                format!("{target}: {} is a module, where this hook cannot be attached", fs.name())
            }
            _ => format!("{target}: {}", describe(&error)),
        };
        let btf = || self.kernel_btf.map_err(Clone::clone);
        let found = ebpf.program_mut(program).ok_or_else(|| format!("no program {program}"))?;
        match hook {
            Hook::Files(_) => return Err("no program".to_owned()),
            Hook::Fentry => {
                let program: &mut FEntry = found.try_into().map_err(described)?;
                program.load(target, btf()?).map_err(described)?;
                program.attach().map_err(described)?;
            }
            Hook::Fexit => {
                let program: &mut FExit = found.try_into().map_err(described)?;
                program.load(target, btf()?).map_err(described)?;
                program.attach().map_err(described)?;
            }
            Hook::BtfTracepoint => {
                let program: &mut BtfTracePoint = found.try_into().map_err(described)?;
                program.load(target, btf()?).map_err(described)?;
                program.attach().map_err(described)?;
            }
            Hook::Kprobe => {
                let program: &mut KProbe = found.try_into().map_err(described)?;
                // One program serves several functions.
                if program.fd().is_err() {
                    program.load().map_err(described)?;
                }
                program.attach(target, 0).map_err(described)?;
            }
            Hook::Tracepoint => {
                let fields = self.tracefs.offsets(target, to.fields);
                fields.map_err(|error| error.to_string())?;
                let (category, name) = target.split_once('/').ok_or("not CATEGORY/NAME")?;
                let program: &mut TracePoint = found.try_into().map_err(described)?;
                program.load().map_err(described)?;
                program.attach(category, name).map_err(described)?;
            }
            Hook::RawTracepoint => {
                let program: &mut RawTracePoint = found.try_into().map_err(described)?;
                program.load().map_err(described)?;
                program.attach(target).map_err(described)?;
            }
        }
        Ok(())
    }
}

/// Whether a program is loaded, which it is only while its rung stands.
fn runs(ebpf: &Ebpf, program: &str) -> bool {
    ebpf.program(program).is_some_and(|program| program.fd().is_ok())
}

/// Unloading a program detaches it.
fn detach(ebpf: &mut Ebpf, program: &str) {
    let unloaded = match ebpf.program_mut(program) {
        Some(Program::FEntry(program)) => program.unload(),
        Some(Program::FExit(program)) => program.unload(),
        Some(Program::BtfTracePoint(program)) => program.unload(),
        Some(Program::RawTracePoint(program)) => program.unload(),
        Some(Program::TracePoint(program)) => program.unload(),
        Some(Program::KProbe(program)) => program.unload(),
        _ => Ok(()),
    };
    if let Err(error) = unloaded {
        warn!("program {program} stays loaded: {error}");
    }
}
