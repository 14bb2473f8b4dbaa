//! Amazon Resource Names, and which Step Functions resource one names.
//!
//! [`Arn`] shows the parts of any ARN's text; [`Arn::states_resource`] says which kind of Step Functions resource it is. The
//! builders ([`Arn::state_machine`], [`Arn::execution`], …) are the other direction.

use std::fmt;

/// `arn:partition:service:region:account:resource`. Region and account may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// Everything behind the account, colons included.
    pub resource: &'a str,
}

/// More than any form of a resource has.
const PARTS_MAX: usize = 5;

/// Why a text names nothing here. The text is what AWS puts behind `Invalid Arn: `, in quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// SOURCE: recorded `CreateStateMachineAlias`, `DescribeActivity`, `StopExecution` with a text that is no ARN.
    #[error("Invalid ARN prefix: {text}")]
    Prefix { text: String },
    /// The resource type is none of Step Functions', or its parts do not fit the type.
    #[error("Resource type not valid in this context: {kind}")]
    ResourceType { kind: String },
}

/// A Step Functions resource, as the tail of its ARN names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatesResource<'a> {
    /// `stateMachine:name`
    StateMachine { name: &'a str },
    /// `stateMachine:name:7`
    Version { machine: &'a str, number: u64 },
    /// `stateMachine:name:alias`
    Alias { machine: &'a str, alias: &'a str },
    /// `stateMachine:name/label`: the machine inside a Distributed Map.
    LabeledMachine { machine: &'a str, label: &'a str },
    /// `execution:machine[/label]:name`
    Execution { machine: &'a str, label: Option<&'a str>, name: &'a str },
    /// `express:machine[/label]:name:id`
    Express { machine: &'a str, label: Option<&'a str>, name: &'a str, id: &'a str },
    /// `mapRun:machine/label:id`
    MapRun { machine: &'a str, label: &'a str, id: &'a str },
    /// `activity:name`
    Activity { name: &'a str },
}

impl<'a> Arn<'a> {
    /// # Errors
    /// [`ArnError::Prefix`] unless the text has all six parts and begins with `arn:`.
    pub fn parse(text: &'a str) -> Result<Self, ArnError> {
        let mut rest = text;
        let mut part = || match split_at_first(rest, b':') {
            (part, Some(behind)) => {
                rest = behind;
                Ok(part)
            }
            (_, None) => Err(ArnError::Prefix { text: text.to_owned() }),
        };
        let (prefix, partition, service) = (part()?, part()?, part()?);
        let (region, account) = (part()?, part()?);
        let resource = rest;
        if prefix != "arn" || partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(ArnError::Prefix { text: text.to_owned() });
        }
        Ok(Self { partition, service, region, account, resource })
    }

    pub fn state_machine(partition: &str, region: &str, account: &str, name: &str) -> String {
        states(partition, region, account, &["stateMachine:", name])
    }

    pub fn version(partition: &str, region: &str, account: &str, machine: &str, number: u64) -> String {
        states(partition, region, account, &["stateMachine:", machine, ":", &number.to_string()])
    }

    pub fn alias(partition: &str, region: &str, account: &str, machine: &str, alias: &str) -> String {
        states(partition, region, account, &["stateMachine:", machine, ":", alias])
    }

    pub fn execution(partition: &str, region: &str, account: &str, machine: &str, name: &str) -> String {
        states(partition, region, account, &["execution:", machine, ":", name])
    }

    pub fn express(partition: &str, region: &str, account: &str, machine: &str, name: &str, id: &str) -> String {
        states(partition, region, account, &["express:", machine, ":", name, ":", id])
    }

    pub fn map_run(partition: &str, region: &str, account: &str, machine: &str, label: &str, id: &str) -> String {
        states(partition, region, account, &["mapRun:", machine, "/", label, ":", id])
    }

    pub fn activity(partition: &str, region: &str, account: &str, name: &str) -> String {
        states(partition, region, account, &["activity:", name])
    }

    /// The name behind the resource's type: `orders` of `stateMachine:orders:7`. Empty when there is none.
    pub fn resource_name(&self) -> &'a str {
        self.resource.split(':').nth(1).unwrap_or("")
    }

    /// Which Step Functions resource this is.
    ///
    /// # Errors
    /// [`ArnError::Prefix`] for another service's ARN, [`ArnError::ResourceType`] when the tail has no known form.
    pub fn states_resource(&self) -> Result<StatesResource<'a>, ArnError> {
        if self.service != "states" {
            return Err(ArnError::Prefix { text: self.to_string() });
        }
        StatesResource::parse(self.resource)
    }
}

fn states(partition: &str, region: &str, account: &str, resource: &[&str]) -> String {
    let mut arn = String::with_capacity(160);
    arn.extend(["arn:", partition, ":states:", region, ":", account, ":"]);
    arn.extend(resource.iter().copied());
    arn
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl<'a> StatesResource<'a> {
    /// Reads an ARN's tail.
    ///
    /// # Errors
    /// [`ArnError::ResourceType`] for any other form.
    pub fn parse(resource: &'a str) -> Result<Self, ArnError> {
        let mut parts = [""; PARTS_MAX];
        let mut count = 0;
        for part in split(resource, b':') {
            // One with more has a known form as little as one with so many.
            parts[count.min(PARTS_MAX - 1)] = part;
            count += 1;
        }
        let parts = &parts[..count.min(PARTS_MAX)];
        let kind = parts[0];
        let unfit = || ArnError::ResourceType { kind: kind.to_owned() };
        if parts[1..].iter().any(|part| part.is_empty()) {
            return Err(unfit());
        }
        match (kind, &parts[1..]) {
            ("stateMachine", [machine]) => match split_label(machine).ok_or_else(unfit)? {
                (name, None) => Ok(Self::StateMachine { name }),
                (machine, Some(label)) => Ok(Self::LabeledMachine { machine, label }),
            },
            ("stateMachine", [machine, qualifier]) => qualified(machine, qualifier).ok_or_else(unfit),
            ("execution", [machine, name]) => {
                let (machine, label) = split_label(machine).ok_or_else(unfit)?;
                Ok(Self::Execution { machine, label, name })
            }
            ("express", [machine, name, id]) => {
                let (machine, label) = split_label(machine).ok_or_else(unfit)?;
                Ok(Self::Express { machine, label, name, id })
            }
            ("mapRun", [machine, id]) => match split_label(machine).ok_or_else(unfit)? {
                (machine, Some(label)) => Ok(Self::MapRun { machine, label, id }),
                (_, None) => Err(unfit()),
            },
            ("activity", [name]) => Ok(Self::Activity { name }),
            _ => Err(unfit()),
        }
    }

    /// The type as an ARN spells it: `stateMachine`, `execution`, `express`, `mapRun`, `activity`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StateMachine { .. } | Self::Version { .. } | Self::Alias { .. } | Self::LabeledMachine { .. } => "stateMachine",
            Self::Execution { .. } => "execution",
            Self::Express { .. } => "express",
            Self::MapRun { .. } => "mapRun",
            Self::Activity { .. } => "activity",
        }
    }
}

