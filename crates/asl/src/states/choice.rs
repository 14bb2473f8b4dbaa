//! Choice: the first rule that holds says where to go.

use serde_json::Number;
use skald_query::Value;
use skald_query::jsonpath::Path;

use crate::data_flow::{DataFlow, Reshapes, read_assign};
use crate::definition::StateId;
use crate::diagnostic::Code;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader};
use crate::template::{Field, Template};
use crate::time::Timestamp;

#[derive(Debug)]
pub struct Choice {
    /// Its output, in JSONata, is that of the default.
    pub flow: DataFlow,
    /// Never empty.
    pub rules: Vec<Rule>,
    pub default: Option<StateId>,
    /// Set when the default is taken.
    pub assign: Vec<Field>,
}

#[derive(Debug)]
pub struct Rule {
    pub test: Test,
    pub next: StateId,
    /// Set when the rule is taken.
    pub assign: Vec<Field>,
    /// JSONata: the state's output when the rule is taken.
    pub output: Option<Template>,
}

#[derive(Debug)]
pub enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Compare {
        variable: Path,
        comparator: Comparator,
    },
    /// JSONata: an expression, or a boolean that stands there.
    Condition(Template),
}

#[derive(Debug)]
pub enum Comparator {
    /// `IsNull: true`, `IsPresent: false`, …
    Is {
        test: TypeTest,
        expected: bool,
    },
    Text {
        order: Order,
        operand: Operand<String>,
    },
    TextMatches(TextPattern),
    Number {
        order: Order,
        operand: Operand<Number>,
    },
    Boolean(Operand<bool>),
    Timestamp {
        order: Order,
        operand: Operand<Timestamp>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeTest {
    Null,
    Present,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Equals,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

/// What a variable is compared with: a literal, or what a `…Path` form leads to.
#[derive(Debug)]
pub enum Operand<T> {
    Literal(T),
    Path(Path),
}

/// `StringMatches`: literal pieces around `*`; `\*` and `\\` are already unescaped. Never empty; one piece has no star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPattern {
    pub pieces: Vec<String>,
}

const FIELDS: &[&str] = &["Type", "Comment", "QueryLanguage", "InputPath", "OutputPath", "Output", "Assign", "Choices", "Default"];

/// Exactly one of these says what a rule tests; in AWS's order.
const TEST_FIELDS: &[&str] = &["And", "Or", "Not", "Variable", "Condition"];

/// How many rules may lie in each other. SOURCE: ours; AWS publishes no number.
const RULE_DEPTH_MAX: usize = 100;

const TOP_RULE_FIELDS: &[&str] = &["Next", "Assign", "Output"];

impl Choice {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, FIELDS);
        let flow = DataFlow::read(state, Reshapes::Nothing, reader);
        let assign = read_assign(state, reader);
        let default = targets.named_by(state, "Default", reader);
        state.require(reader, "Choices")?;
        let items = state.filled_list(reader, "Choices")?;
        let mut rules = Vec::with_capacity(items.len());
        for rule in state.objects(reader, "Choices", items) {
            rules.extend(Rule::read(&rule, targets, reader));
        }
        (rules.len() == items.len()).then_some(Self { flow, rules, default, assign })
    }
}

impl Rule {
    fn read(rule: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        let test = Test::read(rule, TOP_RULE_FIELDS, 0, reader);
        rule.require(reader, "Next");
        let next = targets.named_by(rule, "Next", reader);
        let assign = read_assign(rule, reader);
        let output = match rule.language {
            Language::Jsonata => Template::read(rule, "Output", reader),
            Language::JsonPath => None,
        };
        Some(Self { test: test?, next: next?, assign, output })
    }
}

impl Test {
    /// Reads what a rule tests, itself nested in `depth` others; rules nested in it have no `extra_fields`.
    fn read(rule: &Fields<'_>, extra_fields: &[&str], depth: usize, reader: &mut Reader) -> Option<Self> {
        if depth == RULE_DEPTH_MAX {
            let message = format!("Choice rules nest deeper than {RULE_DEPTH_MAX} levels");
            reader.error(Code::TooDeeplyNested, message, Some(rule.location()));
            return None;
        }
        rule.text(reader, "Comment");
        let comparisons: Vec<(&str, Comparison)> = rule.names().filter_map(|name| Some((name, Comparison::named(name)?))).collect();
        let mut known = [TEST_FIELDS, extra_fields, &["Comment"]].concat();
        known.extend(comparisons.iter().map(|(name, _)| *name));
        rule.check_known_to_state(reader, &known);
        if TEST_FIELDS.iter().filter(|field| rule.has(field)).count() != 1 {
            let message = format!("The object must have only one of the following fields, [{}]", TEST_FIELDS.join(", "));
            reader.schema(message, rule.location());
            return None;
        }
        if let Some(variable) = rule.path_if_present(reader, "Variable") {
            return match comparisons.as_slice() {
                [(name, comparison)] => {
                    let comparator = comparison.read(rule, name, reader)?;
                    Some(Self::Compare { variable: variable?, comparator })
                }
                _ => {
                    let message = "The object must have exactly one comparison operator beside 'Variable'";
                    reader.schema(message, rule.location());
                    None
                }
            };
        }
        for (name, _) in &comparisons {
            reader.schema(format!("Field '{name}' is not supported"), rule.location());
        }
        if rule.has("Condition") {
            return Self::read_condition(rule, reader).map(Self::Condition);
        }
        if rule.has("Not") {
            let inner = rule.object(reader, "Not")?;
            return Self::read(&inner, &[], depth + 1, reader).map(|test| Self::Not(Box::new(test)));
        }
        if rule.has("And") {
            return Self::read_list(rule, "And", depth, reader).map(Self::And);
        }
        if rule.has("Or") {
            return Self::read_list(rule, "Or", depth, reader).map(Self::Or);
        }
        None
    }

