//! Where a value lies in a definition: a path that costs nothing until it is printed.

use std::fmt;
use std::rc::Rc;

/// A place in the definition; displays as AWS spells it: `/States/A/Choices[0]/Next`.
#[derive(Clone, Default)]
pub(crate) struct Location<'d> {
    /// The root has none.
    last: Option<Rc<Node<'d>>>,
}

struct Node<'d> {
    parent: Location<'d>,
    step: Step<'d>,
}

#[derive(Clone, Copy)]
enum Step<'d> {
    Field(&'d str),
    Item(usize),
}

impl<'d> Location<'d> {
    /// The place of a field of the object that lies here.
    pub(crate) fn field(&self, name: &'d str) -> Self {
        self.step(Step::Field(name))
    }

    /// The place of an item of the list that lies here.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.step(Step::Item(index))
    }

    fn step(&self, step: Step<'d>) -> Self {
        Self { last: Some(Rc::new(Node { parent: self.clone(), step })) }
    }

    fn steps(&self) -> Vec<Step<'d>> {
        let mut steps = Vec::new();
        let mut place = self;
        while let Some(node) = &place.last {
            steps.push(node.step);
            place = &node.parent;
        }
        steps.reverse();
        steps
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.last.is_none() {
            return f.write_str("/");
        }
        for step in self.steps() {
            match step {
                Step::Field(name) => write!(f, "/{name}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
