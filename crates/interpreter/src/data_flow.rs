//! Data on its way into a state and out of it, in the language the state speaks.

use std::sync::Arc;

use serde_json::{Map, Value};
use skald_asl::data_flow::{DataFlow, DataPath, ExpressionFlow, Number, PathFlow, ResultPath, Text};
use skald_asl::template::{Field, Template};
use skald_query::budget::Exhausted;
use skald_query::intrinsic::{Call, Surroundings};
use skald_query::jsonata::{self, Bindings, ContextObject, Expression, Session};
use skald_query::jsonpath::{EvalError, Path, Root};
use skald_query::payload::PAYLOAD_DEPTH_MAX;
use skald_query::{Budget, Payload};

use crate::failure::Failure;
use crate::scope::Scope;

/// The most steps that expressions over the same data may take together: twice what one alone may. SOURCE: our own.
const JSONATA_STEPS_MAX: u64 = 2 * jsonata::limits::STEPS_MAX;

/// What a state leaves behind.
pub(crate) struct Outcome {
    pub(crate) output: Payload,
    /// Variables to set, in the order of `Assign`.
    pub(crate) assigned: Vec<(Arc<str>, Payload)>,
}

impl Outcome {
    /// Refuses what nests deeper than a document may. `input` was looked at when it came in.
    pub(crate) fn check_depth(&self, input: &Payload, scope: &Scope<'_>) -> Result<(), Failure> {
        let is_new = !self.output.is_same(input);
        let is_too_deep = (is_new && self.output.is_too_deep()) || self.assigned.iter().any(|(_, value)| value.is_too_deep());
        match is_too_deep {
            true => Err(scope.runtime(&format!("The output nests deeper than {PAYLOAD_DEPTH_MAX} levels"))),
            false => Ok(()),
        }
    }
}

/// What a state, rule or catcher says about leaving.
#[derive(Clone, Copy)]
pub(crate) struct Leaving<'a> {
    pub(crate) assign: &'a [Field],
    /// JSONata: `Output`.
    pub(crate) output: Option<&'a Template>,
    /// Where both stand: empty for the state itself, `Choices[0]/`, `Catch[1]/`.
    pub(crate) place: &'a str,
}

/// What JSONata expressions see in `$states`.
#[derive(Clone, Copy)]
pub(crate) struct States<'a> {
    pub(crate) input: &'a Payload,
    pub(crate) result: Option<&'a Payload>,
    pub(crate) error_output: Option<&'a Value>,
}

impl<'a> States<'a> {
    pub(crate) fn of_input(input: &'a Payload) -> Self {
        Self { input, result: None, error_output: None }
    }
}

impl<'s> Scope<'s> {
    /// What the state works on: `InputPath` and `Parameters`, or `Arguments`.
    pub(crate) fn arguments(&self, flow: &DataFlow, raw: &Payload) -> Result<Payload, Failure> {
        match flow {
            DataFlow::JsonPath(flow) => {
                let input = self.data(&flow.input_path, raw)?;
                self.template(flow.parameters.as_ref(), &input)
            }
            DataFlow::Jsonata(ExpressionFlow { arguments: None, .. }) => Ok(raw.clone()),
            DataFlow::Jsonata(ExpressionFlow { arguments: Some(arguments), .. }) => {
                self.expressions(States::of_input(raw)).payload(arguments, "Arguments")
            }
        }
    }

    /// What fields other than templates look into: `InputPath` applied, or the raw input in JSONata.
    pub(crate) fn input(&self, flow: &DataFlow, raw: &Payload) -> Result<Payload, Failure> {
        match flow {
            DataFlow::JsonPath(flow) => self.data(&flow.input_path, raw),
            DataFlow::Jsonata(_) => Ok(raw.clone()),
        }
    }

    /// Leaves a state that got a result from its work.
    pub(crate) fn leave_with_result(&self, flow: &DataFlow, assign: &[Field], raw: &Payload, result: &Payload) -> Result<Outcome, Failure> {
        match flow {
            DataFlow::JsonPath(flow) => {
                let selected = self.template(flow.result_selector.as_ref(), result)?;
                // SOURCE: asl.md §3: `$` in `Assign` is the result, as in `ResultSelector`.
                let assigned = self.assign(assign, result)?;
                let output = self.merge(flow, raw, selected)?;
                Ok(Outcome { output, assigned })
            }
            DataFlow::Jsonata(flow) => {
                let states = States { input: raw, result: Some(result), error_output: None };
                self.leave_by_expressions(Leaving { assign, output: flow.output.as_ref(), place: "" }, states, result)
            }
        }
    }

