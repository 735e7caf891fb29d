//! The terminal while the table is shown, and after it.

use anyhow::Context as _;
use ratatui::DefaultTerminal;

/// Takes the whole screen for as long as `show` runs. The terminal is as before then, also when it
/// panics: ratatui's hook gives it back before the panic is told.
pub fn on_screen<T>(
    show: impl FnOnce(&mut DefaultTerminal) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut terminal = ratatui::try_init().context("the terminal")?;
    let shown = show(&mut terminal);
    ratatui::restore();
    shown
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        fs::File,
        io::Read as _,
        os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        process::{Command, ExitStatus, Stdio},
        ptr,
    };

    use super::*;

    /// How the child of the test ends its show.
    const ENDING: &str = "EVICTD_TEST_SCREEN";

    /// Both ends of a terminal.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let (mut ours, mut theirs) = (-1, -1);
        let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let (name, modes) = (ptr::null_mut(), ptr::null());
        // SAFETY: both places are writable, the size is there to be read, and the rest may be null.
        let made = unsafe { libc::openpty(&mut ours, &mut theirs, name, modes, &size) };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: new descriptors that nobody else has.
        unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
    }

    /// Lines are edited and shown while they are typed.
    fn is_cooked(terminal: &OwnedFd) -> bool {
        // SAFETY: zeros are a valid value, and the call fills it in.
        let modes = unsafe {
            let mut modes: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), &mut modes), 0);
            modes
        };
        let cooked = libc::ICANON | libc::ECHO | libc::ISIG;
        modes.c_lflag & cooked == cooked
    }

    /// Runs this test again in a process of its own on a terminal of its own.
    fn shown_with(ending: &str) -> (ExitStatus, String, bool) {
        let (ours, theirs) = terminal();
        assert!(is_cooked(&theirs));
        let test = "top::live::screen::tests::the_terminal_is_given_back_however_it_ends";
        let other = || Stdio::from(theirs.try_clone().unwrap());
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ENDING, ending)
            .env("TERM", "xterm")
            .stdin(other())
            .stdout(other())
            .stderr(other())
            .spawn()
            .unwrap();
        // Read while it runs, or it would wait for room; the end is when nobody else has the terminal.
        let reader = std::thread::spawn({
            let mut ours = File::from(ours.try_clone().unwrap());
            move || {
                let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
                while let Ok(read @ 1..) = ours.read(&mut buffer) {
                    seen.extend_from_slice(&buffer[..read]);
                }
                String::from_utf8_lossy(&seen).into_owned()
            }
        });
        let status = child.wait().unwrap();
        let cooked = is_cooked(&theirs);
        drop(theirs);
        (status, reader.join().unwrap(), cooked)
    }

    #[test]
    fn the_terminal_is_given_back_however_it_ends() {
        if let Ok(ending) = env::var(ENDING) {
            let shown = on_screen(|terminal| {
                terminal.draw(|frame| frame.render_widget("a table", frame.area()))?;
                assert_ne!(ending, "panic", "in the middle of it");
                if ending == "error" { anyhow::bail!("no readings") } else { Ok(()) }
            });
            assert_eq!(shown.is_err(), ending == "error");
            return;
        }
        for (ending, succeeds) in [("return", true), ("error", true), ("panic", false)] {
            let (status, seen, cooked) = shown_with(ending);
            assert_eq!(status.success(), succeeds, "{ending}: {seen}");
            let (entered, left) = (seen.find("\u{1b}[?1049h"), seen.rfind("\u{1b}[?1049l"));
            assert!(entered.is_some() && left > entered, "{ending}: the screen: {seen:?}");
            assert!(seen.contains("table"), "{ending}: {seen:?}");
            assert!(cooked, "{ending}: the modes are as before");
            if ending == "panic" {
                let told = seen.rfind("in the middle of it");
                assert!(told > left, "told on the screen that stays: {seen:?}");
            }
        }
    }
}
