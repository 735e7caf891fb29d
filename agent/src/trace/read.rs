//! Reading a trace.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
    time::Duration,
};

use evictd_core::{Command, MonoTime, Observation, PodFacts, PodObservation};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::error::Category;
use tracing::warn;

use super::{
    Entry, Event, Header,
    wire::{Line, SeenNode},
};
use crate::config::{InputError, document::Position};

/// A trace that was read.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its first line.
    pub header: Header,
    /// Inputs and commands, in order.
    pub entries: Vec<Entry>,
    /// It has its last line: the recording ended as it should.
    pub is_whole: bool,
    /// What is wrong with it although it can be used: cut short, entries missing.
    pub warnings: Vec<String>,
}

/// Opens and reads the trace at `path`; its warnings go to the log.
///
/// # Errors
/// As [`read`], and when the file cannot be opened.
pub fn open(path: &Path) -> Result<Trace, InputError> {
    let file =
        File::open(path).map_err(|e| InputError::in_file(path, format!("cannot be read: {e}")))?;
    let trace = read(path, BufReader::new(file))?;
    trace.warnings.iter().for_each(|warning| warn!("{warning}"));
    Ok(trace)
}

/// Reads a trace, calling it `path` in errors. A last line that was cut off is a warning, and the rest
/// is used.
///
/// # Errors
/// Where and what: not JSON, an unknown format or version, a field that is missing or wrong, times that
/// go back, a pod that was not introduced.
pub fn read(path: &Path, mut input: impl BufRead) -> Result<Trace, InputError> {
    let mut line = Vec::new();
    let mut reader = Reader::new(path);
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        let length = read.map_err(|error| reader.error(0, "", error.to_string()))?;
        if length == 0 {
            return reader.finish();
        }
        reader.number += 1;
        if !line.trim_ascii().is_empty() {
            reader.line(&line)?;
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    /// Of the line, from 1.
    number: u64,
    header: Option<Header>,
    pods: Vec<Arc<PodFacts>>,
    last: MonoTime,
    entries: Vec<Entry>,
    warnings: Vec<String>,
    ended: bool,
}

/// The part of the first line that every version has.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

impl Trace {
    /// From the start to the last entry.
    pub fn length(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |last| last.now.since(self.header.now))
    }

    /// The observations with their times.
    pub fn observations(&self) -> impl DoubleEndedIterator<Item = (MonoTime, &Observation)> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Observation(seen) => Some((entry.now, &**seen)),
            Event::Outcome(_) | Event::Timeout | Event::Policy(_) | Event::Command(_) => None,
        })
    }

    /// The commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Command(command) => Some(command),
            Event::Outcome(_) | Event::Timeout | Event::Policy(_) | Event::Observation(_) => None,
        })
    }
}