    /// Leaves a Pass state, whose result is its input, reshaped or replaced.
    pub(crate) fn leave_pass(
        &self,
        flow: &DataFlow,
        assign: &[Field],
        raw: &Payload,
        result: Option<&Payload>,
    ) -> Result<Outcome, Failure> {
        match flow {
            DataFlow::JsonPath(paths) => {
                let effective = self.arguments(flow, raw)?;
                let result = result.unwrap_or(&effective);
                let assigned = self.assign(assign, result)?;
                let output = self.merge(paths, raw, result.clone())?;
                Ok(Outcome { output, assigned })
            }
            DataFlow::Jsonata(_) => self.leave_with_input(flow, assign, raw),
        }
    }

    /// Leaves a state that hands its input on: Wait, Succeed.
    pub(crate) fn leave_with_input(&self, flow: &DataFlow, assign: &[Field], raw: &Payload) -> Result<Outcome, Failure> {
        let output = match flow {
            DataFlow::JsonPath(_) => None,
            DataFlow::Jsonata(flow) => flow.output.as_ref(),
        };
        self.leave_by_rule(flow, Leaving { assign, output, place: "" }, raw)
    }

    /// Leaves a Choice as the rule that was taken says.
    pub(crate) fn leave_by_rule(&self, flow: &DataFlow, leaving: Leaving<'_>, raw: &Payload) -> Result<Outcome, Failure> {
        match flow {
            DataFlow::JsonPath(flow) => {
                let input = self.data(&flow.input_path, raw)?;
                let assigned = self.assign(leaving.assign, &input)?;
                Ok(Outcome { output: self.data(&flow.output_path, &input)?, assigned })
            }
            DataFlow::Jsonata(_) => self.leave_by_expressions(leaving, States::of_input(raw), raw),
        }
    }

    /// Leaves a state whose failure was caught.
    pub(crate) fn leave_caught(
        &self,
        flow: &DataFlow,
        leaving: Leaving<'_>,
        result_path: &ResultPath,
        raw: &Payload,
        error_output: &Payload,
    ) -> Result<Outcome, Failure> {
        match flow {
            DataFlow::JsonPath(_) => {
                let assigned = self.assign(leaving.assign, error_output)?;
                Ok(Outcome { output: self.result(result_path, raw, error_output.clone())?, assigned })
            }
            DataFlow::Jsonata(_) => {
                let states = States { input: raw, result: None, error_output: Some(error_output.value()) };
                self.leave_by_expressions(leaving, states, error_output)
            }
        }
    }

    /// `Assign` and `Output` of JSONata; both see the variables as they were on entering.
    fn leave_by_expressions(&self, leaving: Leaving<'_>, states: States<'_>, default: &Payload) -> Result<Outcome, Failure> {
        let mut expressions = self.expressions(states);
        let place = leaving.place;
        let mut assigned = Vec::with_capacity(leaving.assign.len());
        for Field { key, value } in leaving.assign {
            assigned.push((Arc::from(key.as_str()), expressions.payload(value, &format!("{place}Assign/{key}"))?));
        }
        let output = match leaving.output {
            Some(template) => expressions.payload(template, &format!("{place}Output"))?,
            None => default.clone(),
        };
        Ok(Outcome { output, assigned })
    }

    /// `Assign` of JSONPath.
    fn assign(&self, assign: &[Field], document: &Payload) -> Result<Vec<(Arc<str>, Payload)>, Failure> {
        let set = |field: &Field| Ok((Arc::from(field.key.as_str()), Payload::from_value(self.fill_field(field, document)?)));
        assign.iter().map(set).collect()
    }

    /// `ResultPath` and `OutputPath`.
    fn merge(&self, flow: &PathFlow, raw: &Payload, result: Payload) -> Result<Payload, Failure> {
        let merged = self.result(&flow.result_path, raw, result)?;
        self.data(&flow.output_path, &merged)
    }

    /// `InputPath` or `OutputPath` applied to `document`; `$` hands the same payload on.
    pub(crate) fn data(&self, path: &DataPath, document: &Payload) -> Result<Payload, Failure> {
        match path {
            DataPath::Null => Ok(Payload::empty_object()),
            DataPath::Path(path) if path.is_identity() => Ok(document.clone()),
            DataPath::Path(path) => {
                let found = self.find(path, document).map_err(|error| self.invalid_path(path, error))?;
                Ok(Payload::from_value(found))
            }
        }
    }

    /// A payload template of JSONPath over `document`; `None` hands the document on.
    pub(crate) fn template(&self, template: Option<&Template>, document: &Payload) -> Result<Payload, Failure> {
        match template {
            None => Ok(document.clone()),
            Some(template) => Ok(Payload::from_value(self.fill(template, document)?)),
        }
    }

