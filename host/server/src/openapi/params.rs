//! A read's parameters as query parameters: the description of what `Operation::params_from_query` takes. Scalars go by
//! name, records by `record.field`, lists by repetition; what has no such form is JSON text.

use jackfield_reflect::{Operation, Shape, schema};
use serde_json::{Map, Value, json};

use super::schemas::Adopted;

/// The query parameters of a read.
pub(super) fn of(operation: &Operation, adopted: &Adopted) -> Vec<Value> {
    let mut parameters = Vec::new();
    for param in &operation.params {
        let required = !param.shape.has_default();
        let deprecated = param.stability.deprecated.is_some();
        Collector { adopted, parameters: &mut parameters, deprecated }.add(
            &param.name,
            &param.shape,
            &param.docs,
            required,
        );
    }
    parameters
}

struct Collector<'a> {
    adopted: &'a Adopted,
    parameters: &'a mut Vec<Value>,
    /// What is added is not to be used any more.
    deprecated: bool,
}

impl Collector<'_> {
    fn add(&mut self, name: &str, shape: &Shape, docs: &str, required: bool) {
        match shape {
            Shape::Option(inner) if !inner.is_nullable() => self.add(name, inner, docs, false),
            Shape::Record(record) => {
                for field in &record.fields {
                    let required = required && !field.shape.has_default();
                    let of_all = self.deprecated;
                    self.deprecated |= field.stability.deprecated.is_some();
                    self.add(&format!("{name}.{}", field.name), &field.shape, &field.docs, required);
                    self.deprecated = of_all;
                }
            }
            Shape::List(item) if is_scalar(item) => {
                let mut items = self.schema(item);
                if **item == Shape::String {
                    // A text that starts like a list of JSON is read as one.
                    items = json!({"type": "string", "pattern": "^([^\\[][\\s\\S]*)?$"});
                }
                let schema = json!({"type": "array", "items": items});
                self.push(name, docs, required, json!({"style": "form", "explode": true, "schema": schema}));
            }
            shape if is_scalar(shape) => {
                let schema = self.schema(shape);
                self.push(name, docs, required, json!({"schema": schema}));
            }
            shape => {
                let schema = self.schema(shape);
                self.push(name, docs, required, json!({"content": {"application/json": {"schema": schema}}}));
            }
        }
    }

    /// The types a parameter refers to are the request's, which the document has adopted already.
    fn schema(&self, shape: &Shape) -> Value {
        self.adopted.adapt(schema(shape, &mut Map::new()))
    }

    fn push(&mut self, name: &str, docs: &str, required: bool, form: Value) {
        let mut parameter = json!({"name": name, "in": "query", "required": required});
        if let (Value::Object(parameter), Value::Object(form)) = (&mut parameter, form) {
            if !docs.is_empty() {
                parameter.insert("description".into(), docs.into());
            }
            if self.deprecated {
                parameter.insert("deprecated".into(), true.into());
            }
            parameter.extend(form);
        }
        self.parameters.push(parameter);
    }
}

fn is_scalar(shape: &Shape) -> bool {
    use Shape::{Bool, Bytes, Char, Enum, F32, F64, S8, S16, S32, S64, String, U8, U16, U32, U64};
    matches!(shape, Bool | U8 | U16 | U32 | U64 | S8 | S16 | S32 | S64 | F32 | F64 | Char | String | Bytes | Enum(_))
}
