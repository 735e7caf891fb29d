//! The answer for people.

use std::io::{self, Write};

use super::report::{Pods, Report, Verdict};
use crate::answer::{Paint, Tone};

/// How good a line is.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Less,
    Bad,
}

impl Mark {
    const fn text(self) -> &'static str {
        match self {
            Self::Good => "ok  ",
            Self::Less => "less",
            Self::Bad => "none",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Less => Tone::Fair,
            Self::Bad => Tone::Bad,
        }
    }
}

/// Where lines go, and in which colours.
struct Page<'w, W> {
    out: &'w mut W,
    paint: Paint,
}

impl<W: Write> Page<'_, W> {
    fn line(&mut self, mark: Mark, what: &str, text: &str) -> io::Result<()> {
        let mark = self.paint.text(mark.tone(), mark.text());
        writeln!(self.out, "{mark} {what:<17} {text}")
    }

    fn detail(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "     {:<17} {text}", "")
    }
}

/// Writes the report: a line a fact, marked by how good it is, reasons below it.
pub fn write(out: &mut impl Write, report: &Report, paint: Paint) -> io::Result<()> {
    let mut page = Page { out, paint };
    kernel(&mut page, report)?;
    capabilities(&mut page, report)?;
    pods(&mut page, &report.pods)?;
    probes(&mut page, report)?;
    let (mark, text) = match report.verdict {
        Verdict::Ready => (Mark::Good, "ready"),
        Verdict::Degraded => (Mark::Less, "evictd runs here, with less than it could have"),
        Verdict::Unable => (Mark::Bad, "evictd cannot run here"),
    };
    page.line(mark, "verdict", text)
}

fn kernel<W: Write>(page: &mut Page<'_, W>, report: &Report) -> io::Result<()> {
    let kernel = &report.kernel;
    page.line(Mark::Good, "kernel", &format!("Linux {} {}", kernel.release, kernel.machine))?;
    match (&kernel.btf_problem, kernel.btf_bytes) {
        (None, Some(bytes)) => page.line(Mark::Good, "BTF", &format!("{} KiB", bytes / 1024))?,
        (problem, _) => page.line(Mark::Less, "BTF", problem.as_deref().unwrap_or("unknown"))?,
    }
    match kernel.lockdown.as_deref() {
        None => {
            page.line(Mark::Good, "lockdown", "unknown: the kernel or securityfs does not tell")?;
        }
        Some("none") => page.line(Mark::Good, "lockdown", "none")?,
        Some(level) => page.line(Mark::Less, "lockdown", level)?,
    }
    match &kernel.tracefs {
        Some(place) => page.line(Mark::Good, "tracefs", place)?,
        None => page.line(Mark::Less, "tracefs", "not mounted: no plain tracepoints")?,
    }
    let cgroup = &report.cgroup;
    match (cgroup.layout, &cgroup.problem) {
        (Some(layout), _) => page.line(Mark::Good, "cgroup", layout)?,
        (None, problem) => {
            page.line(Mark::Bad, "cgroup", problem.as_deref().unwrap_or("unknown"))?;
        }
    }
    for hierarchy in &cgroup.hierarchies {
        page.detail(&format!("{} at {}", hierarchy.name, hierarchy.path))?;
    }
    Ok(())
}

fn capabilities<W: Write>(page: &mut Page<'_, W>, report: &Report) -> io::Result<()> {
    for capability in &report.capabilities {
        let mark = match (capability.held, capability.needed_to) {
            (true, _) => Mark::Good,
            (false, "robustness") => Mark::Less,
            (false, _) => Mark::Bad,
        };
        let missing = if capability.held { "" } else { "missing: needed " };
        page.line(mark, capability.name, &format!("{missing}{}", capability.purpose))?;
    }
    Ok(())
}

fn pods<W: Write>(page: &mut Page<'_, W>, pods: &Pods) -> io::Result<()> {
    let Pods { place, node, listed, .. } = pods;
    match (node, &pods.problem) {
        (None, None) => page.line(Mark::Good, "pods", &format!("from manifests in {place}")),
        (_, Some(problem)) => {
            let mark = if pods.required { Mark::Bad } else { Mark::Less };
            page.line(mark, "pods", "known only by their cgroups, and not evicted")?;
            page.detail(problem)
        }
        (Some(node), None) => {
            let number = listed.unwrap_or_default();
            let text = format!("{number} of node {node}, from the API server at {place}");
            page.line(Mark::Good, "pods", &text)
        }
    }
}

fn probes<W: Write>(page: &mut Page<'_, W>, report: &Report) -> io::Result<()> {
    if let Some(reason) = &report.no_probes {
        page.line(Mark::Less, "probes", &format!("none, only the clock: {reason}"))?;
    }
    if let Some(maps) = &report.maps {
        let [taken, most] = [maps.bytes, maps.most_bytes].map(|bytes| bytes >> 10);
        let text = format!(
            "{taken} KiB for {} pods on {} CPUs; at most about {most} KiB for counts",
            maps.pods, maps.cpus
        );
        page.line(Mark::Good, "BPF maps", &text)?;
    }
    for probe in &report.probes {
        let mark = match (probe.rung, probe.cost) {
            (Some(_), None) => Mark::Good,
            (Some(_), Some(_)) => Mark::Less,
            (None, _) => Mark::Bad,
        };
        page.line(mark, probe.family, probe.rung.unwrap_or("no rung"))?;
        if let Some(cost) = probe.cost {
            page.detail(cost)?;
        }
        for refused in &probe.refused {
            page.detail(&format!("{} refused: {}", refused.rung, refused.reason))?;
        }
    }
    Ok(())
}