impl<'a> Reader<'a> {
    const fn new(path: &'a Path) -> Self {
        Self {
            path,
            number: 0,
            header: None,
            pods: Vec::new(),
            last: MonoTime::from_nanos(0),
            entries: Vec::new(),
            warnings: Vec::new(),
            ended: false,
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), InputError> {
        if self.ended {
            return Err(self.error(1, "", "nothing may follow `end`"));
        }
        if self.header.is_none() {
            return self.first(text);
        }
        match serde_json::from_slice(text) {
            Ok(line) => self.take(line),
            Err(error) if error.classify() == Category::Eof && !text.ends_with(b"\n") => {
                let at = self.error(error.column(), "", "the last line is cut off and not used");
                self.warnings.push(at.to_string());
                Ok(())
            }
            Err(error) => Err(self.json_error(&error)),
        }
    }

    fn first(&mut self, text: &[u8]) -> Result<(), InputError> {
        let kind: Kind = self.json(text)?;
        if kind.format != Header::FORMAT {
            let problem = format!("unknown format `{}`", kind.format);
            return Err(self.error(1, "format", problem).allowed(Header::FORMAT));
        }
        if kind.version != Header::VERSION {
            let problem = format!("unknown version {}", kind.version);
            return Err(self.error(1, "version", problem).allowed(Header::VERSION.to_string()));
        }
        let header: Header = self.json(text)?;
        self.last = header.now;
        self.header = Some(header);
        Ok(())
    }

    fn take(&mut self, line: Line) -> Result<(), InputError> {
        let (now, event) = match line {
            Line::Pod { number, facts } => {
                if number != self.pods.len() {
                    let problem = format!("is {number}, not the next number");
                    let next = self.pods.len().to_string();
                    return Err(self.error(1, "pod.number", problem).allowed(next));
                }
                self.pods.push(facts);
                return Ok(());
            }
            Line::Missing { entries } => {
                let problem = format!("{entries} entries are missing here");
                self.warnings.push(self.error(1, "", problem).to_string());
                return Ok(());
            }
            Line::End { now } => {
                self.ended = true;
                return self.advance(now);
            }
            Line::Observation(seen) => (seen.now, self.observation(seen)?),
            Line::Outcome(at) => (at.now, Event::Outcome(at.what)),
            Line::Timeout { now } => (now, Event::Timeout),
            Line::Policy { now, policy } => (now, Event::Policy(policy)),
            Line::Command(at) => (at.now, Event::Command(at.what)),
        };
        self.advance(now)?;
        self.entries.push(Entry { now, event });
        Ok(())
    }

    fn advance(&mut self, now: MonoTime) -> Result<(), InputError> {
        if now < self.last {
            let (now, last) = (now.as_nanos(), self.last.as_nanos());
            return Err(self.error(1, "now", format!("{now} is before {last} of an earlier line")));
        }
        self.last = now;
        Ok(())
    }

    fn observation(&self, seen: SeenNode) -> Result<Event, InputError> {
        let SeenNode { now: _, signals, usage_for, summary, pods, log_writes } = seen;
        let mut observed = Vec::with_capacity(pods.len());
        for (i, pod) in pods.into_iter().enumerate() {
            let Some(facts) = self.pods.get(pod.pod).cloned() else {
                let field = format!("observation.pods.{i}.pod");
                return Err(self.error(1, &field, format!("pod {} was not introduced", pod.pod)));
            };
            observed.push(PodObservation { facts, usage: pod.usage, stats: pod.stats });
        }
        let observation = Observation { signals, usage_for, pods: observed, summary, log_writes };
        Ok(Event::Observation(Box::new(observation)))
    }

    fn finish(mut self) -> Result<Trace, InputError> {
        let Some(header) = self.header.take() else {
            return Err(InputError::in_file(self.path, "is empty, not a trace".to_owned()));
        };
        if !self.ended {
            let problem = "the trace has no `end`: the recorder was killed, or still records";
            self.warnings.push(format!("{}: {problem}", self.path.display()));
        }
        Ok(Trace { header, entries: self.entries, is_whole: self.ended, warnings: self.warnings })
    }

    fn json<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, InputError> {
        serde_json::from_slice(text).map_err(|error| self.json_error(&error))
    }

    fn json_error(&self, error: &serde_json::Error) -> InputError {
        let text = error.to_string();
        // The position is told in front already.
        let problem = text.split(" at line ").next().unwrap_or_default();
        self.error(error.column(), "", problem)
    }

    fn error(&self, column: usize, field: &str, problem: impl Into<String>) -> InputError {
        let column = u64::try_from(column).unwrap_or(u64::MAX);
        let at = Position { line: self.number, column: column.max(1) };
        InputError::in_field(self.path, at, field.to_owned(), problem)
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::Policy;

    use super::*;
    use crate::{config::Mode, trace::Figures};

    const OBSERVATION: &str = r#"{"observation":{"now":9,"signals":{},"usage_for":null,"summary":"not_taken","pods":[]}}"#;

    fn header() -> String {
        let now = MonoTime::from_nanos(5);
        let policy = Policy::linux_defaults();
        let header = Header::of_this_machine(Mode::Observe, Figures::All, policy, now);
        serde_json::to_string(&header).unwrap()
    }

    fn read_text(text: &str) -> Result<Trace, String> {
        read(Path::new("t.jsonl"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let after = |line: &str| format!("{}\n{line}\n", header());
        let changed = |from: &str, to: &str| format!("{}\n", header().replacen(from, to, 1));
        let unknown = OBSERVATION.replace("{},", r#"{"disk.free":{}},"#);
        let pods = |pods: &str| OBSERVATION.replace("[]", pods);
        let usage = r#"{"memory_working_set":null,"tasks":null,"logs":null,"rootfs":null,"local_volumes":null}"#;
        let stranger = pods(&format!(r#"[{{"pod":3,"usage":{usage}}}]"#));
        let cases: [(&str, String, &str); 11] = [
            ("empty", String::new(), "t.jsonl: is empty, not a trace"),
            ("no JSON", "evictd\n".into(), "t.jsonl:1:1: expected value"),
            (
                "another format",
                r#"{"format":"pcap","version":1}"#.into(),
                "t.jsonl:1:1: field format: unknown format `pcap`; allowed: evictd-trace",
            ),
            (
                "a later version",
                changed("\"version\":1", "\"version\":2"),
                "t.jsonl:1:1: field version: unknown version 2; allowed: 1",
            ),
            (
                "no policy",
                r#"{"format":"evictd-trace","version":1}"#.into(),
                "t.jsonl:1:37: missing field `evictd`",
            ),
            (
                "an unknown line",
                after(r#"{"forecast":{}}"#),
                "t.jsonl:2:11: unknown variant `forecast`",
            ),
            (
                "an unknown signal",
                after(&unknown),
                "t.jsonl:2:46: unknown signal `disk.free`; allowed: memory.available, ",
            ),
            ("bad JSON in the middle", after("{\"timeout\":}"), "t.jsonl:2:12: expected value"),
            (
                "times that go back",
                after("{\"timeout\":{\"now\":4}}"),
                "t.jsonl:2:1: field now: 4 is before 5 of an earlier line",
            ),
            (
                "an unknown pod",
                after(&stranger),
                "t.jsonl:2:1: field observation.pods.0.pod: pod 3 was not introduced",
            ),
            (
                "more after the end",
                after("{\"end\":{\"now\":9}}\n{\"timeout\":{\"now\":9}}"),
                "t.jsonl:3:1: nothing may follow `end`",
            ),
        ];
        for (name, text, expected) in cases {
            let error = read_text(&text).expect_err(name);
            assert!(error.starts_with(expected), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_cut_off_or_missing_is_a_warning() {
        let whole = format!("{}\n{OBSERVATION}\n{{\"end\":{{\"now\":9}}}}\n", header());
        let trace = read_text(&whole).unwrap();
        assert!(trace.is_whole && trace.warnings.is_empty());
        assert_eq!(trace.observations().count(), 1);

        let cut = read_text(&whole[..whole.len() - 25]).unwrap();
        assert!(!cut.is_whole);
        assert!(cut.warnings[0].starts_with("t.jsonl:2:"), "{:?}", cut.warnings);
        assert!(cut.warnings[0].ends_with("the last line is cut off and not used"));
        assert!(cut.warnings[1].contains("no `end`"));

        let missing = format!("{}\n{{\"missing\":{{\"entries\":3}}}}\n", header());
        let missing = read_text(&missing).unwrap();
        assert_eq!(missing.warnings[0], "t.jsonl:2:1: 3 entries are missing here");
    }
}
