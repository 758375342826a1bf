//! Expands the cases of a suite: every value of `each` times every combination of the axes.

use std::collections::BTreeSet;

use crate::spanned::Spanned;
use indexmap::IndexMap;
use spanwise_model::{ExpectedSpan, FrontEnd, PermutationName, Settings};

use crate::axes::{Axis, Shown, combinations, of_case, on_cloud_run, with_entry};
use crate::axis::Choice;
use crate::channels::{settle, without_channel_out};
use crate::each::{self, Each};
use crate::error::{File, SuiteError};
use crate::expected::expected;
use crate::format::{CaseFile, SuiteFile};
use crate::name::component;
use crate::names::Names;
use crate::request::{RequestForm, request};
use crate::service::{Overrides, Service, needed, variables};
use crate::setting::{SettingKey, settings};
use crate::steps::{Written, steps};
use crate::suite::{DriverContext, Permutation, Repeat, Setting, Step};
use crate::template::Reference;
use crate::{ContextKind, Entry};

/// More permutations of a case than this are a mistake in the file.
const MOST_PERMUTATIONS: usize = 20_000;
/// The same for requests.
const MOST_REQUESTS: usize = 200_000;

/// What the cases of a suite come to.
pub(crate) struct Expanded {
    pub(crate) settings: Vec<Setting>,
    pub(crate) permutations: Vec<Permutation>,
    /// What stands in it and is not sent, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// Settings and permutations of a suite.
pub(crate) fn expand(
    file: File<'_>,
    suite: &SuiteFile,
    services: &[Service<'_>],
    axes: &[Axis],
    front_end: &FrontEnd,
) -> Result<Expanded, SuiteError> {
    let mut expansion = Expansion {
        file,
        suite,
        services,
        axes,
        front_end,
        settings: IndexMap::new(),
        permutations: Vec::new(),
        notes: Vec::new(),
    };
    for (name, case) in suite.cases.iter() {
        component(file, name, "case name")?;
        expansion.case(name, case)?;
    }
    if suite.cases.0.is_empty() {
        return Err(file.error(suite.suite.referenced, "the suite has no cases"));
    }
    let setting =
        |(key, used): (&SettingKey, &BTreeSet<usize>)| key.setting(suite, services, front_end, used);
    let settings = expansion.settings.iter().map(setting).collect();
    let Expansion { permutations, notes, .. } = expansion;
    Ok(Expanded { settings, permutations, notes })
}

struct Expansion<'a> {
    file: File<'a>,
    suite: &'a SuiteFile,
    services: &'a [Service<'a>],
    axes: &'a [Axis],
    front_end: &'a FrontEnd,
    /// Settings by what makes them different, each with the services that its permutations need.
    settings: IndexMap<SettingKey, BTreeSet<usize>>,
    permutations: Vec<Permutation>,
    notes: Vec<String>,
}

/// A case in one of its forms, before the axes.
struct Form<'c> {
    each: &'c Each,
    steps: &'c [Step],
    repeat: Option<Repeat>,
    overrides: &'c Overrides,
    expected: &'c [ExpectedSpan],
}

