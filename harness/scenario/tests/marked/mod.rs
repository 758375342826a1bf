//! Texts in which `^` marks a mistake, and the error that must point there.

use spanwise_scenario::SuiteError;

/// Reads a text without its mark; the error must be at the mark, with this message and this advice.
#[track_caller]
pub(crate) fn check<T>(
    marked: &str,
    parse: impl Fn(&str) -> Result<T, SuiteError>,
    message: &str,
    advice: &str,
) -> SuiteError {
    let place = marked.find('^').expect("the text marks the place");
    let text = marked.replace('^', "");
    let before = &text[..place];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;

    let Err(error) = parse(&text) else { panic!("no mistake is found in\n{marked}") };
    let found = (error.message(), error.advice().unwrap_or_default(), error.line(), error.column());
    assert_eq!(found, (message, advice, line, column));
    assert_eq!(error.span().offset(), place);
    error
}
