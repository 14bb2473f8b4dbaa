//! Amazon Resource Names, and which Step Functions resource one names.
//!
//! [`Arn`] holds the parts of any ARN; [`Arn::states_resource`] says which kind of Step Functions resource it is. The
//! builders ([`Arn::state_machine`], [`Arn::execution`], …) are the other direction.

use std::fmt;
use std::str::FromStr;

/// `arn:partition:service:region:account:resource`. Region and account may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    /// Everything behind the account, colons included.
    pub resource: String,
}

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatesResource {
    /// `stateMachine:name`
    StateMachine { name: String },
    /// `stateMachine:name:7`
    Version { machine: String, number: u64 },
    /// `stateMachine:name:alias`
    Alias { machine: String, alias: String },
    /// `stateMachine:name/label`: the machine inside a Distributed Map.
    LabeledMachine { machine: String, label: String },
    /// `execution:machine[/label]:name`
    Execution { machine: String, label: Option<String>, name: String },
    /// `express:machine[/label]:name:id`
    Express { machine: String, label: Option<String>, name: String, id: String },
    /// `mapRun:machine/label:id`
    MapRun { machine: String, label: String, id: String },
    /// `activity:name`
    Activity { name: String },
}

impl Arn {
    /// # Errors
    /// [`ArnError::Prefix`] unless the text has all six parts and begins with `arn:`.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().ok_or_else(|| ArnError::Prefix { text: text.to_owned() });
        let (prefix, partition, service) = (part()?, part()?, part()?);
        let (region, account, resource) = (part()?, part()?, part()?);
        if prefix != "arn" || partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(ArnError::Prefix { text: text.to_owned() });
        }
        Ok(Self {
            partition: partition.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.to_owned(),
        })
    }

    pub fn state_machine(partition: &str, region: &str, account: &str, name: &str) -> Self {
        Self::states(partition, region, account, format!("stateMachine:{name}"))
    }

    pub fn version(partition: &str, region: &str, account: &str, machine: &str, number: u64) -> Self {
        Self::states(partition, region, account, format!("stateMachine:{machine}:{number}"))
    }

    pub fn alias(partition: &str, region: &str, account: &str, machine: &str, alias: &str) -> Self {
        Self::states(partition, region, account, format!("stateMachine:{machine}:{alias}"))
    }

    pub fn execution(partition: &str, region: &str, account: &str, machine: &str, name: &str) -> Self {
        Self::states(partition, region, account, format!("execution:{machine}:{name}"))
    }

    pub fn express(partition: &str, region: &str, account: &str, machine: &str, name: &str, id: &str) -> Self {
        Self::states(partition, region, account, format!("express:{machine}:{name}:{id}"))
    }

    pub fn map_run(partition: &str, region: &str, account: &str, machine: &str, label: &str, id: &str) -> Self {
        Self::states(partition, region, account, format!("mapRun:{machine}/{label}:{id}"))
    }

    pub fn activity(partition: &str, region: &str, account: &str, name: &str) -> Self {
        Self::states(partition, region, account, format!("activity:{name}"))
    }

    /// The name behind the resource's type: `orders` of `stateMachine:orders:7`. Empty when there is none.
    pub fn resource_name(&self) -> &str {
        self.resource.split(':').nth(1).unwrap_or("")
    }

    /// Which Step Functions resource this is.
    ///
    /// # Errors
    /// [`ArnError::Prefix`] for another service's ARN, [`ArnError::ResourceType`] when the tail has no known form.
    pub fn states_resource(&self) -> Result<StatesResource, ArnError> {
        if self.service != "states" {
            return Err(ArnError::Prefix { text: self.to_string() });
        }
        StatesResource::parse(&self.resource)
    }

    fn states(partition: &str, region: &str, account: &str, resource: String) -> Self {
        Self {
            partition: partition.to_owned(),
            service: "states".to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource,
        }
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        Self::parse(text)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl StatesResource {
    /// Reads an ARN's tail.
    ///
    /// # Errors
    /// [`ArnError::ResourceType`] for any other form.
    pub fn parse(resource: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = resource.split(':').collect();
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
                Ok(Self::Execution { machine, label, name: (*name).to_owned() })
            }
            ("express", [machine, name, id]) => {
                let (machine, label) = split_label(machine).ok_or_else(unfit)?;
                Ok(Self::Express { machine, label, name: (*name).to_owned(), id: (*id).to_owned() })
            }
            ("mapRun", [machine, id]) => match split_label(machine).ok_or_else(unfit)? {
                (machine, Some(label)) => Ok(Self::MapRun { machine, label, id: (*id).to_owned() }),
                (_, None) => Err(unfit()),
            },
            ("activity", [name]) => Ok(Self::Activity { name: (*name).to_owned() }),
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

impl fmt::Display for StatesResource {
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

/// A qualifier of digits is a version: an alias has at least one character that is none.
fn qualified(machine: &str, qualifier: &str) -> Option<StatesResource> {
    if machine.contains('/') {
        return None;
    }
    let machine = machine.to_owned();
    if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(StatesResource::Version { machine, number: qualifier.parse().ok()? });
    }
    crate::name::is_alias(qualifier).then(|| StatesResource::Alias { machine, alias: qualifier.to_owned() })
}

/// `machine/label`, or `machine` alone. Nothing when one of the two is empty or there are more.
fn split_label(text: &str) -> Option<(String, Option<String>)> {
    match text.split_once('/') {
        None => Some((text.to_owned(), None)),
        Some((machine, label)) if machine.is_empty() || label.is_empty() || label.contains('/') => None,
        Some((machine, label)) => Some((machine.to_owned(), Some(label.to_owned()))),
    }
}

#[cfg(test)]
mod tests;
