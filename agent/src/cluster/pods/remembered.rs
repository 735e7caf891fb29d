//! The pods as they were told last, on disk: for an evictd that starts while the API server is away. A
//! pod is known by its UID, so one that is another by now is not taken for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{List, api::core::v1::Pod};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::table::PodTable;
use crate::{
    cluster::{Stop, whole_file},
    pods::PodRecord,
};

/// Pods come and go by the dozen when a node starts: the file is written no more often than this.
const EVERY: Duration = Duration::from_secs(5);

/// No node has so many pods.
const MOST_BYTES: u64 = 64 << 20;

type Objects = Arc<[Arc<Pod>]>;

/// Where the watch leaves the pods that are to be remembered.
#[derive(Debug)]
pub(super) struct Memory(watch::Sender<Option<Objects>>);

/// Who writes them.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `None` until they are told.
    latest: watch::Receiver<Option<Objects>>,
    written: Option<Objects>,
    next: Instant,
    file: PathBuf,
    /// The disk's refusal.
    is_told: bool,
}

/// Both ends, for that file.
pub(super) fn memory(file: PathBuf) -> (Memory, Keeper) {
    let (sender, latest) = watch::channel(None);
    let keeper = Keeper { latest, written: None, next: Instant::now(), file, is_told: false };
    (Memory(sender), keeper)
}

impl Memory {
    /// These are the pods now.
    pub(super) fn keep(&self, pods: Vec<Arc<Pod>>) {
        self.0.send_if_modified(|before| {
            let is_new = before.as_ref().is_none_or(|before| **before != *pods);
            if is_new {
                *before = Some(pods.into());
            }
            is_new
        });
    }
}

impl Keeper {
    /// Writes what changes until evictd ends. A disk that takes nothing is named once, and tried again.
    pub(super) async fn run(mut self, mut stop: Stop) {
        loop {
            // A write is not left in the middle: the next would meet it.
            let is_over = tokio::select! {
                () = stop.requested() => true,
                () = self.due() => false,
            };
            self.write().await;
            if is_over {
                return;
            }
        }
    }

    /// Waits until there is something to write, and it is time.
    async fn due(&mut self) {
        if self.unwritten().is_none() && self.latest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
    }

    fn unwritten(&self) -> Option<Objects> {
        let latest = self.latest.borrow().clone()?;
        let is_written = self.written.as_ref().is_some_and(|w| Arc::ptr_eq(w, &latest));
        (!is_written).then_some(latest)
    }

    async fn write(&mut self) {
        let Some(pods) = self.unwritten() else { return };
        let (file, latest) = (self.file.clone(), pods.clone());
        // On a thread of its own: a disk that hangs costs nothing else.
        let written = spawn_blocking(move || write(&file, &latest)).await;
        self.next = Instant::now() + EVERY;
        match written.unwrap_or_else(|failed| Err(io::Error::other(failed))) {
            Ok(()) => (self.written, self.is_told) = (Some(pods), false),
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    let file = self.file.display();
                    warn!("{file}: the pods are not remembered beyond evictd's end: {error}");
                }
            }
        }
    }
}

fn write(file: &Path, pods: &[Arc<Pod>]) -> io::Result<()> {
    let items = pods.iter().map(|pod| Pod::clone(pod)).collect();
    let list = List::<Pod> { items, ..List::default() };
    whole_file::write_with_folder(file, &serde_json::to_vec(&list)?)
}

/// The pods in that file; `None` if there is none, or nothing that can be used.
pub(super) fn read(file: &Path) -> Option<Vec<PodRecord>> {
    let problem = match try_read(file) {
        Ok(list) => {
            let mut table = PodTable::default();
            table.replace(&list.items);
            return Some(table.records());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error,
    };
    warn!("{}: the pods that were known are not: {problem}", file.display());
    None
}

fn try_read(file: &Path) -> io::Result<List<Pod>> {
    let length = file.metadata()?.len();
    if length > MOST_BYTES {
        return Err(io::Error::other(format!("{length} bytes are more than {MOST_BYTES}")));
    }
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, uid: &str) -> Arc<Pod> {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": uid},
            "spec": {"priority": 3, "containers": [{"name": "app"}]},
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn uids(file: &Path) -> Option<Vec<String>> {
        let records = read(file)?;
        Some(records.iter().map(|record| record.uid.to_string()).collect())
    }

    async fn wait_written(file: &Path, expected: &[&str]) {
        while uids(file).as_deref().is_none_or(|uids| uids != expected) {
            tokio::time::sleep(EVERY).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_written_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pods.json");
        assert_eq!(uids(&file), None, "nothing was ever told");
        let (memory, keeper) = memory(file.clone());
        let (stop, stopped) = Stop::channel();
        let running = tokio::spawn(keeper.run(stopped));
        // That there are none is told, too.
        for (pods, expected) in [
            (vec![], &[][..]),
            (vec![pod("a", "1"), pod("b", "2")], &["1", "2"]),
            (vec![pod("b", "3")], &["3"]),
        ] {
            memory.keep(pods);
            wait_written(&file, expected).await;
        }
        // What comes just before the end is not lost.
        memory.keep(vec![pod("c", "4")]);
        stop.send_replace(true);
        running.await.unwrap();
        assert_eq!(uids(&file).unwrap(), ["4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_takes_nothing_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state").join("pods.json");
        let in_the_way = dir.path().join("state");
        fs::write(&in_the_way, "a file").unwrap();
        let (memory, keeper) = memory(file.clone());
        let (_stop, stopped) = Stop::channel();
        let running = tokio::spawn(keeper.run(stopped));
        memory.keep(vec![pod("a", "1")]);
        tokio::time::sleep(4 * EVERY).await;
        assert_eq!(uids(&file), None);
        fs::remove_file(&in_the_way).unwrap();
        wait_written(&file, &["1"]).await;
        running.abort();
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pods.json");
        for content in ["", "{", "[]", r#"{"kind": "PodList", "apiVersion": "v1", "items": 3}"#] {
            fs::write(&file, content).unwrap();
            assert_eq!(read(&file), None, "{content}");
        }
        let torn = r#"{"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [{}]}"#;
        fs::write(&file, torn).unwrap();
        assert_eq!(read(&file), Some(Vec::new()), "an object that cannot be used costs itself");
    }
}