    fn read_condition(rule: &Fields<'_>, reader: &mut Reader) -> Option<Template> {
        if rule.language == Language::JsonPath {
            // Already refused, as a field of the other language.
            return None;
        }
        match (rule.expression(reader, "Condition"), rule.get("Condition")?) {
            (Some(expression), _) => expression.map(Template::Expression),
            (None, literal @ Value::Bool(_)) => Some(Template::Literal(literal.clone())),
            (None, _) => {
                rule.wrong_type(reader, "Condition", "Boolean");
                None
            }
        }
    }

    fn read_list(rule: &Fields<'_>, field: &str, depth: usize, reader: &mut Reader) -> Option<Vec<Self>> {
        let items = rule.filled_list(reader, field)?;
        let mut tests = Vec::with_capacity(items.len());
        for inner in rule.objects(reader, field, items) {
            tests.extend(Self::read(&inner, &[], depth + 1, reader));
        }
        (tests.len() == items.len()).then_some(tests)
    }
}

/// One of the 39 comparison operators, by its name.
#[derive(Clone, Copy)]
enum Comparison {
    Is(TypeTest),
    Text { order: Order, side: Side },
    TextMatches,
    Number { order: Order, side: Side },
    Boolean(Side),
    Timestamp { order: Order, side: Side },
}

/// Whether the operand stands in the rule, or a path to it.
#[derive(Clone, Copy)]
enum Side {
    Literal,
    Path,
}

impl Comparison {
    fn named(name: &str) -> Option<Self> {
        let type_test = match name {
            "IsNull" => Some(TypeTest::Null),
            "IsPresent" => Some(TypeTest::Present),
            "IsNumeric" => Some(TypeTest::Numeric),
            "IsString" => Some(TypeTest::String),
            "IsBoolean" => Some(TypeTest::Boolean),
            "IsTimestamp" => Some(TypeTest::Timestamp),
            _ => None,
        };
        if let Some(test) = type_test {
            return Some(Self::Is(test));
        }
        if name == "StringMatches" {
            return Some(Self::TextMatches);
        }
        let (name, side) = match name.strip_suffix("Path") {
            Some(name) => (name, Side::Path),
            None => (name, Side::Literal),
        };
        if name == "BooleanEquals" {
            return Some(Self::Boolean(side));
        }
        if let Some(order) = name.strip_prefix("String") {
            return Some(Self::Text { order: Order::named(order)?, side });
        }
        if let Some(order) = name.strip_prefix("Numeric") {
            return Some(Self::Number { order: Order::named(order)?, side });
        }
        let order = name.strip_prefix("Timestamp")?;
        Some(Self::Timestamp { order: Order::named(order)?, side })
    }

    /// Reads the operand in the field `name`.
    fn read(self, rule: &Fields<'_>, name: &str, reader: &mut Reader) -> Option<Comparator> {
        match self {
            Self::Is(test) => rule.boolean(reader, name).map(|expected| Comparator::Is { test, expected }),
            Self::TextMatches => {
                let pattern = rule.text(reader, name)?;
                reader.warn_of_path(pattern, &rule.at(name));
                Some(Comparator::TextMatches(TextPattern::parse(pattern)))
            }
            Self::Text { order, side } => {
                let literal = |rule: &Fields<'_>, reader: &mut Reader| {
                    let text = rule.text(reader, name)?;
                    reader.warn_of_path(text, &rule.at(name));
                    Some(text.to_owned())
                };
                let operand = side.read(rule, name, reader, literal)?;
                Some(Comparator::Text { order, operand })
            }
            Self::Number { order, side } => {
                let operand = side.read(rule, name, reader, |rule, reader| rule.number(reader, name))?;
                Some(Comparator::Number { order, operand })
            }
            Self::Boolean(side) => side.read(rule, name, reader, |rule, reader| rule.boolean(reader, name)).map(Comparator::Boolean),
            Self::Timestamp { order, side } => {
                let operand = side.read(rule, name, reader, |rule, reader| rule.timestamp(reader, name))?;
                Some(Comparator::Timestamp { order, operand })
            }
        }
    }
}

impl Side {
    fn read<T>(
        self,
        rule: &Fields<'_>,
        name: &str,
        reader: &mut Reader,
        literal: impl FnOnce(&Fields<'_>, &mut Reader) -> Option<T>,
    ) -> Option<Operand<T>> {
        match self {
            Self::Literal => literal(rule, reader).map(Operand::Literal),
            Self::Path => rule.reference(reader, name).map(Operand::Path),
        }
    }
}

impl Order {
    fn named(name: &str) -> Option<Self> {
        match name {
            "Equals" => Some(Self::Equals),
            "LessThan" => Some(Self::Less),
            "GreaterThan" => Some(Self::Greater),
            "LessThanEquals" => Some(Self::LessOrEqual),
            "GreaterThanEquals" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }
}

impl TextPattern {
    /// Splits at each `*` that no backslash escapes. A backslash before anything else stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut pieces = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let literal = match character {
                '*' => None,
                '\\' => characters.next_if(|next| matches!(next, '*' | '\\')).or(Some('\\')),
                other => Some(other),
            };
            match (literal, pieces.last_mut()) {
                (Some(literal), Some(piece)) => piece.push(literal),
                (Some(_), None) | (None, _) => pieces.push(String::new()),
            }
        }
        Self { pieces }
    }
}
