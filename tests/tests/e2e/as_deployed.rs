//! evictd as its DaemonSet starts it: arguments, environment and files as they are rendered, in namespaces of its
//! own instead of a container.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread,
};

use evictd_tests::{container::enter, control_plane::ControlPlane, http::request, inbox::Event};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    common, machine::Machine, relay::Relay, scene::Prepared, small::idle, template::Template,
};

/// The configuration that is deployed wants 1000 left, and the sandbox has fewer.
const TASKS: u64 = 8192;

#[test]
fn evictd_runs_as_its_daemon_set_starts_it_and_answers_the_probes() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("cart")]);
    small.node.kubepods().limit_tasks(TASKS).unwrap();
    let template = Template::of(&small.plane);
    assert_eq!(template.probes.len(), 2, "{template:?}");
    let machine = Machine::of(&small, &template);
    let server: SocketAddr = small.plane.url().trim_start_matches("https://").parse().unwrap();
    let mut command = command(&small.plane, &template, server);
    let log = small.node.dir().join("evictd.log");
    command.stderr(File::create(&log).unwrap());
    enter(&mut command, &small.node.system().child("evictd").unwrap()).unwrap();

    let (listening, listener) = channel();
    let ((answered, answers), (end, ended)) = (channel(), channel::<()>());
    let events = small.inbox.sender();
    // The namespaces are a thread's, and evictd ends with it.
    let inside = thread::spawn(move || {
        listening.send(machine.enter(server.port())).unwrap();
        let mut evictd = Running::start(command, events);
        for (port, path) in &template.probes {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            common::wait_until(path, || {
                request(address, "GET", path).is_ok_and(|answer| answer.status == 200)
            });
        }
        answered.send(()).unwrap();
        // Until this is over or has failed.
        let _ = ended.recv();
        evictd.end()
    });
    let _relay = Relay::start(listener.recv().unwrap(), server);
    answers.recv().unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(&log).unwrap()));
    let (from, eviction) = small.hog(0);
    small.assert_told(from, 0, &eviction);
    drop(end);
    assert_eq!(inside.join().unwrap(), Some(0));
}

/// As the kubelet starts it.
fn command(plane: &ControlPlane, template: &Template, server: SocketAddr) -> Command {
    let mut command = Command::new(common::evictd_binary());
    command.args(&template.args).env_clear();
    command.envs(template.env.iter().map(|(name, value)| (name, value)));
    command.env("KUBERNETES_SERVICE_HOST", server.ip().to_string());
    command.env("KUBERNETES_SERVICE_PORT", server.port().to_string());
    command.current_dir(plane.dir()).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    command
}

/// Killed and reaped on drop.
struct Running(Child);

impl Running {
    /// Its records go to `events`.
    fn start(mut command: Command, events: Sender<Event>) -> Self {
        let mut child = command.spawn().unwrap();
        let records = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in records.lines().map_while(Result::ok) {
                let event = match serde_json::from_str(&line) {
                    Ok(record) => Event::Record(Box::new(record)),
                    Err(error) => Event::BadRecord(format!("{line} ({error})")),
                };
                if events.send(event).is_err() {
                    return;
                }
            }
        });
        Self(child)
    }

    /// SIGTERM; the exit code.
    fn end(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