    fn fill(&self, template: &Template, document: &Payload) -> Result<Value, Failure> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Array(items) => items.iter().map(|item| self.fill(item, document)).collect::<Result<Vec<_>, _>>().map(Value::Array),
            Template::Object(fields) => {
                let mut object = Map::with_capacity(fields.len());
                for field in fields {
                    object.insert(field.key.clone(), self.fill_field(field, document)?);
                }
                Ok(Value::Object(object))
            }
            Template::Path(path) => self.field("", path, document),
            Template::Call(call) => self.call(call, document),
            // A template of JSONata is not filled from a document.
            Template::Expression(expression) => Ok(Value::from(expression.text())),
        }
    }

    fn fill_field(&self, field: &Field, document: &Payload) -> Result<Value, Failure> {
        let Field { key, value } = field;
        match value {
            Template::Path(path) => self.field(&format!("{key}.$"), path, document),
            Template::Call(call) => self.call(call, document),
            Template::Literal(_) | Template::Object(_) | Template::Array(_) | Template::Expression(_) => self.fill(value, document),
        }
    }

    /// The value of one field that is a path; missing is AWS's text that names the field.
    fn field(&self, field: &str, path: &Path, document: &Payload) -> Result<Value, Failure> {
        match self.find(path, document) {
            // SOURCE: measured on AWS, asl.md §3; only here, not in paths of other fields.
            Err(EvalError::PastEnd { .. }) => Ok(Value::Null),
            Ok(value) => self.made(value),
            Err(error) => Err(self.missing_field(field, path, error, document)),
        }
    }

    fn missing_field(&self, field: &str, path: &Path, error: EvalError, document: &Payload) -> Failure {
        match error {
            EvalError::NotFound { .. } | EvalError::PastEnd { .. } => self.runtime(&format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                path.text(),
                match path.root() {
                    Root::Input | Root::Variable(_) => document.text().to_owned(),
                    Root::Context => self.context_object().to_string(),
                }
            )),
            EvalError::Failed { .. } | EvalError::Exhausted => self.invalid_path(path, error),
        }
    }

    /// The value of one field that is an intrinsic function call.
    fn call(&self, call: &Call, document: &Payload) -> Result<Value, Failure> {
        let steps = self.expression_steps();
        let mut budget = Budget::of_steps(steps);
        let value = call.evaluate(&mut CallSurroundings { scope: self, document, budget: &mut budget });
        self.charge(steps - budget.steps_left());
        self.made(value.map_err(|error| self.runtime(&error.cause(call, document.text())))?)
    }

    /// Puts `result` into the raw input as `ResultPath` says.
    fn result(&self, path: &ResultPath, raw: &Payload, result: Payload) -> Result<Payload, Failure> {
        match path {
            ResultPath::Discard => Ok(raw.clone()),
            ResultPath::Reference(path) if path.is_identity() => Ok(result),
            ResultPath::Reference(path) => match path.put(raw.value().clone(), result.value().clone()) {
                Ok(merged) => Ok(Payload::from_value(merged)),
                Err(conflict) => {
                    Err(self.runtime(&format!("Unable to apply step \"{}\" to input {}: {}", path.text(), raw.text(), conflict.reason)))
                }
            },
        }
    }

    /// `TimeoutSeconds` and its kin: a literal, or a whole number that a path or an expression finds.
    pub(crate) fn number(&self, field: &str, number: &Number, document: &Payload) -> Result<u64, Failure> {
        match number {
            Number::Literal(value) => Ok(*value),
            Number::Path(path) => {
                let value = self.find(path, document).map_err(|error| self.invalid_path(path, error))?;
                // SOURCE: recorded: the text `"1"` is a number here, too.
                let shown = shown(&value);
                shown.parse().map_err(|_| {
                    let text = path.text();
                    self.runtime(&format!("The {field}Path field refers to value \"{shown}\" which is not a valid integer: {text}"))
                })
            }
            Number::Expression(expression) => {
                let value = self.expressions(States::of_input(document)).evaluate(expression, field)?;
                whole(&value).ok_or_else(|| self.unexpected_type(expression, field, "integer", &value))
            }
        }
    }

    /// `Error` and `Cause` of a Fail state.
    pub(crate) fn text(&self, field: &str, text: &Text, document: &Payload) -> Result<String, Failure> {
        let path_field = format!("{field}Path");
        let (value, written) = match text {
            Text::Literal(text) => return Ok(text.clone()),
            Text::Path(path) => (self.field(&path_field, path, document)?, path.text()),
            Text::Call(call) => (self.call(call, document)?, call.text()),
            Text::Expression(expression) => {
                return match self.expressions(States::of_input(document)).evaluate(expression, field)? {
                    Value::String(text) => Ok(text),
                    other => Err(self.unexpected_type(expression, field, "string", &other)),
                };
            }
        };
        match value {
            Value::String(text) => Ok(text),
            other => Err(self.runtime(&format!(
                "The JSONPath '{written}' specified for the field '{path_field}' must refer to a string, but was: {other}"
            ))),
        }
    }

    /// The library's own words, as AWS passes them on.
    pub(crate) fn invalid_path(&self, path: &Path, error: EvalError) -> Failure {
        self.runtime(&format!("Invalid path '{}' : {error}", path.text()))
    }

    /// SOURCE: recorded for lists, `scenarios.json`.
    pub(crate) fn unexpected_type(&self, expression: &Expression, field: &str, expected: &str, value: &Value) -> Failure {
        let text = expression.text().trim();
        let actual = type_name(value);
        self.query_error(
            Some(field),
            &format!(
                "The JSONata expression '{text}' specified for the field '{field}' returned an unexpected result type. \
                 Expected '{expected}', but was '{actual}' for value: {value}"
            ),
        )
    }

    /// The state's JSONata expressions over this data.
    pub(crate) fn expressions<'e>(&'e self, states: States<'e>) -> Expressions<'e, 's> {
        Expressions { scope: self, states, session: None, budget: Budget::of_steps(JSONATA_STEPS_MAX) }
    }
}

