//! Images made on the spot: busybox, and filler that does not compress.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Makes the OCI image `name` in `folder` and gives its archive.
pub(super) fn make(folder: &Path, name: &str, busybox: &Path, mib: usize) -> Result<PathBuf> {
    let root = folder.join("root");
    for dir in ["bin", "tmp", "etc", "proc", "dev", "sys"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::copy(busybox, root.join("bin/busybox"))?;
    symlink("busybox", root.join("bin/sh"))?;
    // Also what makes each image another one.
    fs::write(root.join("etc/name"), name)?;
    let mut filler = vec![0; mib << 20];
    File::open("/dev/urandom")?.read_exact(&mut filler)?;
    fs::write(root.join("filler"), filler)?;

    let layout = folder.join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let layer = folder.join("layer.tar");
    tar(&root, &layer)?;
    let layer = Blob::keep(&blobs, &fs::read(&layer)?)?;
    let config = Blob::json(
        &blobs,
        &json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/bin/busybox", "sleep", "100000"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }),
    )?;
    let manifest = Blob::json(
        &blobs,
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
        }),
    )?;
    let mut entry = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
    entry["annotations"] = json!({"io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#)?;
    let archive = folder.join("image.tar");
    tar(&layout, &archive)?;
    Ok(archive)
}

struct Blob {
    digest: String,
    size: usize,
}

impl Blob {
    fn json(blobs: &Path, value: &Value) -> Result<Self> {
        Self::keep(blobs, value.to_string().as_bytes())
    }

    fn keep(blobs: &Path, bytes: &[u8]) -> Result<Self> {
        let unnamed = blobs.join("unnamed");
        fs::write(&unnamed, bytes)?;
        let hash = sha256(&unnamed)?;
        fs::rename(&unnamed, blobs.join(&hash))?;
        Ok(Self { digest: format!("sha256:{hash}"), size: bytes.len() })
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.size})
    }
}

fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output().context("running sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    let hash = text.split_whitespace().next().context("no digest")?;
    Ok(hash.to_owned())
}

fn tar(of: &Path, to: &Path) -> Result<()> {
    let made = Command::new("tar").arg("-cf").arg(to).arg("-C").arg(of).arg(".").output()?;
    if !made.status.success() {
        bail!("tar: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}
