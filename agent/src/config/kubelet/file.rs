//! A KubeletConfiguration file: the fields that matter are read, the others only known by name.

use std::{path::Path, sync::Arc};

use crate::config::{
    InputError,
    document::{Document, Documents},
    layer::Layer,
    shared::WrittenShared,
};

pub(super) const KIND: &str = "KubeletConfiguration";
pub(super) const API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";

/// Reads the KubeletConfiguration at `path`.
pub(in crate::config) fn read(path: &Path) -> Result<Layer, InputError> {
    let documents = Documents::read(path)?;
    let document = documents.only()?.ok_or_else(|| {
        let problem = "is empty, and no KubeletConfiguration".to_owned();
        InputError::in_file(path, problem)
    })?;
    layer(document, &path.into())
}

/// Whether the document says of what kind it is, as Kubernetes' own do and evictd's does not.
pub(in crate::config) fn has_kind(document: Document<'_>) -> bool {
    document.has("kind") || document.has("apiVersion")
}

/// What a document, which is all of `file`, says.
pub(in crate::config) fn layer(
    document: Document<'_>,
    file: &Arc<Path>,
) -> Result<Layer, InputError> {
    for (field, wanted) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        match document.text(&[field]) {
            Some(found) if found == wanted => {}
            Some(found) => {
                let problem = format!("`{found}` is not read here");
                return Err(document.error(&[field], problem).allowed(wanted));
            }
            None => return Err(document.error(&[field], "is required").allowed(wanted)),
        }
    }
    // Refuses names that are none of the kubelet's; values are looked at in the next step.
    let _: WrittenShared = document.to_beside(NAMES)?;
    Layer::of(document, file)
}

/// The fields of v1beta1 in Kubernetes 1.36 beside those of [`WrittenShared`], in its order.
const NAMES: &[&str] = &[
    "apiVersion",
    "kind",
    "enableServer",
    "staticPodPath",
    "syncFrequency",
    "fileCheckFrequency",
    "httpCheckFrequency",
    "staticPodURL",
    "staticPodURLHeader",
    "address",
    "port",
    "readOnlyPort",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "tlsCipherSuites",
    "tlsCurvePreferences",
    "tlsMinVersion",
    "rotateCertificates",
    "serverTLSBootstrap",
    "authentication",
    "authorization",
    "registryPullQPS",
    "registryBurst",
    "imagePullCredentialsVerificationPolicy",
    "preloadedImagesVerificationAllowlist",
    "eventRecordQPS",
    "eventBurst",
    "enableDebuggingHandlers",
    "enableContentionProfiling",
    "healthzPort",
    "healthzBindAddress",
    "oomScoreAdj",
    "clusterDomain",
    "clusterDNS",
    "streamingConnectionIdleTimeout",
    "nodeStatusUpdateFrequency",
    "nodeStatusReportFrequency",
    "nodeLeaseDurationSeconds",
    "imageMaximumGCAge",
    "imageGCHighThresholdPercent",
    "imageGCLowThresholdPercent",
    "volumeStatsAggPeriod",
    "kubeletCgroups",
    "systemCgroups",
    "cgroupsPerQOS",
    "cgroupDriver",
    "cpuManagerPolicy",
    "singleProcessOOMKill",
    "cpuManagerPolicyOptions",
    "cpuManagerReconcilePeriod",
    "draManagerReconcilePeriod",
    "memoryManagerPolicy",
    "topologyManagerPolicy",
    "topologyManagerScope",
    "topologyManagerPolicyOptions",
    "qosReserved",
    "runtimeRequestTimeout",
    "hairpinMode",
    "podCIDR",
    "podPidsLimit",
    "resolvConf",
    "runOnce",
    "cpuCFSQuota",
    "cpuCFSQuotaPeriod",
    "nodeStatusMaxImages",
    "maxOpenFiles",
    "contentType",
    "kubeAPIQPS",
    "kubeAPIBurst",
    "serializeImagePulls",
    "maxParallelImagePulls",
    "podsPerCore",
    "enableControllerAttachDetach",
    "protectKernelDefaults",
    "makeIPTablesUtilChains",
    "iptablesMasqueradeBit",
    "iptablesDropBit",
    "failSwapOn",
    "memorySwap",
    "containerLogMaxSize",
    "containerLogMaxFiles",
    "containerLogMaxWorkers",
    "containerLogMonitorInterval",
    "configMapAndSecretChangeDetectionStrategy",
    "systemReserved",
    "kubeReserved",
    "reservedSystemCPUs",
    "showHiddenMetricsForVersion",
    "systemReservedCgroup",
    "kubeReservedCgroup",
    "allowedUnsafeSysctls",
    "volumePluginDir",
    "providerID",
    "logging",
    "enableSystemLogHandler",
    "enableSystemLogQuery",
    "shutdownGracePeriod",
    "shutdownGracePeriodCriticalPods",
    "shutdownGracePeriodByPodPriority",
    "crashLoopBackOff",
    "reservedMemory",
    "enableProfilingHandler",
    "enableDebugFlagsHandler",
    "seccompDefault",
    "memoryThrottlingFactor",
    "memoryReservationPolicy",
    "registerWithTaints",
    "registerNode",
    "tracing",
    "imageServiceEndpoint",
    "failCgroupV1",
    "userNamespaces",
];
