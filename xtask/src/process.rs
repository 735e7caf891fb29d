//! Child processes: what they print never reaches our standard output unless it is asked for.

use std::env;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

/// Runs to success; both output streams go to our standard error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// Lines of a silent command's output that a failure carries.
const TAIL: usize = 25;

/// Runs to success in silence; a failure carries the last lines that were printed.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let (mut reader, writer) = io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start {}", line(command)))?;
    // The command keeps its copies of the writing end; without them the read ends with the child.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut printed = String::new();
    reader.read_to_string(&mut printed)?;
    let status = child.wait()?;
    if !status.success() {
        let lines: Vec<&str> = printed.lines().collect();
        let last = &lines[lines.len().saturating_sub(TAIL)..];
        bail!("{} failed ({status}):\n{}", line(command), last.join("\n"));
    }
    Ok(())
}

/// Runs to success and returns standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", line(command), output.status, printed.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{}: output", line(command)))
}

/// Becomes the command, so that its exit code and the signals for it need no forwarding.
pub(crate) fn exec(command: &mut Command) -> Result<ExitCode> {
    let error = command.exec();
    Err(anyhow!(error).context(format!("cannot start {}", line(command))))
}

/// First program of this name in `PATH`, or in the folders of system programs that a user's
/// `PATH` often lacks.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_failure_carries_both_streams() {
        let error = run_quietly(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("one\ntwo"), "{error}");
    }

    #[test]
    fn capture_returns_standard_output_only() {
        let text = capture(Command::new("sh").args(["-c", "echo one; echo two >&2"])).unwrap();
        assert_eq!(text, "one\n");
    }
}
