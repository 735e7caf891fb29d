//! A fault of the emulator, told from what a kernel says when it dies of it.
//!
//! To attach to a function, or to switch a tracepoint, a kernel puts a breakpoint into its own code for a moment. An
//! emulated processor may still trip over it when another has taken it out, which real ones cannot: it goes by code
//! that it has translated before.

/// Where the breakpoints are put: the bytes of an instruction that does nothing, until something is to be called.
const SWITCHED_OFF: [&str; 2] = ["<66> 90", "<0f> 1f 44 00 00"];

/// Whether that is what `console` ends with. A kernel that does not know the breakpoint dies of it at once; one that
/// sees that it is gone goes on, trips again, and is found not to get anywhere.
pub(super) fn is_said_by(console: &str) -> bool {
    console.contains("int3: 0000 [#") || is_held_by_nothing(console)
}

/// Whether a processor got nowhere at an instruction that does nothing.
fn is_held_by_nothing(console: &str) -> bool {
    let Some((_, panic)) = console.split_once("Kernel panic - not syncing: softlockup") else {
        return false;
    };
    let first = panic.lines().find_map(|line| line.split_once("Code: "));
    first.is_some_and(|(_, code)| SWITCHED_OFF.iter().any(|nothing| code.contains(nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = "\
watchdog: BUG: soft lockup - CPU#0 stuck for 67s! [evictd-runtime:7911]
Kernel panic - not syncing: softlockup: hung tasks
CPU: 0 PID: 7911 Comm: evictd-runtime Tainted: G             L     6.1.0-56-cloud-amd64 #1
Call Trace:
 <IRQ>
 panic+0x118/0x2f4
 watchdog_timer_fn.cold+0xc/0x16
 </IRQ>
 <TASK>
 asm_sysvec_apic_timer_interrupt+0x16/0x20
RIP: 0010:ext4_da_write_end+0x34/0x280
Code: 58 41 83 ff 01 0f 84 06 01 00 00 <66> 90 41 83 ff 02 74 12 49
RSP: 0018:ff62a2ae40d07b18 EFLAGS: 00000297
 generic_perform_write+0x122/0x240
RIP: 0033:0x7ff1f5bd453a
Code: 2b 4c 24 08 48 89 ca 0f 05 <c3> e9 e1 ff ff ff 64 48 8b";

    #[test]
    fn only_the_emulators_fault_is_taken_for_it() {
        let other_place = HELD.replace("<66> 90", "<f3> 90");
        let traced = HELD.replace("<66> 90", "<0f> 1f 44 00 00");
        let of_the_program = HELD.replace("<66> 90", "<f3> 90").replace("<c3> e9", "<66> 90");
        let before = HELD.replace("Kernel panic - not syncing: softlockup", "watchdog");
        let cases = [
            ("a breakpoint that the kernel does not know", "int3: 0000 [#1] PREEMPT SMP", true),
            ("a switched off call that nothing gets past", HELD, true),
            ("the same of a traced function", &traced, true),
            ("a processor that waits for a lock", &other_place, false),
            ("a program's own code", &of_the_program, false),
            ("a lockup that was no end", &before, false),
            ("an end without code", "Kernel panic - not syncing: softlockup: hung tasks", false),
            ("another end", "Kernel panic - not syncing: Attempted to kill init!", false),
            ("no end", "", false),
        ];
        for (name, console, expected) in cases {
            assert_eq!(is_said_by(console), expected, "{name}");
        }
    }
}
