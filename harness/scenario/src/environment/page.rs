//! The page that documents the environment of services, `ENVIRONMENT.md` of this crate: made from the table itself, so that it
//! cannot say anything else. Written and compared by `cargo xtask generate` and `tidy`.

use super::table::{Row, TABLE, Value, When};

const HEAD: &str = "# The environment of a service

Generated from the table that sets it (`src/environment/table.rs`). A service starts from what programs need to run at all (`PATH`,
`HOME` and the like); no `OTEL_*`, proxy or credential of the shell that spanwise runs in gets through. Then come these variables.
The suite's `env` wins over all of them, then the axis `env`, then a case's `services`.

| variable | value | where | who reads it |
|---|---|---|---|
";

const FOOT: &str = "
`OTEL_SERVICE_NAME` is not among them: what a service calls itself is its own doing, and a rule looks at it. Set it in the suite's
`env` where its deployment does.

`{{ca.file}}` holds the run's own certificate authority alone, and takes the place of the system's: a service under test that turns to
the real Google, or to anybody else outside, is refused instead of leaving test data there. A service that must reach the outside names
another file under `env` (`SSL_CERT_FILE: /etc/ssl/certs/ca-certificates.crt`), and can then call the services of the suite over
insecure channels alone. Node trusts its own authorities besides.

Java reads no PEM file. With `java-trust-store: true` a service finds the authority in a PKCS#12 file (`{{ca.pkcs12}}`, which
any password opens), to which `JAVA_TOOL_OPTIONS` points; what the suite sets there is kept, behind it, so that an agent
(`-javaagent:…`) and the trust store go together.
";

/// The page, as Markdown.
pub fn environment_page() -> String {
    let mut page = HEAD.to_owned();
    for Row { name, value, when, why } in TABLE {
        page.push_str(&format!("| `{name}` | {} | {} | {why} |\n", shown(*value), place(*when)));
    }
    page + FOOT
}

fn shown(value: Value) -> String {
    match value {
        Value::Text(text) => format!("`{text}`"),
        Value::Project => "the suite's `project`".to_owned(),
        Value::Service("") => "the service's name".to_owned(),
        Value::Service(behind) => format!("the service's name and `{behind}`"),
    }
}

fn place(when: When) -> String {
    match when {
        When::Always => "always".to_owned(),
        When::Project => "where the suite names one".to_owned(),
        When::Export(exports) => {
            let words: Vec<String> =
                exports.iter().map(|export| format!("`export={}`", export.as_str())).collect();
            words.join(", ")
        }
        When::Propagation(propagation) => format!("`propagation={}`", propagation.as_str()),
        When::CloudRun => "`platform=cloud-run`".to_owned(),
        When::OtlpOnCloudRun => "`platform=cloud-run` with OTLP".to_owned(),
        When::JavaTrustStore => "`java-trust-store: true`".to_owned(),
    }
}
