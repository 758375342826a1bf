//! What the reporters for people write about one canned run, as snapshots.

mod canned;

use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};
use spanwise_model::{Finding, Level, Outcome, RunEvent};
use spanwise_report::{Annotations, Bar, Junit, Markdown, Progress, Reporter, Terminal, snapshot};

fn told(reporter: &mut dyn Reporter, events: &[RunEvent]) {
    events.iter().try_for_each(|event| reporter.on_event(event)).expect("a vector takes all");
    reporter.finish().expect("a vector takes all");
}

fn terminal(events: &[RunEvent], colors: bool) -> String {
    let mut out = Vec::new();
    told(&mut Terminal::new(&mut out, colors), events);
    String::from_utf8(out).expect("text")
}

fn progress(events: &[RunEvent], quiet: bool) -> String {
    let mut out = Vec::new();
    told(&mut Progress::new(&mut out, quiet), events);
    String::from_utf8(out).expect("text")
}

#[test]
fn the_terminal_shows_trees_and_findings() {
    insta::assert_snapshot!("terminal", terminal(&canned::events(), false));
}

#[test]
fn warnings_of_one_rule_are_told_in_a_line_each() {
    let mut events = canned::events();
    let warned = events.iter_mut().find_map(|event| match event {
        RunEvent::Finished(result)
            if result.findings.iter().any(|finding| finding.level == Level::Warning) =>
        {
            Some(result)
        }
        _ => None,
    });
    let warned = warned.expect("a warning in the canned run");
    let warning = warned.findings.iter().find(|finding| finding.level == Level::Warning).cloned();
    let mut second = warning.expect("the same");
    second.message = "Another label has an old name.".to_owned();
    warned.findings.push(second);
    let shown = terminal(&events, false);
    assert!(shown.contains("\n    also      Another label has an old name.\n"), "{shown}");
    // A violation is told in full, however often: each is something to mend.
    let worse = |finding: &mut Finding| finding.level = Level::Violation;
    events.iter_mut().for_each(|event| {
        if let RunEvent::Finished(result) = event {
            result.findings.iter_mut().for_each(worse);
        }
    });
    assert!(!terminal(&events, false).contains("    also"));
}

#[test]
fn the_order_in_which_permutations_end_changes_nothing() {
    let mut events = canned::events();
    let ended = events.pop();
    events.reverse();
    events.extend(ended);
    assert_eq!(terminal(&events, false), terminal(&canned::events(), false));
}

#[test]
fn color_changes_no_word() {
    let painted = terminal(&canned::events(), true);
    assert!(painted.contains("\u{1b}[1m\u{1b}[31mfailed\u{1b}[0m"), "{painted:?}");
    let mut plain = String::new();
    let mut parts = painted.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    assert_eq!(plain, terminal(&canned::events(), false));
}

#[test]
fn a_run_that_was_broken_off_still_shows_its_results() {
    let is_second = |event: &RunEvent| matches!(event, RunEvent::Finished(result) if result.fails());
    let mut events = canned::events();
    let second = events.iter().position(is_second).expect("one that fails");
    events.truncate(second + 1);
    let shown = terminal(&events, false);
    assert!(shown.ends_with("2 permutations: 1 passed, 1 failed when the run was broken off\n"), "{shown}");
}

#[test]
fn a_run_without_permutations_says_so() {
    assert_eq!(terminal(&[], false), "0 permutations: 0 passed when the run was broken off\n");
}

#[test]
fn progress_is_a_few_lines() {
    insta::assert_snapshot!("progress", progress(&canned::events(), false));
}

#[test]
fn quiet_progress_says_only_what_could_not_start() {
    insta::assert_snapshot!("quiet", progress(&canned::events(), true));
}

#[test]
fn quiet_progress_says_what_stubs_had_no_answer_to_once() {
    let stub = RunEvent::StubUnmatched {
        stub: "bank".to_owned(),
        request: "GET /charge".to_owned(),
        known: vec!["POST /charge".to_owned()],
    };
    let said = "the stub bank answered 404 to GET /charge: it knows POST /charge\n";
    assert_eq!(progress(&[stub.clone(), stub], true), said);
}

#[test]
fn snapshots_hold_trees_and_findings_without_wire_details() {
    let texts: Vec<String> = canned::events()
        .iter()
        .filter_map(|event| match event {
            RunEvent::Finished(result) => Some(format!("# {}\n{}", result.name, snapshot(result))),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!("snapshots", texts.join("\n"));
}

/// What a reporter writes about the canned run.
fn written<R: Reporter>(make: impl FnOnce(Shared) -> R) -> String {
    written_of(&canned::events(), make)
}

fn written_of<R: Reporter>(events: &[RunEvent], make: impl FnOnce(Shared) -> R) -> String {
    let out = Shared::default();
    told(&mut make(out.clone()), events);
    String::from_utf8(out.0.take()).expect("text")
}

/// A writer that can be looked at from outside.
#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn ci_servers_get_junit() {
    insta::assert_snapshot!("junit", written(Junit::new));
}

#[test]
fn a_run_that_was_broken_off_is_an_error_to_ci_servers() {
    let passed =
        |event: &RunEvent| !matches!(event, RunEvent::Finished(result) if result.outcome != Outcome::Passed);
    let mut events: Vec<RunEvent> = canned::events().into_iter().filter(passed).collect();
    assert!(written_of(&events, Junit::new).contains("failures=\"0\" errors=\"0\" time"));
    events.pop();
    let broken_off = written_of(&events, Junit::new);
    assert!(broken_off.contains("failures=\"0\" errors=\"1\">"), "{broken_off}");
    assert!(
        broken_off
            .contains("<error message=\"the run was broken off: what is not in this report did not run\"")
    );
}

#[test]
fn a_job_gets_a_summary_in_markdown() {
    insta::assert_snapshot!("markdown", written(Markdown::new));
}

#[test]
fn github_gets_annotations() {
    let path = |file: &str| format!("tests/{file}");
    insta::assert_snapshot!("annotations", written(|out| Annotations::new(out, path)));
}

#[test]
fn a_bar_moves_and_is_gone_in_the_end() {
    let term = InMemoryTerm::new(12, 100);
    let mut bar = Bar::on(ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 200));
    let events = canned::events();
    let (before, after) = events.split_at(6);
    before.iter().try_for_each(|event| bar.on_event(event)).expect("a terminal takes all");
    term.flush().expect("a terminal takes all");
    assert!(term.contents().contains("/12 driven, 2 started"), "{}", term.contents());
    told(&mut bar, after);
    insta::assert_snapshot!("bar", term.contents());
}
