//! The axes of a suite, and the combinations of their values that a case runs under. Read from the keys `axes` and
//! `agree`, and from a case's own `axes`.

use crate::spanned::Spanned;
use spanwise_model::Platform;

use crate::axis::Choice;
use crate::error::{File, SuiteError};
use crate::format::{CaseFile, SuiteFile};
use crate::name::component;
use crate::yaml::{AsText, AxisNode, Entries, Scalar};
use crate::{Channel, Entry, Export, Propagation};

/// One axis with its values in the order of the file.
pub(crate) struct Axis {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
    /// Whether permutations that differ in it alone must agree.
    pub(crate) agrees: bool,
}

/// A value of an axis: its word and what it does.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) word: String,
    effect: Effect,
}

#[derive(Clone)]
enum Effect {
    Entry(Entry),
    ChannelIn(Channel),
    ChannelOut(Channel),
    Export(Export),
    Propagation(Propagation),
    Platform(Platform),
    /// Sets the variable that the axis is called.
    Variable,
}

pub(crate) const CHANNEL_IN: &str = "channel-in";
pub(crate) const CHANNEL_OUT: &str = "channel-out";
const PLATFORM: &str = "platform";

/// An axis that spanwise knows.
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// What editors show for it.
    pub(crate) about: &'static str,
    /// Its values.
    pub(crate) words: fn() -> Vec<&'static str>,
    effect: fn(&str) -> Option<Effect>,
}

pub(crate) const BUILT_IN: [BuiltIn; 6] = [
    BuiltIn {
        name: "entry",
        about: "Which form of a case is sent.",
        words: Entry::words,
        effect: |word| Entry::of_word(word).map(Effect::Entry),
    },
    BuiltIn {
        name: CHANNEL_IN,
        about: "What the driver speaks to the front before the entry service.",
        words: Channel::words,
        effect: |word| Channel::of_word(word).map(Effect::ChannelIn),
    },
    BuiltIn {
        name: CHANNEL_OUT,
        about: "What {{NAME.url}} and {{refused.url}} say to the services.",
        words: Channel::words,
        effect: |word| Channel::of_word(word).map(Effect::ChannelOut),
    },
    BuiltIn {
        name: "export",
        about: "OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL and the endpoint.",
        words: Export::words,
        effect: |word| Export::of_word(word).map(Effect::Export),
    },
    BuiltIn {
        name: "propagation",
        about: "OTEL_PROPAGATORS, and the headers that the driver sends.",
        words: Propagation::words,
        effect: |word| Propagation::of_word(word).map(Effect::Propagation),
    },
    BuiltIn {
        name: PLATFORM,
        about: "What is emulated around the services; the last axis. On cloud-run every channel is secure, and permutations with \
                insecure ones are not planned.",
        words: || Platform::ALL.map(Platform::as_str).to_vec(),
        effect: platform,
    },
];

fn built_in_axis(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|axis| axis.name == name)
}

/// Axis and word of every axis, in the order of the suite.
pub(crate) type Shown = Vec<(String, String)>;

/// Reads the axes in the order of the file; those of `env` stand where `env` stands.
pub(crate) fn axes(file: File<'_>, suite: &SuiteFile) -> Result<Vec<Axis>, SuiteError> {
    let mut axes: Vec<Axis> = Vec::new();
    for (name, node) in suite.axes.iter() {
        match (name.value.as_str(), node) {
            ("env", AxisNode::Variables(variables)) => {
                for (variable, values) in variables.iter() {
                    component(file, variable, "variable of an axis")?;
                    if built_in_axis(&variable.value).is_some() {
                        let message = format!("`{}` is a built-in axis", variable.value);
                        return Err(file.error(variable.referenced, message));
                    }
                    axes.push(axis(file, variable, values, |_| Some(Effect::Variable), &[])?);
                }
            }
            ("env", AxisNode::Values(_)) => {
                return Err(file.error(name.referenced, "`env` is a mapping of variables to lists of values"));
            }
            (_, AxisNode::Variables(_)) if built_in_axis(&name.value).is_some() => {
                return Err(file.error(name.referenced, format!("`{}` is a list of values", name.value)));
            }
            (_, AxisNode::Values(values)) => axes.push(built_in(file, name, values)?),
            (_, AxisNode::Variables(_)) => return Err(unknown_axis(file, name)),
        }
    }
    if axes.iter().position(|axis| axis.name == PLATFORM).is_some_and(|at| at + 1 < axes.len()) {
        let name = suite.axes.iter().map(|(name, _)| name).find(|name| name.value == PLATFORM);
        let place = name.map_or(suite.suite.referenced, |name| name.referenced);
        return Err(file.error(place, "the axis `platform` is the last one, as in names"));
    }
    secure_on_cloud_run(file, &axes, suite.axes.iter().map(|(name, _)| name))?;
    for name in &suite.agree {
        match axes.iter_mut().find(|axis| axis.name == name.value) {
            Some(axis) => axis.agrees = true,
            None => {
                let error = file.error(name.referenced, format!("the suite has no axis `{}`", name.value));
                return Err(error.with_names(&name.value, axes.iter().map(|axis| axis.name.as_str())));
            }
        }
    }
    Ok(axes)
}

