use evictd_core::EvictionReport;

use super::{victim::TELLINGS, *};

fn pod(n: u64) -> Arc<Notice> {
    let pod = PodRef { uid: format!("u{n}").into(), cgroup_inode: n };
    let report =
        EvictionReport { message: String::new(), annotations: Vec::new(), disruption_target: true };
    Arc::new(Notice::new(&pod, "n".into(), "p".into(), report))
}

fn told(matter: Matter, outcome: Outcome) -> Told {
    let (namespace, pod, uid) = ("n".into(), "p".into(), "u1".into());
    Told { matter, namespace, pod, uid, outcome, attempts: 1, took_ms: 1, detail: None }
}

const fn at(seconds: u64) -> MonoTime {
    MonoTime::from_nanos(seconds * 1_000_000_000)
}

#[test]
fn a_pod_is_looked_after_until_the_api_server_has_answered() {
    let cases = [
        ("an event is no status", Matter::Event, Outcome::Gone, Some(None)),
        ("the kubelet has a minute", Matter::Status, Outcome::Accepted, Some(Some(at(70)))),
        ("no such pod", Matter::Status, Outcome::Gone, None),
        ("another pod", Matter::Status, Outcome::AnotherPod, None),
        ("never known", Matter::Status, Outcome::Refused, None),
        ("no room", Matter::Status, Outcome::Dropped, None),
    ];
    for (name, matter, outcome, expected) in cases {
        let mut condemned = Condemned::default();
        condemned.add(pod(1), Duration::ZERO, at(5));
        condemned.told(&told(matter, outcome), at(10));
        let until = condemned.victims.values().map(|victim| victim.until).next();
        assert_eq!(until, expected, "{name}");
    }
}

#[test]
fn a_status_that_was_taken_back_is_told_again_later_each_time() {
    let mut condemned = Condemned::default();
    condemned.add(pod(1), Duration::ZERO, at(5));
    let taken_back = |condemned: &mut Condemned, is_unfinished, now| {
        let victim = condemned.victims.get_mut("u1").unwrap();
        victim.taken_back(is_unfinished, at(now)).is_some()
    };
    let accepted = told(Matter::Status, Outcome::Accepted);
    assert!(!taken_back(&mut condemned, true, 9), "not taken yet");
    condemned.told(&accepted, at(10));
    assert!(!taken_back(&mut condemned, true, 11), "it may not have heard of it");
    assert!(!taken_back(&mut condemned, false, 12), "finished");
    assert!(taken_back(&mut condemned, true, 12));
    assert!(!taken_back(&mut condemned, true, 99), "being told");
    condemned.told(&accepted, at(100));
    assert!(!taken_back(&mut condemned, true, 103));
    assert!(taken_back(&mut condemned, true, 104));
    for n in 2..TELLINGS {
        condemned.told(&accepted, at(u64::from(n) * 1000));
        assert_eq!(taken_back(&mut condemned, true, u64::from(n) * 1000 + 30), n + 1 < TELLINGS);
    }
}

#[test]
fn the_oldest_makes_room() {
    let mut condemned = Condemned::default();
    let most = u64::try_from(MOST).unwrap();
    for n in 0..=most {
        condemned.add(pod(n), Duration::ZERO, at(n));
    }
    assert_eq!(condemned.victims.len(), MOST);
    assert!(!condemned.victims.contains_key("u0"));
}

#[test]
fn they_are_looked_at_more_often_while_cgroups_come_and_go() {
    let mut condemned = Condemned::default();
    assert_eq!(condemned.next(), None);
    condemned.add_dead(pod(1), at(1));
    condemned.looked = at(5);
    assert_eq!(condemned.next(), Some(at(6)));
    condemned.stir(at(5));
    assert_eq!(condemned.next(), Some(at(5).after(EAGER)));
    condemned.looked = at(9);
    assert_eq!(condemned.next(), Some(at(10)));
}
