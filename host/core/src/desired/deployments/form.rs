//! What an orchestrator's plugin takes, by its WIT, and how a `deployment:` block becomes that.
//!
//! Nothing is known here of what a deployment is but the names of three operations: `apply` takes a record, `get` answers
//! with one of the same type, `delete` removes what it names. The block's `config` is that record, with the block's `name` and
//! `strategy` put in it; members of it that `get` and `delete` have parameters for name what they are asked about.

use std::sync::Arc;

use jackfield_reflect::{Field, JsonError, JsonLimits, Operation, OperationKind, Reflection, Shape, did_you_mean};
use serde_json::{Map, Value, json};

use crate::{Error, Result, desired::documents::DesiredDeployment, names::pointer, view::choose};

/// The capability that deployments are routed to.
const CAPABILITY: &str = "orchestrator";
/// The members of a block that belong in the record.
const IN_BLOCK: [&str; 2] = ["name", "strategy"];

/// An orchestrator's operations, as its plugin exports them.
pub(super) struct Form {
    /// The capability in full, e.g. `jackfield:orchestrator@0.1.0`.
    pub(super) capability: String,
    apply: Arc<Operation>,
    get: Arc<Operation>,
    delete: Option<Arc<Operation>>,
    /// Which of the parameters of `apply` is the record.
    record: usize,
}

/// What an operation is asked.
pub(super) type Params = Map<String, Value>;

impl Form {
    /// The form of what a plugin exports; an error where no deployment can be routed to it.
    pub(super) fn of(reflection: &Reflection) -> Result<Self> {
        let offered: Vec<_> = reflection.capabilities.iter().map(|capability| &capability.id).collect();
        let id = choose(CAPABILITY, &offered)
            .map_err(|error| Error::invalid(format!("it does not offer what a deployment needs: {}", error.message)))?;
        let found = reflection.capabilities.iter().find(|capability| capability.id == *id);
        let operations = found.map(|capability| capability.operations.as_slice()).unwrap_or_default();
        let named = |name: &str| operations.iter().find(|operation| operation.name == name).cloned();
        let lacks = |what: &str| Error::invalid(format!("its `{CAPABILITY}` takes no deployments: {what}"));
        let (Some(apply), Some(get)) = (named("apply"), named("get")) else {
            return Err(lacks("it has no operations `apply` and `get`"));
        };
        let is_record = |shape: &Shape| matches!(shape, Shape::Record(_));
        let record = apply.params.iter().position(|param| is_record(&param.shape));
        let record = record.filter(|index| *index + 1 < apply.params.len() && apply.kind == OperationKind::Write);
        let Some(record) = record else { return Err(lacks("its `apply` takes no record, or is no write")) };
        let form = Self { capability: id.to_string(), delete: named("delete"), apply, get, record };
        if form.told_by(&form.apply).is_none() || form.told_by(&form.get).is_none() {
            return Err(lacks("its `apply` and `get` do not answer what `apply` takes"));
        }
        Ok(form)
    }

    fn param(&self) -> &str {
        self.apply.params.get(self.record).map_or("", |param| &param.name)
    }

    fn fields(&self) -> &[Field] {
        match self.apply.params.get(self.record).map(|param| &param.shape) {
            Some(Shape::Record(record)) => &record.fields,
            _ => &[],
        }
    }

    /// Where an operation's answer has the record: in a member, or it is the record (`""`).
    fn told_by(&self, operation: &Operation) -> Option<String> {
        let wanted = self.apply.params.get(self.record).map(|param| &param.shape);
        let Some(Shape::Record(answer)) = &operation.ok else { return None };
        if operation.ok.as_ref() == wanted {
            return Some(String::new());
        }
        answer.fields.iter().find(|field| Some(&field.shape) == wanted).map(|field| field.name.clone())
    }

    /// What `get` answered: the record, and the revision that it was at.
    pub(super) fn got(&self, answer: &Value) -> Result<(Value, Option<String>)> {
        let revision = answer.get("revision").and_then(Value::as_str).map(str::to_owned);
        Ok((self.record_of(&self.get, answer)?, revision))
    }

    /// What `apply` answered.
    pub(super) fn applied(&self, answer: &Value) -> Result<Value> {
        self.record_of(&self.apply, answer)
    }

    fn record_of(&self, operation: &Operation, answer: &Value) -> Result<Value> {
        let record = match self.told_by(operation).as_deref() {
            Some("") => Some(answer),
            Some(member) => answer.get(member),
            None => None,
        };
        let mut record = record
            .cloned()
            .ok_or_else(|| Error::internal(format!("`{}` answered something else", operation.action())))?;
        // What is absent is told as such or not at all: both are one.
        if let Value::Object(members) = &mut record {
            members.retain(|_, value| !value.is_null());
        }
        Ok(record)
    }

