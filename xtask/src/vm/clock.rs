//! The guest's clock. An emulated time-stamp counter runs as fast as this machine's own and the same on every
//! processor, which a kernel does not find out while the machine is busy: it falls back to a timer whose every
//! reading leaves the emulation, or takes a wrong frequency for the right one.

/// What tells the kernel so; nothing where it is not so.
pub(super) fn kernel_arguments() -> String {
    tsc_khz().map_or_else(String::new, |khz| format!(" tsc=reliable tsc_early_khz={khz}"))
}

/// Frequency of this machine's counter, kHz.
#[cfg(target_arch = "x86_64")]
fn tsc_khz() -> Option<u64> {
    use std::thread;
    use std::time::{Duration, Instant};

    /// Counter and clock, read at once: of many readings the one that was interrupted the least.
    fn both() -> Option<(u64, Instant)> {
        let readings = (0..64).map(|_| {
            let before = Instant::now();
            // SAFETY: every x86-64 processor has the counter, and user space may read it.
            let ticks = unsafe { std::arch::x86_64::_rdtsc() };
            (before.elapsed(), (ticks, before))
        });
        readings.min_by_key(|(took, _)| *took).map(|(_, reading)| reading)
    }

    let (ticks, began) = both()?;
    thread::sleep(Duration::from_millis(50));
    let (later, ended) = both()?;
    let micros = u64::try_from(ended.duration_since(began).as_micros()).ok()?;
    later.checked_sub(ticks)?.checked_mul(1000)?.checked_div(micros)
}

#[cfg(not(target_arch = "x86_64"))]
fn tsc_khz() -> Option<u64> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn two_measurements_of_the_counter_agree() {
        let [one, other] = [tsc_khz().unwrap(), tsc_khz().unwrap()];
        assert!(one.abs_diff(other) <= one / 1000, "{one} and {other} kHz");
        assert!(kernel_arguments().starts_with(" tsc=reliable tsc_early_khz="));
    }
}