fn unknown_axis(file: File<'_>, name: &Spanned<String>) -> SuiteError {
    let error = file.error(name.referenced, format!("unknown axis `{}`", name.value));
    error.with_names(&name.value, BUILT_IN.iter().map(|axis| axis.name).chain(["env"]))
}

fn built_in(file: File<'_>, name: &Spanned<String>, values: &[Spanned<Scalar>]) -> Result<Axis, SuiteError> {
    match built_in_axis(&name.value) {
        Some(known) => axis(file, name, values, known.effect, &(known.words)()),
        None => Err(unknown_axis(file, name)),
    }
}

/// The value of an axis that a caller chose: one that the suite lists or, where it does not have the axis, any word of it.
/// The error says in words what could be chosen.
pub(crate) fn chosen(axes: &[Axis], name: &str, word: &str) -> Result<Value, String> {
    let known = match axes.iter().find(|axis| axis.name == name) {
        Some(axis) => match axis.values.iter().find(|value| value.word == word) {
            Some(value) => return Ok(value.clone()),
            None => axis.values.iter().map(|value| value.word.as_str()).collect(),
        },
        // The platform changes what the file may say of services, so the file must list it.
        None => match built_in_axis(name).filter(|_| name != PLATFORM) {
            Some(known) => match (known.effect)(word) {
                Some(effect) => return Ok(Value { word: word.to_owned(), effect }),
                None => (known.words)(),
            },
            None => {
                let own =
                    axes.iter().map(|axis| axis.name.as_str()).filter(|axis| built_in_axis(axis).is_none());
                let built_in = BUILT_IN.iter().map(|axis| axis.name).filter(|axis| *axis != PLATFORM);
                let all: Vec<&str> = built_in.chain(own).collect();
                return Err(format!("there is no axis `{name}` to choose of; there are: {}", all.join(", ")));
            }
        },
    };
    Err(format!("axis `{name}` has no value `{word}`; it has: {}", known.join(", ")))
}

fn platform(word: &str) -> Option<Effect> {
    Platform::ALL.into_iter().find(|platform| platform.as_str() == word).map(Effect::Platform)
}

fn axis(
    file: File<'_>,
    name: &Spanned<String>,
    written: &[Spanned<Scalar>],
    effect: impl Fn(&str) -> Option<Effect>,
    known: &[&str],
) -> Result<Axis, SuiteError> {
    let mut values: Vec<Value> = Vec::new();
    for value in written {
        let word = value.written(file);
        let Some(effect) = effect(&word.value) else {
            let message = format!("unknown value `{}` of axis `{}`", word.value, name.value);
            let error = file.error(value.referenced, message);
            return Err(error.with_names(&word.value, known.iter().copied()));
        };
        component(file, &word, "value of an axis")?;
        if values.iter().any(|value| value.word == word.value) {
            let message = format!("axis `{}` has the value `{}` twice", name.value, word.value);
            return Err(file.error(value.referenced, message));
        }
        values.push(Value { word: word.value, effect });
    }
    if values.is_empty() {
        return Err(file.error(name.referenced, format!("axis `{}` has no values", name.value)));
    }
    Ok(Axis { name: name.value.clone(), values, agrees: false })
}

/// The axes as one case has them: its own `axes` take values away, never add any.
pub(crate) fn of_case(file: File<'_>, axes: &[Axis], case: &CaseFile) -> Result<Vec<Axis>, SuiteError> {
    check_restrictions(file, axes, &case.axes)?;
    let restricted = |axis: &Axis| {
        let kept = match case.axes.get(&axis.name) {
            None => axis.values.clone(),
            Some(kept) => {
                let words: Vec<String> = kept.iter().map(|value| value.written(file).value).collect();
                axis.values.iter().filter(|value| words.contains(&value.word)).cloned().collect()
            }
        };
        Axis { name: axis.name.clone(), values: kept, agrees: axis.agrees }
    };
    let axes: Vec<Axis> = axes.iter().map(restricted).collect();
    secure_on_cloud_run(file, &axes, case.axes.iter().map(|(name, _)| name))?;
    Ok(axes)
}

