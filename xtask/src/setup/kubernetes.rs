//! The API server that the end-to-end tests run against, and the kubelet, built from their Go module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::Requirement;
use crate::process;
use crate::progress::step;
use crate::workspace;

const VERSION: &str = "1.36.2";
/// Version of the modules that Kubernetes develops in its own tree and publishes beside it.
const STAGING_VERSION: &str = "0.36.2";
const MODULE: &str = "k8s.io/kubernetes";
const APISERVER: &str = "kube-apiserver";
const KUBECTL: &str = "kubectl";
const KUBELET: &str = "kubelet";

const INSTALL_GO: &str = "install Go 1.26 or later (https://go.dev/dl) and let it reach the module proxy (`go env GOPROXY`)";

/// kube-apiserver and kubectl of one version, in a cache folder of its own.
pub(crate) struct Kubernetes;

impl Kubernetes {
    /// Folder of the programs.
    pub(crate) fn folder() -> Result<PathBuf> {
        Ok(workspace::cache()?.join("tools").join(format!("kubernetes-{VERSION}")))
    }

    fn has(program: &str, arguments: &[&str]) -> bool {
        Self::folder().is_ok_and(|folder| {
            let asked = process::capture(Command::new(folder.join(program)).args(arguments));
            asked.is_ok_and(|told| told.contains(&format!("v{VERSION}")))
        })
    }
}

impl Requirement for Kubernetes {
    fn name(&self) -> String {
        format!(
            "kube-apiserver and kubectl {VERSION} (built with Go: some 10 min, 3 GiB of Go's cache)"
        )
    }

    fn is_met(&self) -> bool {
        Self::has(APISERVER, &["--version"]) && Self::has(KUBECTL, &["version", "--client"])
    }

    fn meet(&self) -> Result<()> {
        meet(&[APISERVER, KUBECTL])
    }

    fn commands(&self) -> Vec<String> {
        vec![INSTALL_GO.to_owned(), "or leave out what needs it: --without-apiserver".to_owned()]
    }
}

/// The kubelet of the same version, in the same folder.
pub(super) struct Kubelet;

impl Requirement for Kubelet {
    fn name(&self) -> String {
        format!("kubelet {VERSION} (built with Go: some 5 min)")
    }

    fn is_met(&self) -> bool {
        Kubernetes::has(KUBELET, &["--version"])
    }

    fn meet(&self) -> Result<()> {
        meet(&[KUBELET])
    }

    fn commands(&self) -> Vec<String> {
        vec![INSTALL_GO.to_owned()]
    }
}

fn meet(programs: &[&str]) -> Result<()> {
    if process::find_program("go").is_none() {
        bail!("there is no Go here (program `go`)");
    }
    let folder = Kubernetes::folder()?;
    let module = folder.join("module");
    fs::create_dir_all(&module).with_context(|| module.display().to_string())?;
    let built = build(&module, &folder, programs);
    fs::remove_dir_all(&module).with_context(|| module.display().to_string())?;
    built
}

/// Builds the programs in `module`, an empty folder, and moves each into `folder` when it is whole.
fn build(module: &Path, folder: &Path, programs: &[&str]) -> Result<()> {
    let theirs = step(&format!("fetching {MODULE} v{VERSION} from the Go module proxy"), || {
        download(module).with_context(|| format!("{MODULE} v{VERSION} from the Go module proxy"))
    })?;
    let text = fs::read_to_string(&theirs).with_context(|| theirs.display().to_string())?;
    let own = module.join("go.mod");
    fs::write(&own, module_file(&text)?).with_context(|| own.display().to_string())?;
    for program in programs {
        step(&format!("building {program}"), || {
            let part = module.join(program);
            process::run_quietly(go(module).args(build_arguments(&part, program)))?;
            let whole = folder.join(program);
            fs::rename(&part, &whole).with_context(|| whole.display().to_string())
        })?;
    }
    Ok(())
}

/// Fetches the module; gives the path of its go.mod in Go's cache.
fn download(module: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        go_mod: PathBuf,
    }
    let query = format!("{MODULE}@v{VERSION}");
    let told = process::capture(go(module).args(["mod", "download", "-json", &query]))?;
    let downloaded: Downloaded = serde_json::from_str(&told).context("go mod download")?;
    Ok(downloaded.go_mod)
}

/// A go.mod that requires Kubernetes as a library. Its own replaces the staging modules by folders of its
/// tree, which no other module may use: here they are replaced by what is published.
fn module_file(theirs: &str) -> Result<String> {
    let go =
        theirs.lines().find(|line| line.starts_with("go ")).context("no Go version in go.mod")?;
    let staging: Vec<&str> = theirs.lines().filter_map(staging_module).collect();
    if staging.is_empty() {
        bail!("go.mod of {MODULE} replaces nothing by its staging folders");
    }
    let mut text =
        format!("module control-plane\n\n{go}\n\nrequire {MODULE} v{VERSION}\n\nreplace (\n");
    for name in staging {
        text.push_str(&format!("\t{name} => {name} v{STAGING_VERSION}\n"));
    }
    text.push_str(")\n");
    Ok(text)
}

/// The module of a line such as `k8s.io/api => ./staging/src/k8s.io/api`.
fn staging_module(line: &str) -> Option<&str> {
    let (name, folder) = line.trim().split_once(" => ")?;
    folder.starts_with("./staging/").then(|| name.trim_start_matches("replace "))
}

fn build_arguments(output: &Path, program: &str) -> Vec<String> {
    let stamp = "-X k8s.io/component-base/version.git";
    let (major, rest) = VERSION.split_once('.').unwrap_or((VERSION, ""));
    let minor = rest.split('.').next().unwrap_or_default();
    let stamps =
        format!("-s -w {stamp}Version=v{VERSION} {stamp}Major={major} {stamp}Minor={minor}");
    let output = output.display().to_string();
    let package = format!("{MODULE}/cmd/{program}");
    ["build", "-mod=mod", "-trimpath", "-ldflags", &stamps, "-o", &output, &package]
        .map(str::to_owned)
        .to_vec()
}

/// A Go command in `module`, without C and whatever workspace it may lie in.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module).env("CGO_ENABLED", "0").env("GOWORK", "off");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "module k8s.io/kubernetes\n\ngo 1.26.0\n\ngodebug default=go1.26\n\n\
         require (\n\tk8s.io/api v0.0.0\n)\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\
         \tk8s.io/cri-api => ./staging/src/k8s.io/cri-api\n\texample.org/a => example.org/b v1.0.0\n)\n";

    #[test]
    fn staging_modules_are_replaced_by_what_is_published() {
        let expected = "module control-plane\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.36.2\n\nreplace (\n\
             \tk8s.io/api => k8s.io/api v0.36.2\n\tk8s.io/cri-api => k8s.io/cri-api v0.36.2\n)\n";
        assert_eq!(module_file(THEIRS).unwrap(), expected);
    }

    #[test]
    fn a_module_file_that_is_not_understood_is_an_error() {
        let cases = [
            ("no version", "module x\n", "no Go version"),
            ("no staging", "go 1.26.0\n", "replaces nothing"),
        ];
        for (name, theirs, expected) in cases {
            let error = module_file(theirs).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn the_version_is_stamped_in() {
        let arguments = build_arguments(Path::new("/m/kubectl"), KUBECTL).join(" ");
        assert!(arguments.contains("version.gitVersion=v1.36.2"), "{arguments}");
        assert!(arguments.contains("version.gitMinor=36 -o /m/kubectl"), "{arguments}");
        assert!(arguments.ends_with("k8s.io/kubernetes/cmd/kubectl"), "{arguments}");
    }
}
