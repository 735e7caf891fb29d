//! Throughput while somebody looks on, divided by that while nobody does: in turns, so that what else
//! the machine does is in both.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{
    Probes,
    floor::Floor,
    observer::Tool,
    work::{Place, Took, WORKS},
};

/// Least, median and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len() / 2)?;
        Some(Self { min: *values.first()?, median, max: *values.last()? })
    }
}

/// One observer's part in one kind of work.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Ratio {
    /// Pieces of work a second with it, divided by those without.
    pub(super) throughput: Spread,
    /// The same by processor time of those who did the work: less noisy on a busy machine.
    pub(super) cpu: Spread,
}

/// Everything measured without statistics.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ratios {
    /// Nanoseconds of a piece of work, nobody looking on.
    pub(super) alone_ns: BTreeMap<&'static str, Spread>,
    /// By observer, then by work.
    pub(super) observers: BTreeMap<&'static str, BTreeMap<&'static str, Ratio>>,
}

const EVICTD: &str = "evictd";
/// One program that does nothing at the tracepoint of each kind of work: nobody can look on for less.
const NOTHING: &str = "an empty program";

/// One pass over all kinds of work.
type Pass = Vec<Took>;

/// Rounds of: nobody, evictd, nobody, an empty program, nobody, a tool, …, nobody.
pub(super) fn measure(
    place: &Place,
    probes: &Probes,
    tools: &[&Tool],
    rounds: u32,
    count: u32,
) -> Result<Ratios> {
    ensure!(rounds > 0, "no rounds");
    let pass = || WORKS.iter().map(|work| work.run(place, count)).collect::<Result<Pass>>();
    let mut alone: Vec<Pass> = Vec::new();
    let mut beside: BTreeMap<&str, Vec<(Pass, Pass)>> = BTreeMap::new();
    for round in 1..=rounds {
        let mut before = pass()?;
        let observers = [Observer::Evictd, Observer::Nothing].into_iter();
        for observer in observers.chain(tools.iter().map(|tool| Observer::Tool(tool))) {
            let name = observer.name();
            let on = match observer {
                Observer::Evictd => {
                    let _probes = probes.load()?;
                    pass()?
                }
                Observer::Nothing => {
                    let _floors = floors()?;
                    pass()?
                }
                Observer::Tool(tool) => {
                    let _tool = tool.start()?;
                    pass()?
                }
            };
            let after = pass()?;
            let off: Pass = before.iter().zip(&after).map(|(a, b)| mean(*a, *b)).collect();
            beside.entry(name).or_default().push((off, on));
            alone.push(std::mem::replace(&mut before, after));
        }
        eprintln!("round {round} of {rounds}");
    }
    Ok(ratios_of(&alone, &beside))
}

/// Who looks on.
enum Observer<'a> {
    Evictd,
    Nothing,
    Tool(&'a Tool),
}

impl Observer<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Evictd => EVICTD,
            Self::Nothing => NOTHING,
            Self::Tool(tool) => tool.name,
        }
    }
}

fn floors() -> Result<Vec<Floor>> {
    let tracepoints: BTreeSet<&str> = WORKS.iter().map(|work| work.tracepoint).collect();
    tracepoints.into_iter().map(Floor::attach).collect()
}

fn ratios_of(alone: &[Pass], beside: &BTreeMap<&'static str, Vec<(Pass, Pass)>>) -> Ratios {
    let mut ratios = Ratios::default();
    for (number, work) in WORKS.iter().enumerate() {
        let took = alone.iter().filter_map(|pass| pass.get(number));
        if let Some(spread) = Spread::of(took.map(|took| ns(took.wall)).collect()) {
            ratios.alone_ns.insert(work.name, spread);
        }
        for (name, rounds) in beside {
            let took: Vec<(Took, Took)> = rounds
                .iter()
                .filter_map(|(off, on)| Some((*off.get(number)?, *on.get(number)?)))
                .collect();
            let throughput = took.iter().map(|(off, on)| ns(off.wall) / ns(on.wall)).collect();
            let cpu = took.iter().map(|(off, on)| ns(off.cpu) / ns(on.cpu)).collect();
            if let (Some(throughput), Some(cpu)) = (Spread::of(throughput), Spread::of(cpu)) {
                let works = ratios.observers.entry(name).or_default();
                works.insert(work.name, Ratio { throughput, cpu });
            }
        }
    }
    ratios
}

/// What nobody's pass would have taken at the time between two.
fn mean(a: Took, b: Took) -> Took {
    Took { wall: (a.wall + b.wall) / 2, cpu: (a.cpu + b.cpu) / 2 }
}

fn ns(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_in_order() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread, Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