/// Whether something runs on Cloud Run.
pub(crate) fn on_cloud_run(axes: &[Axis]) -> bool {
    let platform = axes.iter().find(|axis| axis.name == PLATFORM);
    platform.is_some_and(|axis| axis.has(Platform::CloudRun.as_str()))
}

/// Refuses channels that leave nothing to run on Cloud Run, where every channel is secure. `written` are the axes' names in
/// the part of the file that is read.
fn secure_on_cloud_run<'f>(
    file: File<'_>,
    axes: &[Axis],
    mut written: impl Iterator<Item = &'f Spanned<String>>,
) -> Result<(), SuiteError> {
    let insecure = |name: &str| {
        let channel = [CHANNEL_IN, CHANNEL_OUT].contains(&name);
        channel && axes.iter().any(|axis| axis.name == name && !axis.has(Channel::Secure.as_str()))
    };
    match written.find(|name| on_cloud_run(axes) && insecure(&name.value)) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("on `cloud-run` every channel is secure, and `{}` is not, here", name.value);
            let help =
                "add `secure`, which alone is planned on `cloud-run`, or leave `cloud-run` out of `platform`";
            Err(file.error(name.referenced, message).with_help(help))
        }
    }
}

fn check_restrictions(
    file: File<'_>,
    axes: &[Axis],
    restrictions: &Entries<Vec<Spanned<Scalar>>>,
) -> Result<(), SuiteError> {
    for (name, values) in restrictions.iter() {
        let Some(axis) = axes.iter().find(|axis| axis.name == name.value) else {
            let error = file.error(name.referenced, format!("the suite has no axis `{}`", name.value));
            return Err(error.with_names(&name.value, axes.iter().map(|axis| axis.name.as_str())));
        };
        if values.is_empty() {
            return Err(file.error(name.referenced, format!("no value of axis `{}` is left", name.value)));
        }
        for value in values {
            let word = value.written(file).value;
            if !axis.values.iter().any(|value| value.word == word) {
                let message = format!("the suite's axis `{}` has no value `{word}`", name.value);
                let error = file.error(value.referenced, message);
                return Err(error.with_names(&word, axis.values.iter().map(|value| value.word.as_str())));
            }
        }
    }
    Ok(())
}

/// The axes with the axis `entry`, if there is one, held to one value.
pub(crate) fn with_entry(axes: &[Axis], entry: Entry) -> Vec<Axis> {
    let held = |axis: &Axis| {
        let keep = |word: &str| axis.name != "entry" || word == entry.as_str();
        Axis {
            name: axis.name.clone(),
            values: axis.values.iter().filter(|value| keep(&value.word)).cloned().collect(),
            agrees: axis.agrees,
        }
    };
    axes.iter().map(held).collect()
}

/// Every combination of the axes' values, the first axis changing slowest.
pub(crate) fn combinations(axes: &[Axis], entry: Entry) -> Vec<(Shown, Choice)> {
    let mut combinations = vec![(Shown::new(), Choice::default_for(entry))];
    for axis in axes {
        let longer = combinations.iter().flat_map(|(shown, choice)| {
            axis.values.iter().map(move |value| {
                let (mut shown, mut choice) = (shown.clone(), choice.clone());
                shown.push((axis.name.clone(), value.word.clone()));
                choice.apply(&axis.name, value);
                (shown, choice)
            })
        });
        combinations = longer.collect();
    }
    combinations
}

impl Axis {
    fn has(&self, word: &str) -> bool {
        self.values.iter().any(|value| value.word == word)
    }
}

impl Choice {
    pub(crate) fn apply(&mut self, axis: &str, value: &Value) {
        match value.effect {
            Effect::Entry(entry) => self.entry = entry,
            Effect::ChannelIn(channel) => self.channel_in = channel,
            Effect::ChannelOut(channel) => self.channel_out = channel,
            Effect::Export(export) => self.export = export,
            Effect::Propagation(propagation) => self.propagation = propagation,
            Effect::Platform(platform) => self.platform = platform,
            Effect::Variable => self.env.push((axis.to_owned(), value.word.clone())),
        }
    }
}
