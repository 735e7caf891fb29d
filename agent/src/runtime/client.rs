//! The calls of CRI v1 that are used, each with a deadline.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::{net::UnixStream, time::timeout};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::{Uri, uri::PathAndQuery},
    transport::{Channel, Endpoint as Transport},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{
    Endpoint, RuntimeError,
    cri::{self, path},
};

/// How long a call may take that only asks.
pub(super) const ASKING: Duration = Duration::from_secs(2);
/// How long the removal of one container or image may take.
const REMOVING: Duration = Duration::from_secs(10);
/// The longest answer that is read; the kubelet's limit.
const MOST_BYTES: usize = 16 << 20;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeVersion {
    /// Such as `containerd`.
    pub name: String,
    /// Its own version.
    pub version: String,
}

/// A connection to a runtime, made at the first call and made again when it broke.
#[derive(Clone, Debug)]
pub struct RuntimeClient {
    grpc: Grpc<Channel>,
    socket: Arc<str>,
}

impl RuntimeClient {
    /// A client of `endpoint`. Must be called within a tokio runtime; connects to nobody yet.
    pub fn new(endpoint: &Endpoint) -> Self {
        let path: Arc<Path> = endpoint.path().into();
        // The authority only fills the header; the socket decides who is called.
        let channel =
            Transport::from_static("http://localhost").connect_with_connector_lazy(service_fn(
                move |_: Uri| {
                    let path = path.clone();
                    async move {
                        Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?))
                    }
                },
            ));
        let grpc = Grpc::new(channel).max_decoding_message_size(MOST_BYTES);
        Self { grpc, socket: endpoint.to_string().into() }
    }

    /// Who answers.
    pub async fn version(&mut self) -> Result<RuntimeVersion, RuntimeError> {
        let request = cri::VersionRequest { version: "v1".to_owned() };
        let answer: cri::VersionResponse = self.ask("Version", path::VERSION, request).await?;
        if answer.runtime_api_version.is_empty() {
            let reason = "no version of the API in its answer".to_owned();
            return Err(RuntimeError::NotARuntime { socket: self.socket.to_string(), reason });
        }
        Ok(RuntimeVersion { name: answer.runtime_name, version: answer.runtime_version })
    }

    /// The runtime's own account of its configuration, by subject; JSON in a runtime's own form.
    pub(super) async fn info(&mut self) -> Result<cri::StatusResponse, RuntimeError> {
        self.ask("Status", path::STATUS, cri::StatusRequest { verbose: true }).await
    }

    /// Every sandbox.
    pub(super) async fn sandboxes(&mut self) -> Result<Vec<cri::PodSandbox>, RuntimeError> {
        let answer: cri::ListPodSandboxResponse =
            self.ask("ListPodSandbox", path::LIST_POD_SANDBOX, cri::Empty {}).await?;
        Ok(answer.items)
    }

    /// Every container, whatever its state.
    pub(super) async fn containers(&mut self) -> Result<Vec<cri::Container>, RuntimeError> {
        let answer: cri::ListContainersResponse =
            self.ask("ListContainers", path::LIST_CONTAINERS, cri::Empty {}).await?;
        Ok(answer.containers)
    }

    /// One container; `None` if the runtime says nothing of it.
    pub(super) async fn container(
        &mut self,
        id: &str,
    ) -> Result<Option<cri::ContainerStatus>, RuntimeError> {
        let request = cri::ContainerId { container_id: id.to_owned() };
        let answer: cri::ContainerStatusResponse =
            self.ask("ContainerStatus", path::CONTAINER_STATUS, request).await?;
        Ok(answer.status)
    }

    /// Every image.
    pub(super) async fn images(&mut self) -> Result<Vec<cri::Image>, RuntimeError> {
        let answer: cri::ListImagesResponse =
            self.ask("ListImages", path::LIST_IMAGES, cri::Empty {}).await?;
        Ok(answer.images)
    }

    /// Where images and writable layers lie.
    pub(super) async fn image_fs_info(&mut self) -> Result<cri::ImageFsInfoResponse, RuntimeError> {
        self.ask("ImageFsInfo", path::IMAGE_FS_INFO, cri::Empty {}).await
    }

    /// Removes a container. One that is gone is no error.
    pub(super) async fn remove_container(&mut self, id: &str) -> Result<(), RuntimeError> {
        let request = cri::ContainerId { container_id: id.to_owned() };
        let call = "RemoveContainer";
        let _: cri::Empty = self.call(call, path::REMOVE_CONTAINER, request, REMOVING).await?;
        Ok(())
    }

    /// Removes an image by its id, with all its names. One that is gone is no error.
    pub(super) async fn remove_image(&mut self, id: &str) -> Result<(), RuntimeError> {
        let image = cri::ImageSpec { image: id.to_owned(), image_ref: id.to_owned() };
        let request = cri::RemoveImageRequest { image: Some(image) };
        let call = "RemoveImage";
        let _: cri::Empty = self.call(call, path::REMOVE_IMAGE, request, REMOVING).await?;
        Ok(())
    }

    async fn ask<Q, A>(
        &mut self,
        call: &'static str,
        path: &'static str,
        request: Q,
    ) -> Result<A, RuntimeError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.call(call, path, request, ASKING).await
    }

    async fn call<Q, A>(
        &mut self,
        call: &'static str,
        path: &'static str,
        request: Q,
        within: Duration,
    ) -> Result<A, RuntimeError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let grpc = &mut self.grpc;
        let answer = async move {
            let ready = grpc.ready().await;
            ready.map_err(|error| Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static(path);
            let codec = ProstCodec::<Q, A>::default();
            grpc.unary(Request::new(request), path, codec).await
        };
        let socket = || self.socket.to_string();
        match timeout(within, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(RuntimeError::of(&status, socket(), call)),
            Err(_) => Err(RuntimeError::Silent { socket: socket(), call, after: within }),
        }
    }
}
