//! Carrying out an order: removing one thing after the other, and looking between two whether it is
//! enough.

use std::time::{Duration, Instant, SystemTime};

use evictd_core::ReclaimStep;

use super::{
    Freed, Goal, Order, Reclaimed, Removal, RuntimeClient, RuntimeError, Stock,
    cri::ContainerState, dead_logs, image_use::ImageUse, plan::plan,
};
use crate::clock::now;

/// How long an order is worked at. Who waits for it gives up much earlier.
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ended this recently stays: the kubelet looks every second, and goes by how it ended.
const SETTLED: Duration = Duration::from_secs(10);
/// Runtimes free a removed container's layer a little later.
const LAYERS_LINGER: Duration = Duration::from_millis(500);
const LINGER_STEP: Duration = Duration::from_millis(25);

/// A runtime and what is remembered of its images.
pub(super) struct Keeper {
    client: RuntimeClient,
    uses: ImageUse,
    sandbox_image: Option<String>,
}

impl Keeper {
    pub(super) const fn new(
        client: RuntimeClient,
        uses: ImageUse,
        sandbox_image: Option<String>,
    ) -> Self {
        Self { client, uses, sandbox_image }
    }

    /// What the runtime keeps now; notes which images are in use.
    pub(super) async fn look(&mut self) -> Result<Stock, RuntimeError> {
        let stock = Stock::ask(&mut self.client, self.sandbox_image.as_deref()).await?;
        self.uses.detect(&stock, now());
        Ok(stock)
    }

    /// What is remembered, for the next connection.
    pub(super) fn into_uses(self) -> ImageUse {
        self.uses
    }

    pub(super) const fn client(&mut self) -> &mut RuntimeClient {
        &mut self.client
    }

    /// Carries out `order` as well as it can be.
    pub(super) async fn carry_out(&mut self, order: &Order) -> Reclaimed {
        let begun = Instant::now();
        let mut done = Reclaimed { number: order.number, ..Reclaimed::default() };
        let result = if order.pretend {
            self.pretend(order, &mut done).await
        } else {
            self.reclaim(order, begun + LONGEST, &mut done).await
        };
        if let Err(error) = result {
            done.is_silent = error.is_silence();
            done.problem.get_or_insert(error.to_string());
        }
        done.took = begun.elapsed();
        done
    }

    async fn pretend(&mut self, order: &Order, done: &mut Reclaimed) -> Result<(), RuntimeError> {
        let stock = self.look().await?;
        if order.steps.contains(&ReclaimStep::DeadContainers) {
            let logs = dead_logs::rotated(&order.pod_logs_dir, &stock.dead());
            done.freed.extend(logs.into_iter().map(freed_log));
        }
        let removals = plan(&stock, order.steps, &self.uses, order.minimum_image_age, now());
        done.freed.extend(removals.into_iter().map(freed));
        Ok(())
    }

    async fn reclaim(
        &mut self,
        order: &Order,
        deadline: Instant,
        done: &mut Reclaimed,
    ) -> Result<(), RuntimeError> {
        for step in order.steps {
            if order.goal.is_reached() {
                return Ok(());
            }
            // Anew for each step: what containers were made of is unused once they are gone.
            let stock = self.look().await?;
            if *step == ReclaimStep::DeadContainers {
                remove_rotated(order, &stock, done);
            }
            let removals = plan(&stock, &[*step], &self.uses, order.minimum_image_age, now());
            let before = done.freed.len();
            for removal in removals {
                if order.goal.is_reached() {
                    return Ok(());
                }
                if Instant::now() >= deadline {
                    done.problem.get_or_insert(format!("given up after {LONGEST:?}"));
                    return Ok(());
                }
                match self.remove(removal, order).await {
                    Ok(gone) => done.freed.extend(gone),
                    Err(error) if error.is_silence() => return Err(error),
                    // One that cannot be removed does not keep the next.
                    Err(error) => _ = done.problem.get_or_insert(error.to_string()),
                }
            }
            if *step == ReclaimStep::DeadContainers && done.freed.len() > before {
                linger(&order.goal).await;
            }
        }
        Ok(())
    }

    /// Removes one thing; gives nothing if it may not go after all.
    async fn remove(
        &mut self,
        removal: Removal<'_>,
        order: &Order,
    ) -> Result<Option<Freed>, RuntimeError> {
        match removal {
            Removal::Container(container) => {
                // Asked again at the last moment.
                let Some(status) = self.client.container(&container.id).await? else {
                    return Ok(None);
                };
                if status.state() != ContainerState::Exited || !is_settled(status.finished_at) {
                    return Ok(None);
                }
                self.client.remove_container(&container.id).await?;
                dead_logs::remove_of_container(&order.pod_logs_dir, status.log_path.as_ref());
            }
            Removal::Image(image) => self.client.remove_image(&image.id).await?,
        }
        Ok(Some(freed(removal)))
    }
}

/// Removes rotated logs of dead pods until the goal is reached.
fn remove_rotated(order: &Order, stock: &Stock, done: &mut Reclaimed) {
    for log in dead_logs::rotated(&order.pod_logs_dir, &stock.dead()) {
        if order.goal.is_reached() {
            return;
        }
        match dead_logs::remove(&log.path) {
            Ok(()) => done.freed.push(freed_log(log)),
            Err(error) => {
                let problem = format!("{}: {error}", log.path.display());
                done.problem.get_or_insert(problem);
            }
        }
    }
}

/// Waits a little for what removed containers held to become free.
async fn linger(goal: &Goal) {
    let until = Instant::now() + LAYERS_LINGER;
    while !matches!(goal, Goal::Everything) && !goal.is_reached() && Instant::now() < until {
        tokio::time::sleep(LINGER_STEP).await;
    }
}

fn is_settled(finished_at: i64) -> bool {
    let finished = Duration::from_nanos(u64::try_from(finished_at).unwrap_or_default());
    let ago = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + finished);
    ago.is_ok_and(|ago| ago >= SETTLED)
}

fn freed(removal: Removal<'_>) -> Freed {
    match removal {
        Removal::Container(container) => Freed::Container {
            id: container.id.clone(),
            pod_uid: container.pod_uid.clone(),
            container: container.name.clone(),
        },
        Removal::Image(image) => {
            Freed::Image { id: image.id.clone(), name: image.name().to_owned(), size: image.size }
        }
    }
}

fn freed_log(log: dead_logs::RotatedLog) -> Freed {
    Freed::RotatedLog { path: log.path, size: log.size }
}
