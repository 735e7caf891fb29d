use proptest::prelude::*;

use super::*;
use crate::runtime::ContainerPhase::{Created, Exited, Running, Unknown};

const BOTH: [ReclaimStep; 2] = [ReclaimStep::DeadContainers, ReclaimStep::UnusedImages];
const MINUTE: Duration = Duration::from_secs(60);

fn at(second: u64) -> MonoTime {
    MonoTime::from_nanos(second * 1_000_000_000)
}

/// `pod/name/id`, made at `created_at`, of image `image`.
fn container(path: &str, phase: ContainerPhase, created_at: i64, image: &str) -> Container {
    let mut parts = path.split('/').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (pod_uid, name, id) = (next(), next(), next());
    Container { id, name, pod_uid, phase, created_at, image: vec![image.to_owned()] }
}

fn image(id: &str, pinned: bool) -> Image {
    Image { id: id.to_owned(), names: vec![format!("registry/{id}:1")], size: 1, pinned }
}

fn ids(removals: &[Removal<'_>]) -> Vec<String> {
    let id = |removal: &Removal<'_>| match removal {
        Removal::Container(container) => container.id.clone(),
        Removal::Image(image) => format!("image {}", image.id),
    };
    removals.iter().map(id).collect()
}

/// The runtime looked at first at second 0, then again with `stock`, and planned at second 100.
fn planned(stock: &Stock, steps: &[ReclaimStep]) -> Vec<String> {
    let mut uses = ImageUse::default();
    uses.detect(stock, at(0));
    uses.detect(stock, at(90));
    ids(&plan(stock, steps, &uses, MINUTE, at(100)))
}

#[test]
fn dead_containers_go_oldest_first_and_the_newest_of_the_living_stay() {
    /// Name, pods and whether they are ready, containers, what goes.
    type Case<'a> = (&'a str, &'a [(&'a str, bool)], Vec<Container>, &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        ("running", &[("u", true)], vec![container("u/app/1", Running, 1, "a")], &[]),
        (
            "about to start, or lost",
            &[("u", false)],
            vec![container("u/app/1", Created, 1, "a"), container("u/app/2", Unknown, 2, "a")],
            &[],
        ),
        (
            "restarted: the last dead one stays for --previous",
            &[("u", true)],
            vec![
                container("u/app/3", Running, 3, "a"),
                container("u/app/2", Exited, 2, "a"),
                container("u/app/1", Exited, 1, "a"),
            ],
            &["1"],
        ),
        (
            "crash loop: nothing runs, the sandbox is ready",
            &[("u", true)],
            vec![container("u/app/2", Exited, 2, "a"), container("u/app/1", Exited, 1, "a")],
            &["1"],
        ),
        (
            "by name: an init container stays too",
            &[("u", true)],
            vec![container("u/init/1", Exited, 1, "a"), container("u/app/2", Running, 2, "a")],
            &[],
        ),
        (
            "a pod that has ended",
            &[("u", false)],
            vec![container("u/app/2", Exited, 2, "a"), container("u/init/1", Exited, 1, "a")],
            &["1", "2"],
        ),
        (
            "across pods by age",
            &[("u", false), ("v", false)],
            vec![container("u/app/2", Exited, 5, "a"), container("v/app/1", Exited, 4, "a")],
            &["1", "2"],
        ),
        ("nobody knows whose", &[], vec![container("/app/1", Exited, 1, "a")], &[]),
    ];
    for (name, pods, containers, expected) in cases {
        let pods = pods.iter().map(|(uid, ready)| ((*uid).to_owned(), *ready)).collect();
        let stock = Stock { containers, images: Vec::new(), pods };
        assert_eq!(planned(&stock, &BOTH), expected, "{name}");
        assert_eq!(planned(&stock, &BOTH[1..]), [""; 0], "{name}: not asked for");
    }
}

