//! Color and harmless text for terminals. Used by the reporters that write to one.

use anstyle::{AnsiColor, Style};
use spanwise_model::{Level, Outcome};

/// Paints, or leaves text as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) colors: bool,
}

impl Paint {
    pub(crate) fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    pub(crate) fn outcome(self, outcome: Outcome, text: &str) -> String {
        let color = match outcome {
            Outcome::Passed => AnsiColor::Green,
            Outcome::Failed | Outcome::UnexpectedlyPassed => AnsiColor::Red,
            Outcome::FailedAsKnown | Outcome::CouldNotRun => AnsiColor::Yellow,
        };
        self.with(Style::new().bold().fg_color(Some(color.into())), text)
    }

    pub(crate) fn level(self, level: Level, text: &str) -> String {
        let color = match level {
            Level::Violation => AnsiColor::Red,
            Level::Warning => AnsiColor::Yellow,
            Level::Information => AnsiColor::Cyan,
        };
        self.with(Style::new().fg_color(Some(color.into())), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.colors { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Text of services, made harmless: control characters, with which it could take over the terminal, are spelled out.
pub(crate) fn clean(text: &str) -> String {
    let spell = |c: char| match c {
        '\n' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(spell).collect()
}
