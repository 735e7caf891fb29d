//! The thread that talks to the runtime.

use std::{io, thread, time::Duration};

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Instant, sleep_until},
};

use super::{
    Endpoint, Order, Reclaimed, RuntimeClient, RuntimeError, RuntimeFilesystems, RuntimeVersion,
    image_use::ImageUse, reclaim::Keeper,
};

/// How often the runtime is looked at: images in use, and where its files lie.
const EVERY: Duration = Duration::from_secs(60);
/// The same while it cannot be reached.
const AGAIN: Duration = Duration::from_secs(5);
/// What may wait for the control loop. It reads at every turn; the thread waits if it is late.
const UNREAD: usize = 8;

/// What the thread tells.
#[derive(Debug)]
pub enum Told {
    /// It can be reached, for the first time or again.
    Reached {
        /// Its socket.
        endpoint: Endpoint,
        /// Who answers there.
        version: RuntimeVersion,
    },
    /// No socket is named, and none is where they usually are. Told once.
    Absent,
    /// It cannot, or not any longer. Told once for each reason.
    Lost(String),
    /// Where its files lie; told when it is first known and when it changes.
    Filesystems(RuntimeFilesystems),
    /// An order was carried out as well as it could be.
    Reclaimed(Box<Reclaimed>),
}

/// The control loop's end. The thread ends when this is dropped.
#[derive(Debug)]
pub struct RuntimeThread {
    orders: Sender<Order>,
    told: Receiver<Told>,
}

impl RuntimeThread {
    /// Starts the thread. Without an endpoint it looks for a usual one ([`Endpoint::usual`]).
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(endpoint: Option<Endpoint>) -> io::Result<Self> {
        // One: a second order before the first is carried out would ask for the same.
        let (orders, taken) = channel(1);
        let (tells, told) = channel(UNREAD);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let visitor = Visitor { named: endpoint, tells, keeper: None, uses: ImageUse::default() };
        let visitor = Reporting { visitor, lost: None, filesystems: None };
        thread::Builder::new()
            .name("evictd-runtime".to_owned())
            .spawn(move || runtime.block_on(visitor.run(taken)))?;
        Ok(Self { orders, told })
    }

    /// One without a thread, and the other ends of its channels.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Receiver<Order>, Sender<Told>) {
        let (orders, taken) = channel(1);
        let (tells, told) = channel(UNREAD);
        (Self { orders, told }, taken, tells)
    }

    /// Hands over an order; never waits. False while another is at work, or if the thread is gone.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// What the thread tells next; never comes back if it is gone. Can be dropped without losing
    /// anything.
    pub async fn told(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }
}

/// The connection, and what outlasts it.
struct Visitor {
    named: Option<Endpoint>,
    tells: Sender<Told>,
    keeper: Option<Keeper>,
    uses: ImageUse,
}

/// A visitor who says a thing once.
struct Reporting {
    visitor: Visitor,
    /// `Some(None)`: there is none.
    lost: Option<Option<String>>,
    filesystems: Option<RuntimeFilesystems>,
}

impl Reporting {
    async fn run(mut self, mut orders: Receiver<Order>) {
        let mut next = Instant::now();
        loop {
            let order = tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                () = sleep_until(next) => None,
            };
            let told = match order {
                Some(order) => {
                    let done = self.visitor.carry_out(&order).await;
                    self.visitor.tell(Told::Reclaimed(Box::new(done))).await
                }
                None => {
                    let seen = self.visitor.visit().await;
                    next = Instant::now() + if seen.is_ok() { EVERY } else { AGAIN };
                    self.report(seen).await
                }
            };
            if !told {
                return;
            }
        }
    }

    /// False when nobody listens any more.
    async fn report(&mut self, seen: Result<Seen, Option<String>>) -> bool {
        match seen {
            Ok(seen) => {
                if let Some((endpoint, version)) = seen.reached {
                    self.lost = None;
                    if !self.visitor.tell(Told::Reached { endpoint, version }).await {
                        return false;
                    }
                }
                if let Some(filesystems) = seen.filesystems
                    && self.filesystems.as_ref() != Some(&filesystems)
                {
                    self.filesystems = Some(filesystems.clone());
                    return self.visitor.tell(Told::Filesystems(filesystems)).await;
                }
                true
            }
            Err(reason) if self.lost.as_ref() == Some(&reason) => true,
            Err(reason) => {
                self.lost = Some(reason.clone());
                self.visitor.tell(reason.map_or(Told::Absent, Told::Lost)).await
            }
        }
    }
}

/// What a visit found.
struct Seen {
    /// Set when it had not been reached before.
    reached: Option<(Endpoint, RuntimeVersion)>,
    filesystems: Option<RuntimeFilesystems>,
}

impl Visitor {
    async fn tell(&self, told: Told) -> bool {
        self.tells.send(told).await.is_ok()
    }

    /// Looks at the runtime, connecting first where that is needed. `Err(None)`: there is none.
    async fn visit(&mut self) -> Result<Seen, Option<String>> {
        let reached = match &self.keeper {
            Some(_) => None,
            None => {
                let endpoint = self.named.clone().or_else(Endpoint::usual).ok_or(None)?;
                let version = self.connect(&endpoint).await.map_err(|e| Some(e.to_string()))?;
                Some((endpoint, version))
            }
        };
        let filesystems = self.look().await;
        if filesystems.is_err() {
            self.disconnect();
        }
        let filesystems = filesystems.map_err(|error| Some(error.to_string()))?;
        Ok(Seen { reached, filesystems })
    }

    async fn connect(&mut self, endpoint: &Endpoint) -> Result<RuntimeVersion, RuntimeError> {
        let mut client = RuntimeClient::new(endpoint);
        let version = client.version().await?;
        let sandbox_image = sandbox_image(&mut client).await;
        let uses = std::mem::take(&mut self.uses);
        self.keeper = Some(Keeper::new(client, uses, sandbox_image));
        Ok(version)
    }

    fn disconnect(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            self.uses = keeper.into_uses();
        }
    }

    async fn look(&mut self) -> Result<Option<RuntimeFilesystems>, RuntimeError> {
        let Some(keeper) = &mut self.keeper else { return Ok(None) };
        keeper.look().await?;
        Ok(RuntimeFilesystems::of(&keeper.client().image_fs_info().await?))
    }

    async fn carry_out(&mut self, order: &Order) -> Reclaimed {
        match &mut self.keeper {
            Some(keeper) => keeper.carry_out(order).await,
            None => {
                let problem = Some("the container runtime cannot be reached".to_owned());
                Reclaimed { number: order.number, problem, ..Reclaimed::default() }
            }
        }
    }
}

/// The image that sandboxes are made of, as containerd tells it; others pin it, so it need not be told.
async fn sandbox_image(client: &mut RuntimeClient) -> Option<String> {
    let info = client.info().await.ok()?.info;
    let config: serde_json::Value = serde_json::from_str(info.get("config")?).ok()?;
    config.get("sandboxImage")?.as_str().map(str::to_owned)
}