/// JSONata expressions over the same data, which is converted once.
pub(crate) struct Expressions<'e, 's> {
    scope: &'e Scope<'s>,
    states: States<'e>,
    session: Option<Session<'e>>,
    budget: Budget,
}

impl Expressions<'_, '_> {
    /// A template's value; `location` is where it stands: `Output`, `Choices[0]/Assign/x`.
    pub(crate) fn payload(&mut self, template: &Template, location: &str) -> Result<Payload, Failure> {
        match template {
            Template::Expression(expression) => {
                self.run(expression, location, |session, budget| session.evaluate_to_payload(expression, budget))
            }
            Template::Literal(_) | Template::Object(_) | Template::Array(_) | Template::Path(_) | Template::Call(_) => {
                self.fill(template, location).map(Payload::from_value)
            }
        }
    }

    pub(crate) fn fill(&mut self, template: &Template, location: &str) -> Result<Value, Failure> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Array(items) => {
                let located = items.iter().enumerate();
                located
                    .map(|(index, item)| self.fill(item, &format!("{location}[{index}]")))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
            }
            Template::Object(fields) => {
                let mut object = Map::with_capacity(fields.len());
                for Field { key, value } in fields {
                    object.insert(key.clone(), self.fill(value, &format!("{location}/{key}"))?);
                }
                Ok(Value::Object(object))
            }
            Template::Expression(expression) => self.evaluate(expression, location),
            // Only templates of JSONPath have these.
            Template::Path(path) => Ok(Value::from(path.text())),
            Template::Call(call) => Ok(Value::from(call.text())),
        }
    }

    pub(crate) fn evaluate(&mut self, expression: &Expression, location: &str) -> Result<Value, Failure> {
        let value = self.run(expression, location, |session, budget| session.evaluate(expression, budget))?;
        self.scope.made(value)
    }

    fn run<T>(
        &mut self,
        expression: &Expression,
        location: &str,
        evaluate: impl FnOnce(&mut Session<'_>, &mut Budget) -> Result<T, jsonata::EvalError>,
    ) -> Result<T, Failure> {
        let (scope, states) = (self.scope, self.states);
        let session = self.session.get_or_insert_with(|| {
            let bindings = Bindings {
                input: states.input,
                context: scope,
                result: states.result,
                error_output: states.error_output,
                variables: scope.variables.all(),
                now_millis: scope.now.millis,
                seed: scope.dice.borrow_mut().roll(),
            };
            Session::cancellable(bindings, scope.cancel.clone())
        });
        let before = self.budget.steps_left();
        let value = evaluate(session, &mut self.budget);
        scope.charge(before - self.budget.steps_left());
        value.map_err(|error| {
            let error = match error {
                jsonata::EvalError::ResultTooLarge => return Failure::data_limit(scope.state),
                // To the workflow there is one way to take too long.
                jsonata::EvalError::Exhausted(_) | jsonata::EvalError::Cancelled => jsonata::EvalError::Timeout,
                other => other,
            };
            let text = expression.text().trim();
            scope.query_error(Some(location), &format!("The JSONata expression '{text}' specified for the field '{location}' {error}"))
        })
    }
}

/// What an intrinsic function call asks for while it is evaluated.
struct CallSurroundings<'a, 's> {
    scope: &'a Scope<'s>,
    document: &'a Payload,
    budget: &'a mut Budget,
}

impl Surroundings for CallSurroundings<'_, '_> {
    fn find(&mut self, path: &Path) -> Result<Value, EvalError> {
        self.scope.find(path, self.document)
    }

    fn roll(&mut self) -> u64 {
        self.scope.dice.borrow_mut().roll()
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.budget.spend(steps)
    }
}

/// A number without a fraction, however it is written.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
    })
}

/// A text as it is, anything else as JSON.
pub(crate) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The types as AWS names them.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
