//! What an expression refers to: workflow variables, members of `$states`, and names nothing can answer.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::evaluator;

/// What an expression reads of `$states`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatesMembers {
    /// `$states` is used as a value, so every member may be read.
    pub whole: bool,
    /// The members that are read by name, unknown ones too.
    pub names: BTreeSet<String>,
}

impl StatesMembers {
    /// Whether `member` may be read.
    pub fn may_read(&self, member: &str) -> bool {
        self.whole || self.names.contains(member)
    }
}

/// The references of one expression.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) variables: BTreeSet<String>,
    /// Functions that are built in, unless the workflow has a variable of the name.
    pub(super) functions: BTreeSet<String>,
    pub(super) states_members: StatesMembers,
    /// Names that are looked up where there is no data, each once, in the order they are written; `$` and `$$` too.
    pub(super) top_level: Vec<String>,
    /// `:=` has something other than a variable on its left.
    pub(super) binds_no_variable: bool,
}

/// What a name is looked up in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Where the expression begins: there is no data.
    Nothing,
    /// A value that a path has come to.
    Value,
}

/// A walk over the tree, with the scopes around where it is: innermost last.
#[derive(Default)]
struct Walk {
    found: References,
    scopes: Vec<Scope>,
}

/// Where names are bound: a block or a function.
#[derive(Default)]
struct Scope {
    is_function: bool,
    bound: BTreeSet<String>,
    /// Names a block binds anywhere in it: bound, too, where a function inside it will be called.
    bound_in_time: BTreeSet<String>,
}

impl References {
    pub(super) fn of(tree: &AstNode) -> Self {
        let mut walk = Walk::default();
        walk.scopes.push(Scope::default());
        walk.node(tree, Context::Nothing);
        walk.found
    }
}

impl Walk {
    fn node(&mut self, node: &AstNode, context: Context) {
        match node {
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => {}
            AstNode::Name(name) => self.name(name, context),
            AstNode::Variable(name) => self.variable(name, context),
            // `$$`, in whatever spelling the parser gives it.
            AstNode::ParentVariable(_) => self.top_level("$$"),
            AstNode::Path { steps } => self.path(steps, context),
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => self.binding(lhs, rhs, context),
            AstNode::Binary { op: _, lhs, rhs } => {
                self.node(lhs, context);
                self.node(rhs, context);
            }
            AstNode::Unary { op: _, operand } => self.node(operand, context),
            AstNode::Function { name, args, is_builtin } => {
                if *is_builtin {
                    self.function(name);
                } else {
                    self.name(name, context);
                }
                self.nodes(args, context);
            }
            AstNode::Call { procedure, args } => {
                self.node(procedure, context);
                self.nodes(args, context);
            }
            // A function's body sees the data that was there where the function was written.
            AstNode::Lambda { params, body, signature: _, thunk: _ } => {
                self.scopes.push(Scope { is_function: true, bound: params.iter().cloned().collect(), bound_in_time: BTreeSet::new() });
                self.node(body, context);
                self.scopes.pop();
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.nodes(items, context),
            AstNode::Object(pairs) => self.pairs(pairs, context),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, context);
                self.pairs(pattern, Context::Value);
            }
            AstNode::Block(expressions) => {
                let bound_in_time = expressions.iter().filter_map(binding_name).map(str::to_owned).collect();
                self.scopes.push(Scope { bound_in_time, ..Scope::default() });
                self.nodes(expressions, context);
                self.scopes.pop();
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.node(condition, context);
                self.node(then_branch, context);
                if let Some(branch) = else_branch {
                    self.node(branch, context);
                }
            }
            AstNode::FunctionApplication(inner) => self.node(inner, context),
            AstNode::Sort { input, terms } => {
                self.node(input, context);
                terms.iter().for_each(|(term, _)| self.node(term, Context::Value));
            }
            AstNode::Transform { location, update, delete } => {
                self.node(location, Context::Value);
                self.node(update, Context::Value);
                if let Some(fields) = delete {
                    self.node(fields, Context::Value);
                }
            }
        }
    }

    fn nodes(&mut self, nodes: &[AstNode], context: Context) {
        nodes.iter().for_each(|node| self.node(node, context));
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], context: Context) {
        for (key, value) in pairs {
            self.node(key, context);
            self.node(value, context);
        }
    }

    /// Only the first step is looked up in what is around the path; each later one in what the step before it found.
    fn path(&mut self, steps: &[PathStep], context: Context) {
        let reads_member = self.states_member(steps);
        for (position, step) in steps.iter().enumerate() {
            match position {
                0 if reads_member => {}
                0 => self.node(&step.node, context),
                _ => self.node(&step.node, Context::Value),
            }
            for name in step.focus.iter().chain(&step.index_var) {
                self.bind(name);
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(predicate) => self.node(predicate, Context::Value),
                    Stage::Index(name) => self.bind(name),
                    Stage::KeepArray => {}
                }
            }
        }
    }

    /// Whether the path begins `$states.member`; then only that member is read.
    fn states_member(&mut self, steps: &[PathStep]) -> bool {
        let [first, second, ..] = steps else { return false };
        let (AstNode::Variable(variable), AstNode::Name(member)) = (&first.node, &second.node) else { return false };
        if variable != "states" || !first.stages.is_empty() || self.is_bound("states") {
            return false;
        }
        self.found.states_members.names.insert(member.clone());
        true
    }

    fn binding(&mut self, target: &AstNode, value: &AstNode, context: Context) {
        let AstNode::Variable(name) = target else {
            self.found.binds_no_variable = true;
            return;
        };
        // A function may call itself by the name it is being given.
        if matches!(value, AstNode::Lambda { .. }) {
            self.bind(name);
            self.node(value, context);
        } else {
            self.node(value, context);
            self.bind(name);
        }
    }

    fn name(&mut self, name: &str, context: Context) {
        match context {
            Context::Nothing => self.top_level(name),
            Context::Value => {}
        }
    }

    fn variable(&mut self, name: &str, context: Context) {
        match name {
            "" => self.name("$", context),
            "$" => self.top_level("$$"),
            name => self.function(name),
        }
    }

    /// `$name`, called or not.
    fn function(&mut self, name: &str) {
        if self.is_bound(name) {
            return;
        }
        if name == "states" {
            self.found.states_members.whole = true;
        } else if name == "eval" || evaluator::is_builtin_name(name) || super::functions::NAMES.contains(&name) {
            self.found.functions.insert(name.to_owned());
        } else {
            self.found.variables.insert(name.to_owned());
        }
    }

    fn top_level(&mut self, name: &str) {
        if !self.found.top_level.iter().any(|known| known == name) {
            self.found.top_level.push(name.to_owned());
        }
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.bound.insert(name.to_owned());
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        let mut in_function = false;
        self.scopes.iter().rev().any(|scope| {
            let is_bound = scope.bound.contains(name) || (in_function && scope.bound_in_time.contains(name));
            in_function |= scope.is_function;
            is_bound
        })
    }
}

/// The name that an expression of a block binds, if it is a binding.
fn binding_name(expression: &AstNode) -> Option<&str> {
    match expression {
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs: _ } => match &**lhs {
            AstNode::Variable(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
