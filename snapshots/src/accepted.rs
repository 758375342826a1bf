//! Where an accepted snapshot stands, and the comparison with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The snapshot of a group or of a case's verdicts: a folder for suite and case, a file for the rest of the name. No name
/// holds `:` (illegal on Windows and in uploads) or `__` (insta's own separator).
pub(crate) fn place(folder: &Path, name: &str) -> PathBuf {
    let mut parts = name.splitn(3, '/');
    let folder = folder.join(parts.next().unwrap_or_default()).join(parts.next().unwrap_or_default());
    let rest = parts.next().unwrap_or("all").replace('/', ".");
    folder.join(format!("{rest}.snap"))
}

/// Compares a text with the accepted one; insta leaves a difference for review. Only one caller may ask for a name:
/// with several, one that agrees deletes what another left.
pub(crate) fn compare(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let place = place(folder, name);
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(place.parent().unwrap_or(&place));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let file = place.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let file = file.trim_end_matches(".snap");
    let assertion = AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(file, text)));
    catch_unwind(assertion).map_err(|_| {
        let accepted = std::fs::read_to_string(&place).unwrap_or_default();
        // The text behind the second `---`, which ends insta's own lines.
        let accepted = accepted.splitn(3, "---\n").nth(2).unwrap_or_default();
        format!(
            "is not what was accepted as {}; see `cargo insta review`\n{}",
            place.display(),
            difference(accepted, text)
        )
    })
}

/// The lines in which two texts differ, each with its side.
pub(crate) fn difference(accepted: &str, found: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (accepted.lines().collect(), found.lines().collect());
    let begin = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let rest = (&left[begin..], &right[begin..]);
    let end = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(|(l, r)| l == r).count();
    let side = |sign: &'static str, lines: &[&str]| {
        let lines = lines[..lines.len() - end].iter().map(move |line| format!("{sign} {line}"));
        lines.collect::<Vec<_>>()
    };
    [side("-", rest.0), side("+", rest.1)].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_by_suite_and_case() {
        let check = |name: &str, expected: &str| assert_eq!(place(Path::new("x"), name), Path::new(expected));
        check("demo/greet/entry=http", "x/demo/greet/entry=http.snap");
        check("demo/error/code=OK/entry=http", "x/demo/error/code=OK.entry=http.snap");
        check("demo/greet", "x/demo/greet/all.snap");
    }

    #[test]
    fn a_difference_leaves_out_what_is_alike() {
        let check = |left: &str, right: &str, expected: &str| assert_eq!(difference(left, right), expected);
        check("a\nb\nc\n", "a\nb\nc\n", "");
        check("a\nb\nc\n", "a\nx\ny\nc\n", "- b\n+ x\n+ y");
        check("", "a\n", "+ a");
        check("a\na\n", "a\n", "- a");
    }
}