    /// What `apply` is asked, for a block.
    pub(super) fn spec(&self, wanted: &DesiredDeployment) -> Result<Params> {
        let mut spec = Map::new();
        for (member, value) in &wanted.config {
            let place = format!("/config/{}", pointer(member));
            let field = self.field(member).map_err(|error| error.at(&place))?;
            if spec.insert(field.name.clone(), in_form(field, value)).is_some() {
                return Err(Error::invalid(format!("`{}` is given twice", field.name)).at(place));
            }
        }
        for (member, value) in [("name", &wanted.name), ("strategy", &wanted.strategy)] {
            let Some(value) = value else { continue };
            let place = format!("/{member}");
            let field = self.field(member).map_err(|error| error.at(&place))?;
            // `blue_green` is how people write what WIT calls `blue-green`.
            let value = if member == "strategy" { value.replace('_', "-") } else { value.clone() };
            match spec.insert(field.name.clone(), Value::String(value.clone())) {
                Some(other) if other != value => {
                    let message = format!("`{member}` is given here and, differently, in `config`; give it once");
                    return Err(Error::invalid(message).at(place));
                }
                _ => {}
            }
        }
        let params = json!({ self.param(): spec });
        let judged = self.apply.decode_params(params.to_string().as_bytes(), &JsonLimits::default());
        judged.map_err(|JsonError { pointer, message }| Error::invalid(message).at(self.place(wanted, &pointer)))?;
        Ok(spec)
    }

    fn field(&self, member: &str) -> Result<&Field> {
        let kebab = member.replace('_', "-");
        let found = self.fields().iter().find(|field| field.name == *member || field.name == kebab);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.fields().iter().map(|field| field.name.as_str()).collect();
            let shown: String = member.chars().take(80).collect();
            let listed: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let hint = did_you_mean(&shown, known);
            let message = format!("the orchestrator takes no `{shown}`.{hint} It takes {}", listed.join(", "));
            Error::invalid(message)
        })
    }

    /// Where in a block something is that a pointer into the parameters of `apply` names.
    pub(super) fn place(&self, wanted: &DesiredDeployment, found: &str) -> String {
        let Some(member) = found.strip_prefix(&format!("/{}", pointer(self.param()))) else { return String::new() };
        let in_block = IN_BLOCK.iter().zip([&wanted.name, &wanted.strategy]);
        let mut said = in_block.filter(|(_, said)| said.is_some()).map(|(name, _)| format!("/{name}"));
        if said.any(|name| name == member) { member.to_owned() } else { format!("/config{member}") }
    }

    /// A pointer into the record as one into the parameters of `apply`.
    pub(super) fn pointer_to(&self, member: &str) -> String {
        format!("/{}{member}", pointer(self.param()))
    }

    /// What `apply` is asked.
    pub(super) fn ask_apply(&self, spec: &Params, options: &Value) -> (Arc<Operation>, Value) {
        (self.apply.clone(), self.with_options(&self.apply, json!({ self.param(): spec }), options))
    }

    /// What `get` is asked about a record.
    pub(super) fn ask_get(&self, target: &Params) -> (Arc<Operation>, Value) {
        (self.get.clone(), Value::Object(target.clone()))
    }

    /// What `delete` is asked about a record.
    pub(super) fn ask_delete(&self, target: &Params, options: &Value) -> Result<(Arc<Operation>, Value)> {
        let delete = self.delete.as_ref().filter(|delete| delete.kind == OperationKind::Write);
        let delete = delete.ok_or_else(|| Error::invalid(format!("its `{CAPABILITY}` has no `delete`")))?;
        Ok((delete.clone(), self.with_options(delete, Value::Object(target.clone()), options)))
    }

    fn with_options(&self, operation: &Operation, mut params: Value, options: &Value) -> Value {
        if let Some(last) = operation.params.last() {
            params[last.name.as_str()] = options.clone();
        }
        params
    }

    /// What of a record names it: the members that `get` asks for.
    pub(super) fn target(&self, record: &Params) -> Params {
        let asked = self.get.params.iter().map(|param| param.name.as_str());
        asked
            .filter_map(|name| Some((name.to_owned(), record.get(name).filter(|value| !value.is_null())?.clone())))
            .collect()
    }

    /// What a block says that names it, without what goes without saying; also of a block that is taken no more.
    pub(super) fn said(&self, block: &DesiredDeployment) -> Params {
        let mut said: Params =
            block.config.iter().map(|(member, value)| (member.replace('_', "-"), value.clone())).collect();
        if let Some(name) = &block.name {
            said.insert("name".to_owned(), Value::String(name.clone()));
        }
        self.target(&said)
    }
}

