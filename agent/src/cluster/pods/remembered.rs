//! The pods as they were told last, on disk: for an evictd that starts while the API server is away. A
//! pod is known by its UID, so one that is another by now is not taken for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{List, api::core::v1::Pod};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
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
pub(super) struct Memory(watch::Sender<Objects>);

/// Who writes them.
#[derive(Debug)]
pub(super) struct Keeper {
    latest: watch::Receiver<Objects>,
    file: PathBuf,
}

/// Both ends, for that file.
pub(super) fn memory(file: PathBuf) -> (Memory, Keeper) {
    let (sender, latest) = watch::channel(Objects::default());
    (Memory(sender), Keeper { latest, file })
}

impl Memory {
    /// These are the pods now.
    pub(super) fn keep(&self, pods: Vec<Arc<Pod>>) {
        self.0.send_if_modified(|before| {
            let is_new = **before != *pods;
            if is_new {
                *before = pods.into();
            }
            is_new
        });
    }
}

impl Keeper {
    /// Writes what changes until evictd ends. A disk that takes nothing is named once.
    pub(super) async fn run(self, mut stop: Stop) {
        tokio::select! {
            () = stop.requested() => {}
            () = self.write_changes() => {}
        }
    }

    async fn write_changes(mut self) {
        let mut is_told = false;
        while self.latest.changed().await.is_ok() {
            let pods = self.latest.borrow_and_update().clone();
            let file = self.file.clone();
            // On a thread of its own: a disk that hangs costs nothing else.
            let written = spawn_blocking(move || write(&file, &pods)).await;
            match written.unwrap_or_else(|failed| Err(io::Error::other(failed))) {
                Ok(()) => is_told = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        let file = self.file.display();
                        warn!("{file}: the pods are not remembered beyond evictd's end: {error}");
                    }
                }
            }
            sleep(EVERY).await;
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

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_written_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pods.json");
        assert_eq!(uids(&file), None, "nothing was ever told");
        let (memory, keeper) = memory(file.clone());
        let (_stop, stopped) = Stop::channel();
        let running = tokio::spawn(keeper.run(stopped));
        for (pods, expected) in [
            (vec![pod("a", "1"), pod("b", "2")], vec!["1", "2"]),
            (vec![pod("b", "3")], vec!["3"]),
            (vec![], vec![]),
        ] {
            memory.keep(pods);
            while uids(&file).as_deref().is_none_or(|uids| uids != expected) {
                sleep(EVERY).await;
            }
        }
        drop(memory);
        running.await.unwrap();
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
