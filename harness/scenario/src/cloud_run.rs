//! How a suite says that Cloud Run is to be emulated: reads the keys `cloud-run` of the suite and of its services.
//!
//! What the settings mean stands in `spanwise_model`; how a service is deployed in a file of its own is read by `service_yaml`.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_saphyr::Location;

use crate::spanned::Spanned;
use spanwise_model::{CloudRunService, FrontEnd};

use crate::ServiceYaml;
use crate::axes::{Axis, on_cloud_run};
use crate::error::{File, SuiteError};
use crate::format::{CloudRunFile, ServiceFile, SuiteFile};

/// The longest that Cloud Run lets a request take, in milliseconds.
pub(crate) const LONGEST_REQUEST_MS: u64 = 3_600_000;
/// The most requests that Cloud Run gives an instance at once.
pub(crate) const MOST_CONCURRENCY: u32 = 1_000;
/// More processes than this no machine bears that a suite runs on.
pub(crate) const MOST_INSTANCES: u32 = 1_000;
/// Google's tokens are good for an hour.
pub(crate) const LONGEST_TOKEN_S: u64 = 3_600;

/// Reads `cloud-run` of the suite.
pub(crate) fn front_end(file: File<'_>, suite: &SuiteFile, axes: &[Axis]) -> Result<FrontEnd, SuiteError> {
    let Some(written) = &suite.cloud_run else { return Ok(FrontEnd::default()) };
    used(file, written.referenced, axes)?;
    let written = &written.value;
    let refusal = |name: &str, status: &Option<Spanned<u16>>| match status {
        Some(status) if !(400..=499).contains(&status.value) => {
            let message = format!("`{name}` is an HTTP status from 400 to 499");
            Err(file.error(status.referenced, message))
        }
        status => Ok(status.as_ref().map(|status| status.value)),
    };
    if let Some(region) = &written.region {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.value.is_empty() || !region.value.bytes().all(fits) {
            let message = format!("{:?} cannot be a region", region.value);
            return Err(file
                .error(region.referenced, message)
                .with_help("a region is called as `us-central1` is"));
        }
    }
    Ok(FrontEnd {
        sampling: written.sampling,
        spans: written.spans,
        context: written.context,
        region: written.region.as_ref().map(|region| region.value.clone()),
        not_allowed: refusal("not-allowed", &written.not_allowed)?,
        not_valid: refusal("not-valid", &written.not_valid)?,
    })
}

/// Reads `cloud-run` of a service; what it is deployed with goes over it.
pub(crate) fn cloud_run_service(
    file: File<'_>,
    suite: &SuiteFile,
    service: &ServiceFile,
    axes: &[Axis],
    deployed: Option<&ServiceYaml>,
) -> Result<CloudRunService, SuiteError> {
    let mut settings = match &service.cloud_run {
        None => CloudRunService::default(),
        Some(written) => {
            used(file, written.referenced, axes)?;
            read(file, suite, &written.value)?
        }
    };
    if let Some(deployed) = deployed {
        deployed.apply(&mut settings);
    }
    Ok(settings)
}

fn read(file: File<'_>, suite: &SuiteFile, written: &CloudRunFile) -> Result<CloudRunService, SuiteError> {
    let standard = CloudRunService::default();
    if let Some(empty) = written.audiences.iter().find(|audience| audience.value.is_empty()) {
        return Err(file.error(empty.referenced, "an audience is not empty"));
    }
    if let Some(account) = &written.service_account {
        is_account(file, account)?;
    }
    for invoker in written.invokers.iter().flatten() {
        if suite.services.get(&invoker.value).is_none() {
            let error = file.error(invoker.referenced, format!("unknown service `{}`", invoker.value));
            return Err(error.with_names(&invoker.value, suite.services.keys()));
        }
    }
    let min =
        number(file, "min-instances", &written.min_instances, 0..=MOST_INSTANCES, standard.min_instances)?;
    // Whoever asks for three instances and says nothing of the most has asked for three.
    let max = standard.max_instances.max(min);
    let max = number(file, "max-instances", &written.max_instances, min.max(1)..=MOST_INSTANCES, max)?;
    let texts = |list: &[Spanned<String>]| list.iter().map(|text| text.value.clone()).collect();
    let (longest, token) = (1..=LONGEST_REQUEST_MS, 1..=LONGEST_TOKEN_S);
    Ok(CloudRunService {
        ingress: written.ingress,
        auth: written.auth,
        audiences: texts(&written.audiences),
        service_account: written.service_account.as_ref().map(|account| account.value.clone()),
        invokers: written.invokers.as_deref().map(texts),
        vpc: written.vpc.unwrap_or(standard.vpc),
        http2: written.http2,
        timeout_ms: number(file, "timeout-ms", &written.timeout_ms, longest, standard.timeout_ms)?,
        concurrency: number(
            file,
            "concurrency",
            &written.concurrency,
            1..=MOST_CONCURRENCY,
            standard.concurrency,
        )?,
        min_instances: min,
        max_instances: max,
        idle_ms: written.idle_ms.unwrap_or(standard.idle_ms),
        cpu: written.cpu,
        end: written.end,
        token_lifetime_s: number(
            file,
            "token-lifetime-s",
            &written.token_lifetime_s,
            token,
            standard.token_lifetime_s,
        )?,
    })
}

/// A setting that does nothing is a mistake.
fn used(file: File<'_>, at: Location, axes: &[Axis]) -> Result<(), SuiteError> {
    if on_cloud_run(axes) {
        return Ok(());
    }
    let help = "add `platform: [plain, cloud-run]` as the last axis, or remove `cloud-run`";
    Err(file.error(at, "the suite does not run on `cloud-run`, so this does nothing").with_help(help))
}

/// A number within its bounds, or the standard where none is written.
pub(crate) fn number<N: PartialOrd + Copy + Display>(
    file: File<'_>,
    name: &str,
    written: &Option<Spanned<N>>,
    bounds: RangeInclusive<N>,
    standard: N,
) -> Result<N, SuiteError> {
    match written {
        None => Ok(standard),
        Some(number) if bounds.contains(&number.value) => Ok(number.value),
        Some(number) => {
            let message = format!("`{name}` is a number from {} to {}", bounds.start(), bounds.end());
            Err(file.error(number.referenced, message))
        }
    }
}

/// Refuses a service account that is no email address.
pub(crate) fn is_account(file: File<'_>, account: &Spanned<String>) -> Result<(), SuiteError> {
    let parts = account.value.split_once('@');
    if parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@')) {
        return Ok(());
    }
    let error = file.error(account.referenced, format!("{:?} is no service account", account.value));
    Err(error.with_help("an account is an address such as `NAME@PROJECT.iam.gserviceaccount.com`"))
}
