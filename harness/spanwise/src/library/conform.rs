//! `assert_conforms!`: a trace in which the rules find nothing that fails, or a panic that shows it.

use spanwise_check::Profile;
use spanwise_model::Finding;

use super::Trace;
use crate::run::failing;

/// Panics unless the rules find nothing in a [`Trace`] that fails under its profile; the message shows the tree, and the
/// findings as the command line does.
///
/// ```
/// # async fn greets(run: spanwise::Run) -> Result<(), spanwise::HarnessError> {
/// use spanwise::assert_conforms;
///
/// let trace = run.get("/greet").await?.trace().await?;
/// assert_conforms!(trace);
/// assert_conforms!(trace, profile = Strict);
/// assert_conforms!(trace, allow = ["http-route-missing"]);
/// assert_conforms!(trace, profile = Otel, allow = ["http-route-missing", "span-name-not-conventional"]);
/// # Ok(())
/// # }
/// ```
///
/// The profile is that of the harness where none is named; the names are those of [`crate::check::Profile`]. A rule under
/// `allow` may find what it finds.
#[macro_export]
macro_rules! assert_conforms {
    ($trace:expr $(, profile = $profile:ident)? $(, allow = [$($rule:expr),* $(,)?])? $(,)?) => {
        $crate::Conformance::of(&$trace)
            $(.profile($crate::check::Profile::$profile))?
            $(.allow(&[$($rule),*]))?
            .assert()
    };
}

/// What [`crate::assert_conforms!`] is made of, for programs that would rather decide than panic.
#[derive(Clone, Debug)]
#[must_use = "nothing is asserted before `assert`"]
pub struct Conformance<'t> {
    trace: &'t Trace,
    profile: Profile,
    allowed: Vec<String>,
}

impl<'t> Conformance<'t> {
    /// Of a trace, under the profile of the harness.
    pub fn of(trace: &'t Trace) -> Conformance<'t> {
        Conformance { trace, profile: trace.profile(), allowed: Vec::new() }
    }

    /// Under another profile.
    pub fn profile(self, profile: Profile) -> Conformance<'t> {
        Conformance { profile, ..self }
    }

    /// With rules whose findings are let pass.
    pub fn allow(mut self, rules: &[&str]) -> Conformance<'t> {
        self.allowed.extend(rules.iter().map(|rule| (*rule).to_owned()));
        self
    }

    /// The root causes that fail the trace.
    pub fn failures(&self) -> Vec<Finding> {
        let findings = self.trace.found_by(self.profile);
        failing(&findings, self.profile).filter(|finding| !self.is_allowed(finding)).cloned().collect()
    }

    /// # Panics
    /// With what is wrong; also for a name under [`Conformance::allow`] that no rule has.
    #[track_caller]
    pub fn assert(&self) {
        if let Some(unknown) = self.allowed.iter().find(|rule| !self.trace.has_rule(rule)) {
            panic!("there is no rule `{unknown}` to allow; `spanwise list --rules` shows all");
        }
        let findings = self.trace.found_by(self.profile);
        let count = failing(&findings, self.profile).filter(|finding| !self.is_allowed(finding)).count();
        if count > 0 {
            let (name, profile) = (&self.trace.observation().name, self.profile.as_str());
            let causes = if count == 1 { "root cause".to_owned() } else { format!("{count} root causes") };
            let told = self.trace.told(findings, self.profile);
            let again = again(std::thread::current().name(), std::env::var("CARGO_PKG_NAME").ok().as_deref());
            panic!("{name} does not conform to the profile {profile}, for the {causes} below\n{told}{again}");
        }
    }

    fn is_allowed(&self, finding: &Finding) -> bool {
        self.allowed.iter().any(|rule| *rule == finding.rule)
    }
}

/// The line with the command that runs a test again, alone, as it stands under a failure on the command line. libtest calls the
/// thread of a test by the test's name, where it gives it one of its own; cargo says the package.
fn again(thread: Option<&str>, package: Option<&str>) -> String {
    let is_path = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let Some(test) = thread.filter(is_path).filter(|name| *name != "main") else { return String::new() };
    let package = package.map(|package| format!(" -p {package}")).unwrap_or_default();
    format!("  again: cargo test{package} {test} -- --exact\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_run_again_by_its_name() {
        let check = |thread: Option<&str>, package: Option<&str>, expected: &str| {
            assert_eq!(again(thread, package), expected);
        };
        let orders = Some("orders::one_trace");
        check(orders, Some("shop"), "  again: cargo test -p shop orders::one_trace -- --exact\n");
        check(orders, None, "  again: cargo test orders::one_trace -- --exact\n");
        // Neither is a test's own: with one thread for all, and on a runtime's.
        check(Some("main"), Some("shop"), "");
        check(Some("tokio-rt-worker"), Some("shop"), "");
        check(None, Some("shop"), "");
    }
}
