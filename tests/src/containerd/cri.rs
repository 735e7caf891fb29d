//! The kubelet's side of CRI, as far as tests play it: pods and containers that are made, run and end.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::{net::UnixStream, runtime::Runtime, time::timeout};
use tonic::{
    Request,
    client::Grpc,
    codegen::http::{Uri, uri::PathAndQuery},
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

const PATIENCE: Duration = Duration::from_secs(60);

/// A pod's sandbox, to put containers into.
#[derive(Clone, Debug)]
pub struct PodSandbox {
    /// The runtime's id.
    pub id: String,
    /// The pod's UID.
    pub uid: String,
    config: SandboxConfig,
}

/// A client of CRI v1.
#[derive(Debug)]
pub struct Cri {
    grpc: Grpc<Channel>,
    tokio: Runtime,
}

impl Cri {
    /// At that socket.
    pub fn new(socket: &Path) -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = socket.to_owned();
        let connector = service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = tokio.block_on(async { endpoint.connect_with_connector_lazy(connector) });
        Ok(Self { grpc: Grpc::new(channel), tokio })
    }

    /// Whether it answers.
    pub fn is_ready(&mut self) -> bool {
        self.call::<_, Empty>("RuntimeService/Version", Empty {}).is_ok()
    }

    /// Runs a sandbox in the host's network, its cgroup below `cgroup_parent`, its logs in `logs`.
    pub fn run_pod(&mut self, uid: &str, cgroup_parent: &str, logs: &Path) -> Result<PodSandbox> {
        let config = SandboxConfig {
            metadata: Some(SandboxMetadata {
                name: uid.to_owned(),
                uid: uid.to_owned(),
                namespace: "test".to_owned(),
            }),
            log_directory: logs.join(format!("test_{uid}_{uid}")).display().to_string(),
            linux: Some(LinuxSandbox {
                cgroup_parent: cgroup_parent.to_owned(),
                security_context: Some(SandboxSecurity {
                    namespace_options: Some(Namespaces { network: 2 }),
                }),
            }),
        };
        let request = RunPodRequest { config: Some(config.clone()) };
        let answer: IdAnswer = self.call("RuntimeService/RunPodSandbox", request)?;
        Ok(PodSandbox { id: answer.id, uid: uid.to_owned(), config })
    }

    /// Starts `sh -c script` in the pod. `attempt` counts restarts. Gives the container's id.
    pub fn start(
        &mut self,
        pod: &PodSandbox,
        name: &str,
        attempt: u32,
        image: &str,
        script: &str,
    ) -> Result<String> {
        let mut config = ContainerConfig::of(name, attempt, image);
        config.command = ["/bin/sh", "-c", script].map(str::to_owned).into();
        self.start_container(pod, config)
    }

    fn start_container(&mut self, pod: &PodSandbox, config: ContainerConfig) -> Result<String> {
        let request = CreateRequest {
            pod_sandbox_id: pod.id.clone(),
            config: Some(config),
            sandbox_config: Some(pod.config.clone()),
        };
        let made: IdAnswer = self.call("RuntimeService/CreateContainer", request)?;
        let id = made.id;
        let _: Empty = self.call("RuntimeService/StartContainer", Id { id: id.clone() })?;
        Ok(id)
    }

    /// The log that containerd writes for a container of the pod.
    pub fn log_of(&self, pod: &PodSandbox, name: &str, attempt: u32) -> PathBuf {
        Path::new(&pod.config.log_directory).join(name).join(format!("{attempt}.log"))
    }

    /// Runs such a container and waits for its end.
    pub fn run_to_end(
        &mut self,
        pod: &PodSandbox,
        name: &str,
        attempt: u32,
        image: &str,
        script: &str,
    ) -> Result<String> {
        let id = self.start(pod, name, attempt, image, script)?;
        self.wait_end(&id)?;
        Ok(id)
    }

    /// Runs what the image is made for, with these arguments, and waits for its end.
    pub fn run_image_to_end(
        &mut self,
        pod: &PodSandbox,
        name: &str,
        attempt: u32,
        image: &str,
        arguments: &[&str],
    ) -> Result<()> {
        let mut config = ContainerConfig::of(name, attempt, image);
        config.args = arguments.iter().map(|&word| word.to_owned()).collect();
        let id = self.start_container(pod, config)?;
        self.wait_end(&id)
    }

    fn wait_end(&mut self, id: &str) -> Result<()> {
        let until = std::time::Instant::now() + PATIENCE;
        while self.containers()?.iter().any(|(other, exited)| other == id && !exited) {
            anyhow::ensure!(std::time::Instant::now() < until, "{id} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends the pod's sandbox, with what runs in it.
    pub fn stop_pod(&mut self, pod: &PodSandbox) -> Result<()> {
        let _: Empty = self.call("RuntimeService/StopPodSandbox", Id { id: pod.id.clone() })?;
        Ok(())
    }

    /// Every container's id, and whether it has exited.
    pub fn containers(&mut self) -> Result<Vec<(String, bool)>> {
        let list: ContainerList = self.call("RuntimeService/ListContainers", Empty {})?;
        Ok(list.containers.into_iter().map(|c| (c.id, c.state == 2)).collect())
    }

    /// Every image's tags.
    pub fn images(&mut self) -> Result<Vec<String>> {
        let list: ImageList = self.call("ImageService/ListImages", Empty {})?;
        Ok(list.images.into_iter().flat_map(|image| image.repo_tags).collect())
    }

    /// Stops and removes every pod.
    pub(super) fn remove_all(&mut self) {
        let list: Result<SandboxList> = self.call("RuntimeService/ListPodSandbox", Empty {});
        for sandbox in list.map(|list| list.items).unwrap_or_default() {
            for call in ["RuntimeService/StopPodSandbox", "RuntimeService/RemovePodSandbox"] {
                if let Err(error) = self.call::<_, Empty>(call, Id { id: sandbox.id.clone() }) {
                    eprintln!("cleaning up: {error:#}");
                }
            }
        }
    }

    fn call<Q, A>(&mut self, method: &'static str, request: Q) -> Result<A>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let Self { grpc, tokio } = self;
        let path: PathAndQuery = format!("/runtime.v1.{method}").parse()?;
        let answer = async {
            grpc.ready().await?;
            let codec = ProstCodec::<Q, A>::default();
            anyhow::Ok(grpc.unary(Request::new(request), path, codec).await?.into_inner())
        };
        let answer = tokio.block_on(async { timeout(PATIENCE, answer).await });
        answer.with_context(|| format!("{method} is not answered"))?.context(method)
    }
}

/// CRI's messages with the fields that tests use.
#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct IdAnswer {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct RunPodRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<SandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<SandboxMetadata>,
    #[prost(string, tag = "3")]
    log_directory: String,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxSandbox>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxSandbox {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security_context: Option<SandboxSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxSecurity {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
struct Namespaces {
    /// 2: the host's.
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
struct CreateRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<SandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    args: Vec<String>,
    #[prost(string, tag = "11")]
    log_path: String,
}

impl ContainerConfig {
    fn of(name: &str, attempt: u32, image: &str) -> Self {
        Self {
            metadata: Some(ContainerMetadata { name: name.to_owned(), attempt }),
            image: Some(ImageSpec { image: image.to_owned() }),
            log_path: format!("{name}/{attempt}.log"),
            ..Self::default()
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    attempt: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerList {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<ListedContainer>,
}

#[derive(Clone, PartialEq, Message)]
struct ListedContainer {
    #[prost(string, tag = "1")]
    id: String,
    /// 2: exited.
    #[prost(int32, tag = "6")]
    state: i32,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxList {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Id>,
}

#[derive(Clone, PartialEq, Message)]
struct ImageList {
    #[prost(message, repeated, tag = "1")]
    images: Vec<ListedImage>,
}

#[derive(Clone, PartialEq, Message)]
struct ListedImage {
    #[prost(string, repeated, tag = "2")]
    repo_tags: Vec<String>,
}
