//! One configuration file of either kind: evictd's own, or a KubeletConfiguration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use evictd_core::LogWriterPolicy;

use super::{
    InputError, NodeMarks, Place, Protect, ProtectRule,
    document::{Document, Documents},
    kubelet,
    layer::Layer,
    log_writers::log_writers,
    margin::kubelet_margin,
    place::Placed,
    reclaim::{ReclaimSettings, reclaim},
    shared::WrittenShared,
    written::{MemorySource, Mode, WrittenConfig, WrittenProtect, WrittenSemantics},
};

/// A file that was read, its names and types checked.
#[derive(Debug)]
pub(super) enum File {
    /// evictd's own.
    Own(Box<Own>, Layer),
    /// A KubeletConfiguration.
    Kubelet(Layer),
}

/// What only evictd's own file has.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) mode: Option<Mode>,
    pub(super) semantics: Option<WrittenSemantics>,
    pub(super) imagefs: Option<Placed<PathBuf>>,
    pub(super) memory_source: Option<MemorySource>,
    pub(super) pods: Option<Placed<PathBuf>>,
    pub(super) protect: Protect,
    pub(super) log_writers: LogWriterPolicy,
    pub(super) node: NodeMarks,
    pub(super) reclaim: ReclaimSettings,
    /// A share of the kubelet's threshold.
    pub(super) kubelet_margin: Option<f32>,
}

impl File {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, InputError> {
        Self::of(path, &Documents::read(path)?)
    }

    /// Reads `text`, calling it `path` in errors.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        Self::of(path, &Documents::parse(path, text)?)
    }

    fn of(path: &Path, documents: &Documents<'_>) -> Result<Self, InputError> {
        let file: Arc<Path> = path.into();
        match documents.only()? {
            Some(document) if kubelet::file::has_kind(document) => {
                Ok(Self::Kubelet(kubelet::file::layer(document, &file)?))
            }
            Some(document) => own(document, &file),
            // An empty file asks for the defaults.
            None => Ok(Self::Own(Box::default(), Layer::default())),
        }
    }
}

fn own(document: Document<'_>, file: &Arc<Path>) -> Result<File, InputError> {
    let written: WrittenConfig = document.to_beside(WrittenShared::NAMES)?;
    let path = |field: &str, value: Option<PathBuf>| {
        Some(Placed { value: value?, at: Place::new(file, document.position(&[field])) })
    };
    let mut layer = Layer::of(document, file)?;
    layer.root_directory = path("rootDirectory", written.root_directory);
    let own = Own {
        mode: written.mode,
        semantics: written.semantics,
        imagefs: path("imagefs", written.imagefs),
        memory_source: written.memory_source,
        pods: path("pods", written.pods),
        protect: protect(written.protect.unwrap_or_default(), document)?,
        log_writers: log_writers(&written.log_writers.unwrap_or_default(), document)?,
        node: written.node.unwrap_or_default().into(),
        reclaim: reclaim(&written.node_reclaim.unwrap_or_default(), document)?,
        kubelet_margin: written
            .kubelet_margin
            .map(|text| kubelet_margin(&text, document))
            .transpose()?,
    };
    Ok(File::Own(Box::new(own), layer))
}

fn protect(written: Vec<WrittenProtect>, document: Document<'_>) -> Result<Protect, InputError> {
    let mut rules = Vec::new();
    for (i, entry) in written.into_iter().enumerate() {
        let index = i.to_string();
        let Some(namespace) = entry.namespace.filter(|n| !n.is_empty()) else {
            let path = ["protect", &index, "namespace"];
            return Err(document.error(&path, "is required").allowed("the name of a namespace"));
        };
        rules.push(ProtectRule { namespace, name: entry.name });
    }
    Ok(Protect::new(rules))
}
