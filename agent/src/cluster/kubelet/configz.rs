//! What the kubelet is configured by, kept in a file that the configuration is read from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Kubelet, KubeletError};
use crate::{
    cluster::{Connection, Stop, backoff::Backoff, whole_file},
    config::kubelet_as_file,
};

const PATH: &str = "/configz";

/// It changes only with a restart of the kubelet.
const AGAIN: Duration = Duration::from_secs(60);

const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60) };

/// Asks until evictd ends. A kubelet that does not answer leaves the file as it is, also from before
/// evictd's last restart.
pub(super) async fn keep(kubelet: Kubelet, connection: Connection, file: PathBuf, mut stop: Stop) {
    tokio::select! {
        () = stop.requested() => {}
        () = ask(&kubelet, &connection, &file) => {}
    }
}

async fn ask(kubelet: &Kubelet, connection: &Connection, file: &Path) {
    let (mut failures, mut last) = (0, None);
    loop {
        let wait = match once(kubelet, connection, file).await {
            Ok(()) => {
                (failures, last) = (0, None);
                AGAIN
            }
            Err(error) => {
                if last.as_ref() != Some(&error) {
                    warn!("{error}; its thresholds are as they were");
                }
                failures += 1;
                last = Some(error);
                BACKOFF.after(failures)
            }
        };
        sleep(wait).await;
    }
}

async fn once(kubelet: &Kubelet, connection: &Connection, file: &Path) -> Result<(), KubeletError> {
    let answer = kubelet.get(connection, PATH).await?;
    let text = kubelet_as_file(&answer).map_err(|problem| kubelet.error(PATH, problem))?;
    if fs::read_to_string(file).is_ok_and(|before| before == text) {
        return Ok(());
    }
    whole_file::write_with_folder(file, text.as_bytes())
        .map_err(|e| kubelet.error(PATH, format!("{}: {e}", file.display())))?;
    info!("the kubelet's configuration is in {}", file.display());
    Ok(())
}
