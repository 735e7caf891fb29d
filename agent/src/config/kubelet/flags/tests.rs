use super::*;

fn hard(flags: &KubeletFlags) -> Option<BTreeMap<String, String>> {
    flags.layer.texts(MapField::Hard)
}

fn one(signal: &str, value: &str) -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([(signal.to_owned(), value.to_owned())]))
}

#[test]
fn every_way_of_writing_a_flag() {
    let gi = one("memory.available", "1Gi");
    let cases = [
        ("none", "kubelet --v=2 -h", None),
        ("equals", "--eviction-hard=memory.available<1Gi", gi.clone()),
        ("two words", "--eviction-hard memory.available<1Gi --v 2", gi.clone()),
        ("quoted", "--eviction-hard='memory.available<1Gi'", gi.clone()),
        ("all quoted", "\"--eviction-hard=memory.available < 1Gi\"", gi.clone()),
        ("underscores", "--eviction_hard=memory.available<1Gi", gi.clone()),
        (
            "an environment file",
            "# kubeadm's\nKUBELET_KUBEADM_ARGS=\"--v=2 --eviction-hard=memory.available<1Gi\"\n",
            gi.clone(),
        ),
        (
            "again: the maps are joined, the last value counts",
            "--eviction-hard=memory.available<2Gi --eviction-hard=memory.available<1Gi",
            gi,
        ),
        ("nothing in force", "--eviction-hard=", Some(BTreeMap::new())),
    ];
    for (name, text, expected) in cases {
        let flags = read(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(hard(&flags), expected, "{name}");
    }
}

#[test]
fn every_flag_is_used() {
    let flags = read(
        "--eviction-soft=nodefs.available<20% --eviction-soft-grace-period=nodefs.available=1m \
         --eviction-minimum-reclaim=nodefs.available=1Gi \
         --eviction-pressure-transition-period=30s --eviction-max-pod-grace-period=-1 \
         --enforce-node-allocatable=none,pods --feature-gates=A=true,PodLevelResources=false \
         --feature-gates=B=0 --root-dir=/k --cgroup-root /c --config=/f --config-dir=/d \
         --local-storage-capacity-isolation=false --max-pods=250 --kernel-memcg-notification",
    )
    .expect("valid");
    let layer = &flags.layer;
    for (field, signal, value) in [
        (MapField::Soft, "nodefs.available", "20%"),
        (MapField::SoftGracePeriod, "nodefs.available", "1m"),
        (MapField::MinimumReclaim, "nodefs.available", "1Gi"),
    ] {
        assert_eq!(layer.texts(field), one(signal, value), "{field}");
    }
    assert_eq!(layer.transition_period.as_ref().map(|p| &*p.value), Some("30s"));
    assert_eq!(layer.max_pod_grace.as_ref().map(|p| p.value), Some(-1));
    assert_eq!(
        layer.enforce_node_allocatable.as_deref(),
        Some(&["none", "pods"].map(str::to_owned)[..])
    );
    let gates: Vec<_> = layer.feature_gates.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert_eq!(gates, [("A", true), ("B", false), ("PodLevelResources", false)]);
    assert_eq!(layer.max_pods.as_ref().map(|p| p.value), Some(250));
    let path = |placed: &Option<Placed<PathBuf>>| placed.as_ref().map(|p| p.value.clone());
    assert_eq!(path(&layer.root_directory), Some("/k".into()));
    assert_eq!(path(&layer.cgroup_root), Some("/c".into()));
    assert_eq!((flags.config, flags.config_dir), (Some("/f".into()), Some("/d".into())));
    assert_eq!(layer.local_storage_isolation, Some(false));
    assert_eq!(layer.kernel_memcg_notification, Some(true));
    let ignoring = read("--experimental-allocatable-ignore-eviction").expect("valid");
    assert_eq!(ignoring.layer.enforce_node_allocatable, Some(Vec::new()));
}

#[test]
fn mistakes_name_the_flag() {
    let cases = [
        (
            "--eviction-hard=memory.available=1Gi",
            "--kubelet-flags: field --eviction-hard: malformed pair, expect string<string",
        ),
        (
            "--eviction-minimum-reclaim=a",
            "--kubelet-flags: field --eviction-minimum-reclaim: malformed pair, expect \
             string=string",
        ),
        ("--eviction-soft", "--kubelet-flags: field --eviction-soft: needs a value"),
        ("--feature-gates=A", "--kubelet-flags: field --feature-gates: missing bool value for A"),
        (
            "--kernel-memcg-notification=maybe",
            "--kubelet-flags: field --kernel-memcg-notification: `maybe` is neither true nor \
             false; allowed: true, false",
        ),
        (
            "--eviction-max-pod-grace-period=5s",
            "--kubelet-flags: field --eviction-max-pod-grace-period: `5s` is not a number of \
             seconds",
        ),
        ("--a='b", "--kubelet-flags: a quotation mark is not closed"),
        ("@/nonexistent", "/nonexistent: cannot be read: "),
    ];
    for (text, expected) in cases {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
