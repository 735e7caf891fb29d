//! Tools and libraries of the system, known by their files so that any distribution will do.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use super::{Requirement, apt};
use crate::process;
use crate::workspace::Pins;

/// What proves that a package is there.
enum Proof {
    Program(&'static str),
    File(PathBuf),
}

/// Debian packages for one purpose.
pub(crate) struct SystemPackages {
    purpose: &'static str,
    packages: Vec<(String, Proof)>,
}

pub(super) fn filesystem_tools() -> SystemPackages {
    let packages = vec![("e2fsprogs".to_owned(), Proof::Program("mkfs.ext4"))];
    SystemPackages { purpose: "ext4 tools", packages }
}

/// What tests make the other filesystems with.
pub(super) fn more_filesystem_tools() -> SystemPackages {
    let packages = vec![
        ("xfsprogs".to_owned(), Proof::Program("mkfs.xfs")),
        ("btrfs-progs".to_owned(), Proof::Program("mkfs.btrfs")),
    ];
    SystemPackages { purpose: "xfs and btrfs tools", packages }
}

/// QEMU and what unpacks a kernel's modules.
pub(super) fn qemu() -> SystemPackages {
    let packages = vec![
        ("qemu-system-x86".to_owned(), Proof::Program("qemu-system-x86_64")),
        ("xz-utils".to_owned(), Proof::Program("xz")),
    ];
    SystemPackages { purpose: "QEMU and xz", packages }
}

/// What the API server keeps its objects in.
pub(super) fn etcd() -> SystemPackages {
    let packages = vec![("etcd-server".to_owned(), Proof::Program("etcd"))];
    SystemPackages { purpose: "etcd", packages }
}

/// What makes container images, without a daemon.
pub(super) fn image_builder() -> SystemPackages {
    let packages = vec![
        ("buildah".to_owned(), Proof::Program("buildah")),
        ("binutils".to_owned(), Proof::Program("strip")),
    ];
    SystemPackages { purpose: "buildah and strip", packages }
}

/// Tools that attribute writes, as Debian has them.
pub(super) fn peers() -> SystemPackages {
    let packages =
        [("bpftrace", "bpftrace"), ("bpfcc-tools", "filetop-bpfcc"), ("libbpf-tools", "filetop")];
    let packages =
        packages.map(|(package, program)| (package.to_owned(), Proof::Program(program))).into();
    SystemPackages { purpose: "tools to measure beside", packages }
}

/// What the static program's C and assembly is built with: the TLS library's.
pub(super) fn musl_compiler() -> SystemPackages {
    let packages = vec![("musl-tools".to_owned(), Proof::Program("musl-gcc"))];
    SystemPackages { purpose: "C compiler for static programs", packages }
}

/// What libFuzzer is built with.
pub(super) fn cpp_compiler() -> SystemPackages {
    let packages = vec![("g++".to_owned(), Proof::Program("c++"))];
    SystemPackages { purpose: "C++ compiler for libFuzzer", packages }
}

/// What bpf-linker is built with.
pub(super) fn llvm(pins: &Pins) -> SystemPackages {
    let llvm = &pins.llvm;
    let prefix = llvm_prefix(pins);
    let packages = vec![
        (format!("llvm-{llvm}-dev"), Proof::File(prefix.join("bin/llvm-config"))),
        (format!("libpolly-{llvm}-dev"), Proof::File(prefix.join("lib/libPolly.a"))),
        ("zlib1g-dev".to_owned(), Proof::File("/usr/include/zlib.h".into())),
        ("libzstd-dev".to_owned(), Proof::File("/usr/include/zstd.h".into())),
    ];
    SystemPackages { purpose: "LLVM libraries for bpf-linker", packages }
}

/// `$LLVM_PREFIX`, or where Debian puts the pinned LLVM.
pub(super) fn llvm_prefix(pins: &Pins) -> PathBuf {
    env::var_os("LLVM_PREFIX")
        .map_or_else(|| format!("/usr/lib/llvm-{}", pins.llvm).into(), PathBuf::from)
}

impl SystemPackages {
    fn missing(&self) -> Vec<&str> {
        let absent = |proof: &Proof| match proof {
            Proof::Program(name) => process::find_program(name).is_none(),
            Proof::File(path) => !path.exists(),
        };
        let missing = self.packages.iter().filter(|(_, proof)| absent(proof));
        missing.map(|(package, _)| package.as_str()).collect()
    }
}

impl Requirement for SystemPackages {
    fn name(&self) -> String {
        self.purpose.to_owned()
    }

    fn is_met(&self) -> bool {
        self.missing().is_empty()
    }

    fn meet(&self) -> Result<()> {
        apt::install(&self.missing())
    }

    fn commands(&self) -> Vec<String> {
        let packages = self.missing().join(" ");
        vec![format!("apt-get install --no-install-recommends {packages}")]
    }
}
