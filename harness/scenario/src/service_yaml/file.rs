//! The Cloud Run file as it is written: the keys that are taken, and no others. Read by `read`, which says what they mean.
//!
//! Users' files have many more keys, so none is refused here.

use crate::spanned::Spanned;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::yaml::Scalar;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentFile {
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) metadata: MetadataFile,
    pub(super) spec: SpecFile,
}

#[derive(Deserialize)]
pub(super) struct MetadataFile {
    pub(super) name: Spanned<String>,
    pub(super) annotations: Option<ServiceAnnotations>,
}

/// Annotations that Cloud Run reads from the service.
#[derive(Deserialize, Default)]
pub(super) struct ServiceAnnotations {
    #[serde(rename = "run.googleapis.com/ingress")]
    pub(super) ingress: Option<Spanned<Scalar>>,
    #[serde(rename = "run.googleapis.com/custom-audiences")]
    pub(super) custom_audiences: Option<Spanned<Scalar>>,
    #[serde(rename = "run.googleapis.com/invoker-iam-disabled")]
    pub(super) invoker_iam_disabled: Option<Spanned<Scalar>>,
    #[serde(rename = "run.googleapis.com/minScale")]
    pub(super) min_scale: Option<Spanned<Scalar>>,
    #[serde(rename = "run.googleapis.com/maxScale")]
    pub(super) max_scale: Option<Spanned<Scalar>>,
}

#[derive(Deserialize)]
pub(super) struct SpecFile {
    pub(super) template: TemplateFile,
}

#[derive(Deserialize)]
pub(super) struct TemplateFile {
    pub(super) metadata: Option<TemplateMetadataFile>,
    pub(super) spec: RevisionFile,
}

#[derive(Deserialize, Default)]
pub(super) struct TemplateMetadataFile {
    pub(super) annotations: Option<RevisionAnnotations>,
}

/// Annotations that Cloud Run reads from the template of revisions.
#[derive(Deserialize, Default)]
pub(super) struct RevisionAnnotations {
    #[serde(rename = "autoscaling.knative.dev/minScale")]
    pub(super) min_scale: Option<Spanned<Scalar>>,
    #[serde(rename = "autoscaling.knative.dev/maxScale")]
    pub(super) max_scale: Option<Spanned<Scalar>>,
    #[serde(rename = "run.googleapis.com/cpu-throttling")]
    pub(super) cpu_throttling: Option<Spanned<Scalar>>,
    /// Older references of the file have it here.
    #[serde(rename = "run.googleapis.com/custom-audiences")]
    pub(super) custom_audiences: Option<Spanned<Scalar>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevisionFile {
    pub(super) containers: Spanned<Vec<ContainerFile>>,
    pub(super) service_account_name: Option<Spanned<String>>,
    pub(super) timeout_seconds: Option<Spanned<u64>>,
    pub(super) container_concurrency: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
pub(super) struct ContainerFile {
    pub(super) env: Option<Vec<VariableFile>>,
    pub(super) ports: Option<Vec<PortFile>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VariableFile {
    pub(super) name: Spanned<String>,
    pub(super) value: Option<Spanned<Scalar>>,
    pub(super) value_from: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PortFile {
    pub(super) name: Option<Spanned<String>>,
    pub(super) container_port: Option<Spanned<u16>>,
}