impl fmt::Display for StatesResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::StateMachine { name } | Self::Activity { name } => write!(f, ":{name}"),
            Self::Version { machine, number } => write!(f, ":{machine}:{number}"),
            Self::Alias { machine, alias } => write!(f, ":{machine}:{alias}"),
            Self::LabeledMachine { machine, label } => write!(f, ":{machine}/{label}"),
            Self::Execution { machine, label: None, name } => write!(f, ":{machine}:{name}"),
            Self::Execution { machine, label: Some(label), name } => write!(f, ":{machine}/{label}:{name}"),
            Self::Express { machine, label: None, name, id } => write!(f, ":{machine}:{name}:{id}"),
            Self::Express { machine, label: Some(label), name, id } => write!(f, ":{machine}/{label}:{name}:{id}"),
            Self::MapRun { machine, label, id } => write!(f, ":{machine}/{label}:{id}"),
        }
    }
}

/// As [`str::split`] at an ASCII character, which takes several times as long for parts this short.
pub(crate) fn split(text: &str, delimiter: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (part, behind) = split_at_first(rest?, delimiter);
        rest = behind;
        Some(part)
    })
}

/// What comes before the first `delimiter`, and behind it.
fn split_at_first(text: &str, delimiter: u8) -> (&str, Option<&str>) {
    debug_assert!(delimiter.is_ascii(), "a byte of a longer character ends no part");
    match text.bytes().position(|byte| byte == delimiter) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    }
}

/// A qualifier of digits is a version: an alias has at least one character that is none.
fn qualified<'a>(machine: &'a str, qualifier: &'a str) -> Option<StatesResource<'a>> {
    if machine.contains('/') {
        return None;
    }
    if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(StatesResource::Version { machine, number: qualifier.parse().ok()? });
    }
    crate::name::is_alias(qualifier).then_some(StatesResource::Alias { machine, alias: qualifier })
}

/// `machine/label`, or `machine` alone. Nothing when one of the two is empty or there are more.
fn split_label(text: &str) -> Option<(&str, Option<&str>)> {
    match text.split_once('/') {
        None => Some((text, None)),
        Some((machine, label)) if machine.is_empty() || label.is_empty() || label.contains('/') => None,
        Some((machine, label)) => Some((machine, Some(label))),
    }
}

#[cfg(test)]
mod tests;
