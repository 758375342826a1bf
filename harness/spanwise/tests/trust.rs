//! Programs of several languages trust the run's certificate authority through their environment alone: one trial a language,
//! ignored with the reason where its tool is missing; with that tool in `SPANWISE_REQUIRE`, it fails there.
//!
//! Each asks a front that speaks TLS and has no service behind it. Its 503 is only read by whoever trusts the certificate.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use spanwise::plan::{SuiteText, plan};
use spanwise::scenario::{Reference, ServiceStart};
use spanwise_front::tls::Authority;
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::Source;

/// A language: what it is called, the program that runs it, what it is asked to see whether it is there, and its source by file name.
struct Language {
    name: &'static str,
    tool: &'static str,
    version: &'static str,
    file: &'static str,
    source: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language { name: "python", tool: "python3", version: "--version", file: "ask.py", source: PYTHON },
    Language { name: "node", tool: "node", version: "--version", file: "ask.js", source: NODE },
    Language { name: "java", tool: "java", version: "-version", file: "Ask.java", source: JAVA },
];

const PYTHON: &str = "import sys, urllib.request, urllib.error
try:
    urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:
    print(error.code)
";

const NODE: &str =
    "require('https').get(process.argv[2], answer => { console.log(answer.statusCode); process.exit() })";

const JAVA: &str = "import java.net.URI;
import java.net.http.*;
class Ask {
    public static void main(String[] arguments) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding());
        System.out.println(answer.statusCode());
    }
}
";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trial = |language: &'static Language| Trial::ignorable_test(language.tool, move || ask(language));
    let conclusion = libtest_mimic::run(&arguments, LANGUAGES.iter().map(trial).collect());
    if conclusion.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn ask(language: &Language) -> Result<Completion, Failed> {
    let mut probe = Command::new(language.tool);
    probe.arg(language.version).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        let reason = format!("{} does not run", language.tool);
        return if is_required(language) { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) };
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let authority = Authority::new()?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("ca.pem"), authority.ca_pem())?;
    std::fs::write(folder.path().join("ca.p12"), authority.ca_pkcs12())?;
    std::fs::write(folder.path().join(language.file), language.source)?;
    let mut options = FrontOptions::new(None, Source::new("nobody", 1), TapLog::new().into());
    options.tls = Some(authority.server_tls());
    let front = runtime.block_on(Front::start(options))?;

    let answered = |environment: &[(String, OsString)]| -> Result<String, Failed> {
        let mut command = Command::new(language.tool);
        command.arg(language.file).arg(front.url("localhost")).current_dir(folder.path()).env_clear();
        let handed_down =
            ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let output = command.envs(handed_down).envs(environment.iter().cloned()).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(if said.trim() == "503" { said } else { said + &String::from_utf8_lossy(&output.stderr) })
    };
    let told = answered(&environment(folder.path()))?;
    if told.trim() != "503" {
        return Err(format!("it does not trust the authority that its environment names: {told}").into());
    }
    match answered(&[])?.trim() {
        "503" => Err("it trusts anybody, so this test shows nothing".into()),
        _ => Ok(Completion::Completed),
    }
}

fn is_required(language: &Language) -> bool {
    let required = std::env::var("SPANWISE_REQUIRE").unwrap_or_default();
    required.split(',').any(|tool| tool == language.name)
}

/// What a service on a virtual machine, or on none, finds in its environment, with the authority in files of this folder.
fn environment(folder: &Path) -> Vec<(String, OsString)> {
    let text = "suite: trust\nservices:\n  web: { command: [x], protocol: http, java-trust-store: true }\n\
                cases:\n  page:\n    http: { to: web, get: / }\n";
    let suite = SuiteText { file: "trust.yaml".to_owned(), text: text.to_owned() };
    let planned = plan(&[suite], &[]).expect("a suite without mistakes").plan;
    let service: &ServiceStart = &planned.settings[0].services[0];
    let value = |reference: &Reference| {
        let file = match reference {
            Reference::CaFile => "ca.pem",
            Reference::CaPkcs12 => "ca.p12",
            _ => return Ok::<_, ()>("0".to_owned()),
        };
        Ok(folder.join(file).display().to_string())
    };
    let filled = service
        .env
        .iter()
        .map(|(name, value_of)| (name.clone(), value_of.fill(value).expect("filled").into()));
    filled.collect()
}
