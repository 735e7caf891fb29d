//! What the running kernel says of its types: its own, and those of filesystems that are modules.

use std::{fs, path::Path, sync::Arc};

use super::{
    btf::{Btf, BtfError},
    filesystem::FsKind,
};

/// Type information of the kernel and of the modules that matter.
pub struct Types {
    kernel: Arc<Btf>,
    modules: Vec<(FsKind, Btf)>,
}

impl Types {
    /// From the kernel's BTF, and what lies beside it for the filesystems; where there is nothing the
    /// filesystem is built in, or its module is not loaded.
    pub fn read(kernel: Vec<u8>, path: &Path, filesystems: &[FsKind]) -> Result<Self, BtfError> {
        let kernel = Arc::new(Btf::parse(kernel)?);
        let mut modules = Vec::new();
        for kind in filesystems {
            if let Ok(bytes) = fs::read(path.with_file_name(kind.name())) {
                modules.push((*kind, Btf::parse_module(bytes, &kernel)?));
            }
        }
        Ok(Self { kernel, modules })
    }

    /// Whether the filesystem is a module, whose functions and tracepoints the kernel's own BTF does
    /// not have.
    pub fn is_module(&self, filesystem: FsKind) -> bool {
        self.modules.iter().any(|(kind, _)| *kind == filesystem)
    }

    /// See [`Btf::member_offset`].
    pub fn member_offset(&self, name: &str, path: &str) -> Result<u64, BtfError> {
        self.first(|btf| btf.member_offset(name, path))
    }

    /// See [`Btf::enumerator`].
    pub fn enumerator(&self, name: &str) -> Result<u64, BtfError> {
        self.first(|btf| btf.enumerator(name))
    }

    /// See [`Btf::tracepoint_argument_is_pointer`].
    pub fn tracepoint_argument_is_pointer(&self, name: &str, n: usize) -> Result<bool, BtfError> {
        self.first(|btf| btf.tracepoint_argument_is_pointer(name, n))
    }

    /// The first answer there is, or else why the kernel's own BTF has none.
    fn first<T>(&self, ask: impl Fn(&Btf) -> Result<T, BtfError>) -> Result<T, BtfError> {
        let modules = || self.modules.iter().find_map(|(_, btf)| ask(btf).ok());
        ask(&self.kernel).or_else(|error| modules().ok_or(error))
    }
}