/// A value as a field takes it: what is a list of labels may be written as an object, as labels are elsewhere.
fn in_form(field: &Field, value: &Value) -> Value {
    let inner = match &field.shape {
        Shape::Option(inner) => inner,
        shape => shape,
    };
    let is_label = |shape: &Shape| {
        matches!(shape, Shape::Record(record)
            if record.name.name == "label" && record.name.interface.starts_with("jackfield:types/types@"))
    };
    match (inner, value) {
        (Shape::List(item), Value::Object(members)) if is_label(item) => {
            // `serde_json` sorts the members of an object, so the same labels are the same list.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            members.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{Capability, operations, read_wit};

    use super::*;

    fn form(operations_of: &str) -> Result<Form> {
        let wit = format!(
            "package jackfield:bundle;
            package jackfield:types@0.1.0 {{ interface types {{
                record write-options {{ idempotency-key: option<string>, dry-run: bool }}
                record label {{ name: string, value: string }}
            }} }}
            package acme:orchestrator@0.1.0 {{ interface orchestrator {{
                use jackfield:types/types@0.1.0.{{write-options, label}};
                enum strategy {{ rolling, blue-green }}
                record job {{ zone: option<string>, name: string, strategy: option<strategy>, memory-mib: option<u32>, env: option<list<label>> }}
                record state {{ job: job, revision: string }}
                {operations_of}
            }} }}"
        );
        let packages = read_wit(&wit).unwrap();
        let package = packages.iter().find(|package| package.id.name == "orchestrator").unwrap();
        let operations = operations(package).unwrap().into_iter().map(Arc::new).collect();
        let capability =
            Capability { id: package.id.clone(), docs: String::new(), operations, package: package.clone() };
        Form::of(&Reflection { capabilities: vec![capability], imports: Vec::new(), exports: Vec::new() })
    }

    const WHOLE: &str = "get: func(zone: option<string>, name: string) -> result<state, string>;
        apply: func(job: job, options: write-options) -> result<state, string>;
        delete: func(zone: option<string>, name: string, options: write-options) -> result<_, string>;";

    fn block(name: Option<&str>, strategy: Option<&str>, config: Value) -> DesiredDeployment {
        let of = |text: Option<&str>| text.map(str::to_owned);
        let Value::Object(config) = config else { panic!("a config is an object") };
        DesiredDeployment { name: of(name), strategy: of(strategy), orchestrator: "acme".into(), config }
    }

    #[test]
    fn a_block_becomes_what_apply_takes_of_whichever_package_it_is() {
        let form = form(WHOLE).unwrap();
        let wanted = block(Some("shop"), Some("blue_green"), json!({"memory_mib": 5, "env": {"B": "2", "A": "1"}}));
        let spec = form.spec(&wanted).unwrap();
        let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
        let expected = json!({"name": "shop", "strategy": "blue-green", "memory-mib": 5, "env": env});
        assert_eq!(Value::Object(spec.clone()), expected);
        assert_eq!(Value::Object(form.target(&spec)), json!({"name": "shop"}));
        let (_, asked) = form.ask_apply(&spec, &json!({"dry-run": true}));
        assert_eq!(asked, json!({"job": expected, "options": {"dry-run": true}}));
        let got = json!({"job": {"name": "shop", "zone": null}, "revision": "7"});
        assert_eq!(form.got(&got).unwrap(), (json!({"name": "shop"}), Some("7".to_owned())));
    }

    #[test]
    fn what_a_block_cannot_mean_is_refused_with_its_place() {
        let form = form(WHOLE).unwrap();
        let refused = |wanted: DesiredDeployment| {
            let error = form.spec(&wanted).unwrap_err();
            (error.field.unwrap_or_default(), error.message)
        };
        let (place, message) = refused(block(Some("shop"), None, json!({"zoen": "a"})));
        assert!(place == "/config/zoen" && message.contains("Did you mean `zone`?"), "{message}");
        assert!(message.contains("`memory-mib`"), "those that there are: {message}");
        let (place, _) = refused(block(Some("shop"), Some("slowly"), json!({})));
        assert_eq!(place, "/strategy");
        let (place, _) = refused(block(None, None, json!({"name": "shop", "memory-mib": "much"})));
        assert_eq!(place, "/config/memory-mib");
        let (place, message) = refused(block(Some("shop"), None, json!({"name": "other"})));
        assert!(place == "/name" && message.contains("differently"), "{message}");
        let (place, _) = refused(block(Some("shop"), None, json!({"memory-mib": 1, "memory_mib": 1})));
        assert!(place.starts_with("/config/memory"), "{place}");
    }

    #[test]
    fn an_orchestrator_whose_operations_do_not_fit_together_is_refused() {
        for (operations, words) in [
            ("get: func(name: string) -> result<state, string>;", "no operations `apply` and `get`"),
            (
                "get: func(name: string) -> result<string, string>;
                apply: func(job: job, options: write-options) -> result<state, string>;",
                "do not answer what `apply` takes",
            ),
            (
                "get: func(name: string) -> result<state, string>; apply: func(job: job) -> result<state, string>;",
                "takes no record, or is no write",
            ),
        ] {
            let error = form(operations).err().unwrap();
            assert!(error.message.contains(words), "{error}");
        }
    }
}
