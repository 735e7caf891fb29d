//! Traces, and the evaluator on whatever they hold.

use std::path::Path;

use evictd::{
    config::InputError,
    replay::as_recorded,
    trace::{Trace, Writer, read},
};

/// Reads the input as a trace: a mistake has a place in it. What is read is written as a text that is
/// read as the same trace and written in the same way, and played twice it gives the same commands.
pub fn trace(data: &[u8]) {
    match read_bytes(data) {
        Ok(trace) => {
            writes_as_itself(&trace);
            let [once, again] = [0; 2].map(|_| as_recorded(&trace).commands);
            assert_eq!(once, again, "the same trace played twice");
        }
        Err(error) => points_into(data, &error),
    }
}

fn read_bytes(data: &[u8]) -> Result<Trace, InputError> {
    read(Path::new("trace.jsonl"), data)
}

fn writes_as_itself(trace: &Trace) {
    let written = write(trace);
    match read_bytes(&written) {
        Ok(again) => {
            // What is no number is not equal to itself, but is shown alike.
            assert_eq!(format!("{:?}", again.header), format!("{:?}", trace.header));
            assert_eq!(format!("{:?}", again.entries), format!("{:?}", trace.entries));
            assert!(again.is_whole && again.warnings.is_empty(), "{:?}", again.warnings);
            assert_eq!(write(&again), written, "written in two ways");
        }
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&written)),
    }
}

fn write(trace: &Trace) -> Vec<u8> {
    let now = trace.entries.last().map_or(trace.header.now, |last| last.now);
    let written = Writer::begin(Vec::new(), &trace.header).and_then(|mut writer| {
        trace.entries.iter().try_for_each(|entry| writer.write(entry.clone()))?;
        writer.end(now)
    });
    written.unwrap_or_else(|error| panic!("{error}: {trace:?}"))
}

/// Columns are bytes here, as in every tool that reads JSON Lines.
fn points_into(data: &[u8], error: &InputError) {
    assert!(!error.problem.is_empty(), "an error says nothing: {error:?}");
    if data.trim_ascii().is_empty() {
        return;
    }
    let (line, column) = (error.line as usize, error.column as usize);
    assert!(line >= 1 && column >= 1, "no position: {error}");
    let length = data.split(|byte| *byte == b'\n').nth(line - 1).map(<[u8]>::len);
    assert!(length.is_some_and(|length| column <= length + 1), "outside the trace: {error}");
}
