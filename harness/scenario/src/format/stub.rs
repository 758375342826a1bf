//! Stubs as the suite file writes them; `stub` of this crate reads them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spanned::Spanned;
use crate::stub::LONGEST_DELAY_MS;
use crate::yaml::{Entries, Scalar};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "stub")]
pub(crate) struct StubFile {
    /// The method of the requests that it answers; every one where nothing is said.
    pub(crate) method: Option<Spanned<String>>,
    /// Their path without the query; `*` stands for any characters.
    pub(crate) path: Spanned<String>,
    /// What it answers; 200 without a body where nothing is said.
    #[serde(default)]
    pub(crate) respond: RespondFile,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) struct RespondFile {
    /// The status; 200 where nothing is said.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: Option<Spanned<u16>>,
    /// Headers of the response.
    #[serde(default)]
    pub(crate) headers: Entries<Spanned<Scalar>>,
    /// The body as JSON, with `content-type: application/json` where `headers` has none.
    pub(crate) json: Option<Spanned<serde_json::Value>>,
    /// The body as it is.
    pub(crate) body: Option<Spanned<String>>,
    /// How long it takes to answer, in milliseconds.
    #[schemars(range(min = 0, max = LONGEST_DELAY_MS))]
    pub(crate) delay_ms: Option<Spanned<u64>>,
}