impl Expansion<'_> {
    fn case(&mut self, name: &Spanned<String>, case: &CaseFile) -> Result<(), SuiteError> {
        let file = self.file;
        let written = steps(file, name, case, self.services)?;
        let axes = of_case(file, self.axes, case)?;
        let users = each::users(file, case)?;
        let repeat = each::repeat(file, case)?;
        self.not_too_many(
            name,
            case,
            &axes,
            users.len() * written.len() * repeat.map_or(1, |repeat| repeat.times as usize),
        )?;
        if let Some(caller) = case.caller.as_ref().filter(|_| !on_cloud_run(&axes)) {
            let message =
                "where the caller stands matters on `cloud-run` alone, and this case does not run there";
            return Err(file.error(caller.referenced, message));
        }
        self.note_unsent(name, &written);
        let before = self.permutations.len();
        for each in each::each(file, case, &axes)? {
            for entry in self.entries(name, &written, &axes)? {
                let (steps, expected) = self.steps(&written, entry, &each, &users)?;
                let overrides = self.overrides(case, &each)?;
                let (steps, expected) = (steps.as_slice(), expected.as_slice());
                let form = Form { each: &each, steps, repeat, overrides: &overrides, expected };
                for (shown, choice) in combinations(&with_entry(&axes, entry), entry) {
                    self.permutation(name, case, &form, shown, choice);
                }
            }
        }
        let made = &self.permutations[before..];
        if made.is_empty() {
            let message = format!("case `{}` has no form for any value of axis `entry`", name.value);
            return Err(file.error(name.referenced, message));
        }
        for (service, _) in case.services.iter() {
            if !made.iter().any(|permutation| permutation.services.contains(&service.value)) {
                let message = format!("no request of this case reaches `{}`", service.value);
                return Err(file.error(service.referenced, message));
            }
        }
        Ok(())
    }

    /// Notes the forms of a case that the suite's axis `entry` leaves out. A case that says its own values says by that what it leaves.
    fn note_unsent(&mut self, name: &Spanned<String>, steps: &[Written<'_>]) {
        let Some(axis) = self.axes.iter().find(|axis| axis.name == "entry") else { return };
        let is_unsent = |form: &Entry| !axis.values.iter().any(|value| value.word == form.as_str());
        let forms = steps.first().map(Written::forms).unwrap_or_default();
        for form in forms.into_iter().filter(is_unsent) {
            let (suite, case, form) = (&self.suite.suite.value, &name.value, form.as_str());
            self.notes.push(format!(
                "the form `{form}` of case {suite}/{case} is not sent, because axis `entry` of the suite does not list it"
            ));
        }
    }

    /// Counts before anything is made: lists multiply, and a mistake in one must not fill the memory.
    fn not_too_many(
        &self,
        name: &Spanned<String>,
        case: &CaseFile,
        axes: &[Axis],
        requests: usize,
    ) -> Result<(), SuiteError> {
        let lists = case.each.iter().map(|(_, values)| values.len());
        let product = lists.chain(axes.iter().map(|axis| axis.values.len())).fold(1, usize::saturating_mul);
        if product > MOST_PERMUTATIONS || product.saturating_mul(requests) > MOST_REQUESTS {
            let message = format!(
                "case `{}` has {product} combinations of `each` and the axes, with {requests} requests each; at most \
                 {MOST_PERMUTATIONS} combinations and {MOST_REQUESTS} requests are planned",
                name.value
            );
            return Err(self.file.error(name.referenced, message));
        }
        Ok(())
    }

    /// The entries under which the case runs: those of the axis for which it, or its first step, has a form.
    fn entries(
        &self,
        name: &Spanned<String>,
        steps: &[Written<'_>],
        axes: &[Axis],
    ) -> Result<Vec<Entry>, SuiteError> {
        let forms = steps.first().map(Written::forms).unwrap_or_default();
        match axes.iter().find(|axis| axis.name == "entry") {
            Some(axis) => {
                let listed = axis.values.iter().filter_map(|value| Entry::of_word(&value.word));
                Ok(listed.filter(|entry| forms.contains(entry)).collect())
            }
            None if forms.len() == 1 => Ok(forms),
            None => {
                let message = format!(
                    "case `{}` must have exactly one of the forms `http`, `grpc` and `shell`, because the \
                     suite has no axis `entry`",
                    name.value
                );
                Err(self.file.error(name.referenced, message))
            }
        }
    }

    fn names<'n>(&'n self, services: &'n [&'n str], each: &'n Each) -> Names<'n> {
        let metadata = on_cloud_run(self.axes);
        Names { file: self.file, services, each, user: None, steps: &[], metadata }
    }

    /// What is sent of a case under one entry, and the spans that must come of it.
    fn steps(
        &self,
        written: &[Written<'_>],
        entry: Entry,
        each: &Each,
        users: &[Option<String>],
    ) -> Result<(Vec<Step>, Vec<ExpectedSpan>), SuiteError> {
        let services: Vec<&str> = self.services.iter().map(|service| service.name).collect();
        let (mut steps, mut trees, mut before) = (Vec::new(), Vec::new(), Vec::new());
        for one in written {
            let form = one.form(self.file, entry)?;
            let names = Names { steps: &before, ..self.names(&services, each) };
            let of_user = |user: &Option<String>| {
                request(one, form, &Names { user: user.as_deref(), ..names }).transpose()
            };
            let requests = users.iter().filter_map(of_user).collect::<Result<_, _>>()?;
            // Spans are told by names and labels of the plan; what an answer held is none of these.
            let names = Names { user: users[0].as_deref(), steps: &[], ..names };
            trees.extend(expected(one, form, &names)?);
            steps.push(Step { name: one.step.clone(), requests });
            before.extend(one.step.clone());
        }
        Ok((steps, trees))
    }

    fn overrides(&self, case: &CaseFile, each: &Each) -> Result<Overrides, SuiteError> {
        let services: Vec<&str> = self.services.iter().map(|service| service.name).collect();
        let names = self.names(&services, each);
        let mut overrides = Overrides::new();
        for (service, changed) in case.services.iter() {
            if !services.contains(&service.value.as_str()) {
                let error =
                    self.file.error(service.referenced, format!("unknown service `{}`", service.value));
                return Err(error.with_names(&service.value, services));
            }
            let takes = |one: &Service<'_>| one.start.launch.takes_environment();
            if self.services.iter().any(|one| one.name == service.value && !takes(one)) {
                let message =
                    format!("`{}` is not started by the run, which cannot set its variables", service.value);
                return Err(self.file.error(service.referenced, message));
            }
            overrides.push((service.value.clone(), variables(&changed.env, &names)?));
        }
        Ok(overrides)
    }

    fn permutation(
        &mut self,
        name: &Spanned<String>,
        case: &CaseFile,
        form: &Form<'_>,
        mut shown: Shown,
        mut choice: Choice,
    ) {
        if !settle(&shown, &mut choice) {
            return;
        }
        let Form { each, steps, repeat, overrides, expected } = *form;
        let requests = || steps.iter().flat_map(|step| &step.requests);
        let entered: BTreeSet<&String> = requests().flat_map(|request| request.services()).collect();
        let needed: BTreeSet<usize> =
            entered.into_iter().flat_map(|entry| needed(self.services, entry, overrides)).collect();
        // Changes to a service that this form never reaches make no setting of their own.
        let mut overrides = overrides.clone();
        overrides.retain(|(service, _)| needed.iter().any(|at| self.services[*at].name == service));
        if !self.uses_channel_out(&needed, &overrides)
            && !without_channel_out(self.axes, case, &mut shown, &mut choice)
        {
            return;
        }
        let mut settings = self.model_settings(case, each, &shown, &choice, &overrides);
        settings.expected = expected.to_vec();
        let key = SettingKey::new(self.suite, self.axes, &shown, &choice, overrides, (&name.value, each));
        let entry = self.settings.entry(key);
        let setting = entry.index();
        entry.or_default().extend(needed.iter().copied());

        let full: Shown = each::shown(each).chain(shown.iter().cloned()).collect();
        let agrees = |axis: &str| self.axes.iter().any(|known| known.name == axis && known.agrees);
        let apart = shown.iter().filter(|(axis, _)| !agrees(axis)).cloned();
        let group: Shown = each::shown(each).chain(apart).collect();
        self.permutations.push(Permutation {
            name: PermutationName::new(&self.suite.suite.value, &name.value, &full),
            group: PermutationName::new(&self.suite.suite.value, &name.value, &group).to_string(),
            suite: self.suite.suite.value.clone(),
            case: name.value.clone(),
            place: self.file.place(name.referenced),
            setting,
            services: needed.iter().map(|at| self.services[*at].name.to_owned()).collect(),
            exclusive: case.context == ContextKind::None
                || requests().any(|request| matches!(request.form, RequestForm::Shell { .. })),
            channel_in: choice.channel_in,
            context: DriverContext::new(case.context, choice.propagation),
            caller: case.caller.as_ref().map(|caller| caller.value).unwrap_or_default(),
            steps: steps.to_vec(),
            repeat,
            settings,
            known: Vec::new(),
        });
    }

    fn uses_channel_out(&self, needed: &BTreeSet<usize>, overrides: &Overrides) -> bool {
        let mut references = needed.iter().flat_map(|at| self.services[*at].references(overrides));
        references.any(|reference| matches!(reference, Reference::ServiceUrl(_) | Reference::RefusedUrl))
    }

    fn model_settings(
        &self,
        case: &CaseFile,
        each: &Each,
        shown: &Shown,
        choice: &Choice,
        overrides: &Overrides,
    ) -> Settings {
        let axes = each::shown(each).chain(shown.iter().cloned()).collect();
        let mut settings = settings(self.suite, self.services, self.front_end, axes, (choice, overrides));
        let more = case.require_labels.iter().filter(|label| !self.suite.require_labels.contains(label));
        settings.required_labels.extend(more.cloned());
        settings
    }
}