#[test]
fn unused_images_go_by_last_use() {
    /// Name, images used, images pinned, what goes.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);
    let stock = |used: &[&str], pinned: &[&str]| Stock {
        containers: used
            .iter()
            .enumerate()
            .map(|(i, id)| container(&format!("u/app{i}/{i}"), Running, 0, id))
            .collect(),
        images: ["a", "b", "c"].map(|id| image(id, pinned.contains(&id))).into(),
        pods: [("u".to_owned(), true)].into(),
    };
    let mut uses = ImageUse::default();
    // b was used last, a before that, c never.
    uses.detect(&stock(&["a", "b"], &[]), at(0));
    uses.detect(&stock(&["b"], &[]), at(10));
    let cases: [Case<'_>; 4] = [
        ("all", &[], &[], &["image c", "image a", "image b"]),
        ("used, under its id", &["a"], &[], &["image c", "image b"]),
        ("used, under its tag", &["registry/c:1"], &[], &["image a", "image b"]),
        ("pinned", &[], &["c", "b"], &["image a"]),
    ];
    for (name, used, pinned, expected) in cases {
        let stock = stock(used, pinned);
        assert_eq!(ids(&plan(&stock, &BOTH, &uses, MINUTE, at(100))), expected, "{name}");
    }
    let mut later = stock(&[], &[]);
    later.images.push(image("new", false));
    uses.detect(&later, at(50));
    let ids_at = |second| ids(&plan(&later, &BOTH, &uses, MINUTE, at(second)));
    assert_eq!(ids_at(109).len(), 3, "pulled less than the minimum age ago (E-51)");
    assert_eq!(ids_at(110).len(), 4);
}

#[test]
fn an_image_whose_last_users_go_goes_after_them() {
    let stock = Stock {
        containers: vec![container("u/app/1", Exited, 1, "a")],
        images: vec![image("a", false)],
        pods: [("u".to_owned(), false)].into(),
    };
    assert_eq!(planned(&stock, &BOTH), ["1", "image a"]);
    assert_eq!(planned(&stock, &BOTH[1..]), [""; 0], "its container stays");
}

fn any_stock() -> impl Strategy<Value = Stock> {
    let phase = prop_oneof![Just(Created), Just(Running), Just(Exited), Just(Unknown)];
    let containers =
        prop::collection::vec((0..4usize, 0..2usize, phase, 0..5i64, 0..4usize), 0..12);
    let pods = prop::collection::btree_map("[0-2]", any::<bool>(), 0..4);
    let pinned = prop::collection::vec(any::<bool>(), 4);
    (containers, pods, pinned).prop_map(|(containers, pods, pinned)| {
        let container = |(i, (pod, name, phase, created, image)): (usize, _)| {
            container(&format!("{pod}/n{name}/c{i}"), phase, created, &format!("i{image}"))
        };
        Stock {
            containers: containers.into_iter().enumerate().map(container).collect(),
            images: pinned.iter().enumerate().map(|(i, p)| image(&format!("i{i}"), *p)).collect(),
            pods,
        }
    })
}

proptest! {
    #[test]
    fn nothing_that_is_needed_goes(stock in any_stock()) {
        let mut uses = ImageUse::default();
        uses.detect(&stock, at(0));
        let removals = plan(&stock, &BOTH, &uses, MINUTE, at(100));
        let gone: BTreeSet<_> = removals.iter().filter_map(|removal| match removal {
            Removal::Container(container) => Some(container.id.as_str()),
            Removal::Image(_) => None,
        }).collect();
        let mut last = i64::MIN;
        for removal in &removals {
            match removal {
                Removal::Container(container) => {
                    prop_assert_eq!(container.phase, Exited);
                    prop_assert!(last <= container.created_at, "oldest first");
                    last = container.created_at;
                    let newer_dead = stock.containers.iter().any(|other| {
                        other.phase == Exited && other.id != container.id
                            && !gone.contains(other.id.as_str())
                            && (&other.pod_uid, &other.name) == (&container.pod_uid, &container.name)
                            && other.created_at >= container.created_at
                    });
                    let lives = stock.living().contains(container.pod_uid.as_str());
                    prop_assert!(!lives || newer_dead, "needed for --previous");
                }
                Removal::Image(image) => {
                    prop_assert!(!image.pinned);
                    let users = stock.containers.iter().filter(|c| image.is_of(c));
                    for user in users {
                        prop_assert!(gone.contains(user.id.as_str()), "used by {}", user.id);
                    }
                }
            }
        }
    }
}
