//! [`Domain`]: what an application is made of, by name.

use std::{collections::BTreeMap, sync::Arc};

use factum_store::Invalid;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    AnyCommand, Command, Decide, DeciderModel, Event, EventModel, Fold, NamedFold, Projection,
    View, view::IntoView,
};

/// The registry of an application: its commands, views and events.
#[derive(Clone)]
pub struct Domain {
    name: &'static str,
    commands: BTreeMap<&'static str, Decider>,
    views: BTreeMap<String, Arc<View>>,
    folds: BTreeMap<&'static str, NamedFold>,
    events: BTreeMap<(&'static str, u32), EventModel>,
    problems: Vec<Invalid>,
}

/// A command that can be run by name.
#[derive(Clone)]
pub struct Decider {
    model: DeciderModel,
    parse: Parse,
}

type Parse = fn(&[u8]) -> Result<Box<dyn AnyCommand>, Invalid>;

impl Decider {
    /// What it reads, emits and refuses.
    #[must_use]
    pub fn model(&self) -> &DeciderModel {
        &self.model
    }

    /// The command of a JSON text.
    ///
    /// # Errors
    /// [`Invalid`] with the path of the field; unknown fields are refused.
    pub fn parse(&self, json: &[u8]) -> Result<Box<dyn AnyCommand>, Invalid> {
        (self.parse)(json)
    }
}

impl Domain {
    /// A domain without anything.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            commands: BTreeMap::new(),
            views: BTreeMap::new(),
            folds: BTreeMap::new(),
            events: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// With the command `C` and its decider.
    #[must_use]
    pub fn decides<C: Decide>(mut self) -> Self {
        let model = <C as Decide>::model();
        model.emits.iter().for_each(|event| self.add_event(*event));
        let parse = |json: &[u8]| {
            parse_command::<C>(json).map(|command| Box::new(command) as Box<dyn AnyCommand>)
        };
        if self.commands.insert(C::NAME, Decider { model, parse }).is_some() {
            self.problem(format!("command {}", C::NAME), "is registered twice");
        }
        self
    }

    /// With a view; one of documents brings its fold.
    #[must_use]
    pub fn view(mut self, view: impl IntoView) -> Self {
        match view.into_view() {
            Ok(view) => {
                view.heeds().iter().for_each(|event| self.add_event(*event));
                if let Projection::Documents(documents) = view.projection() {
                    self.add_fold(documents.fold().clone());
                }
                let name = view.name().to_string();
                if self.views.insert(name.clone(), Arc::new(view)).is_some() {
                    self.problem(format!("view {name}"), "is registered twice");
                }
            }
            Err(invalid) => self.problems.push(invalid),
        }
        self
    }

    /// With an event that no registered decider emits, such as one that was emitted once.
    #[must_use]
    pub fn event<E: Event>(mut self) -> Self {
        self.add_event(E::MODEL);
        self
    }

    /// With a fold that can be asked for by its name, and the events that it heeds.
    #[must_use]
    pub fn fold<F: Fold + Serialize>(mut self) -> Self {
        F::HEEDS.iter().for_each(|event| self.add_event(*event));
        self.add_fold(NamedFold::of::<F>());
        self
    }

    /// What is wrong with the definition, if anything: checked when an application opens.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), Invalid> {
        self.problems.first().cloned().map_or(Ok(()), Err)
    }

    /// The command of this name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Decider> {
        self.commands.get(name)
    }

    /// All commands, by name.
    pub fn commands(&self) -> impl Iterator<Item = &Decider> {
        self.commands.values()
    }

    /// The view of this name.
    #[must_use]
    pub fn view_named(&self, name: &str) -> Option<&Arc<View>> {
        self.views.get(name)
    }

    /// All views, by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.views.values()
    }

    /// The fold of this name.
    #[must_use]
    pub fn fold_named(&self, name: &str) -> Option<&NamedFold> {
        self.folds.get(name)
    }

    /// All folds that have a name here, by name.
    pub fn folds(&self) -> impl Iterator<Item = &NamedFold> {
        self.folds.values()
    }

    /// All event types, by type and version, older versions included.
    pub fn events(&self) -> impl Iterator<Item = &EventModel> {
        self.events.values()
    }

    /// The text of `events.lock`: the shapes of all events.
    #[must_use]
    pub fn events_lock(&self) -> String {
        crate::events_lock(self.events())
    }

    fn add_event(&mut self, model: EventModel) {
        let key = (model.event_type, model.version);
        if let Some(known) = self.events.insert(key, model)
            && known != model
        {
            let field = format!("event {} version {}", model.event_type, model.version);
            self.problem(field, "is defined twice, in two shapes; two structs share its type");
        }
        if let Some(older) = model.older {
            self.add_event(*older);
        }
    }

    fn add_fold(&mut self, fold: NamedFold) {
        let name = fold.model().name;
        if let Some(known) = self.folds.insert(name, fold.clone())
            && !known.is(&fold)
        {
            let problem = "is defined twice, by two types; say `#[fold(name = \"…\")]` on one";
            self.problem(format!("fold {name}"), problem);
        }
    }

    fn problem(&mut self, field: String, problem: &str) {
        self.problems.push(Invalid::new(field, problem));
    }
}

/// Reads a command from JSON.
///
/// # Errors
/// [`Invalid`] with the path of the field that is wrong.
pub fn parse_command<C: Command>(json: &[u8]) -> Result<C, Invalid> {
    parse_json(json)
}

fn parse_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Invalid> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        located(&path, &e.into_inner().to_string())
    })?;
    reader.end().map_err(|e| Invalid::new("input", format!("goes on after its end: {e}")))?;
    Ok(value)
}

/// `serde` says "missing field `to`" of the object that lacks it; we say it of the field.
fn located(path: &str, message: &str) -> Invalid {
    let parent = if path == "." { "" } else { path };
    let plain = message.rsplit_once(" at line ").map_or(message, |(plain, _)| plain);
    let named = |rest: &str| {
        let field = rest.split('`').next().unwrap_or(rest).to_owned();
        let inside = parent.strip_suffix(&field).unwrap_or(parent).trim_end_matches('.');
        if inside.is_empty() { field } else { format!("{inside}.{field}") }
    };
    if let Some(rest) = plain.strip_prefix("missing field `") {
        return Invalid::new(named(rest), "is missing");
    }
    if let Some(rest) = plain.strip_prefix("unknown field `") {
        let known = rest.split_once(", ").map_or("", |(_, known)| known);
        return Invalid::new(named(rest), format!("is not a field of it: {known}"));
    }
    match parent {
        "" => Invalid::new("input", format!("is not valid: {message}")),
        field => Invalid::new(field, format!("is not valid: {plain}")),
    }
}
