//! The processes of the sandbox's containers. Each is bounded in size and in time, runs in a PID
//! namespace like any container, and dies with the process that started it.

mod args;
mod background;
mod bomb;
mod churn;
mod contain;
mod exactly;
mod hog;
mod pace;
mod tasks;
mod writer;

use std::process::ExitCode;

use args::Args;

const USAGE: &str = "\
evictd-workload COMMAND [--option N]...
  idle           [--mib N] [--tasks N]                holds memory and processes
  steady-writer  the same, and [--log-rate BYTES/S] [--dir DIR --rate BYTES/S --file-mib N]
  log-writer     [--rate MIB/S] [--max-mib N]         lines to stdout; rate 0 is full speed
  memory-hog     [--mib-per-s N] [--max-mib N]        rate 0 is full speed
  fork-bomb      [--max N]                            every process forks
  write-exactly  --file FILE [--bytes N --count N]    appends, and ends
  truncate       --file FILE                          cuts it to nothing, and ends
  hold-deleted   --file FILE [--mib N]                writes and deletes it, keeps it open
  churn          --dir DIR [--count N] [--seed N]     grows and shrinks files, and ends
  fork-exactly   [--count N]                          forks children that end, and ends
  live-exactly   --file FILE [--bytes N --count N --forks N]  appends, forks, and ends
  task-churn     [--rounds N --threads N --children N] threads, children, orphans, exec; then some that stay
each also: [--lifetime SECONDS] [--ignore-term 1] [--exit-on-term 1]";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let done = Args::parse(words).and_then(|args| {
        if args.number("ignore-term", 0) == 1 {
            contain::ignore_term();
        }
        if args.number("exit-on-term", 0) == 1 {
            contain::exit_on_term();
        }
        contain::enter(args.number("lifetime", 60))?;
        match command.as_str() {
            "idle" => background::idle(&args),
            "steady-writer" => background::steady_writer(&args),
            "log-writer" => writer::log_writer(&args),
            "memory-hog" => hog::memory_hog(&args),
            "fork-bomb" => bomb::fork_bomb(&args),
            "write-exactly" => exactly::write_exactly(&args),
            "truncate" => exactly::truncate(&args),
            "hold-deleted" => exactly::hold_deleted(&args),
            "churn" => churn::churn(&args),
            "fork-exactly" => exactly::fork_exactly(&args),
            "task-churn" => tasks::task_churn(&args),
            "live-exactly" => exactly::live_exactly(&args),
            _ => Err(USAGE.to_owned()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}
