//! Catalog records as they are stored: JSON with a version.

use serde_json::{Value, json};
use skald_asl::Timestamp;

use super::{Activity, Configuration, MachineStatus, MachineType};
use crate::scope::Scope;

const VERSION: u64 = 1;

/// A machine under its name: which revision is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineRecord {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) incarnation: u64,
    pub(crate) machine_type: MachineType,
    pub(crate) status: MachineStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) current_revision: u64,
    pub(crate) tags: String,
}

/// A definition, role and configuration that executions start with and keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevisionRecord {
    pub(crate) number: u64,
    /// A UUID; none for a machine's first revision.
    pub(crate) id: Option<String>,
    pub(crate) definition: String,
    pub(crate) role_arn: String,
    pub(crate) updated_at: Timestamp,
    pub(crate) configuration: Configuration,
}

impl MachineRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        json!({
            "version": VERSION,
            "partition": self.scope.partition,
            "account": self.scope.account,
            "region": self.scope.region,
            "name": self.name,
            "incarnation": self.incarnation,
            "express": self.machine_type == MachineType::Express,
            "deleting": self.status == MachineStatus::Deleting,
            "created": self.created_at.millis,
            "revision": self.current_revision,
            "tags": self.tags,
        })
        .to_string()
        .into_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let value = versioned(bytes)?;
        Some(Self {
            scope: Scope { partition: text(&value, "partition")?, account: text(&value, "account")?, region: text(&value, "region")? },
            name: text(&value, "name")?,
            incarnation: value.get("incarnation")?.as_u64()?,
            machine_type: if value.get("express")?.as_bool()? { MachineType::Express } else { MachineType::Standard },
            status: if value.get("deleting")?.as_bool()? { MachineStatus::Deleting } else { MachineStatus::Active },
            created_at: time(&value, "created")?,
            current_revision: value.get("revision")?.as_u64()?,
            tags: text(&value, "tags")?,
        })
    }
}

impl RevisionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        json!({
            "version": VERSION,
            "number": self.number,
            "id": self.id,
            "definition": self.definition,
            "role": self.role_arn,
            "updated": self.updated_at.millis,
            "logging": self.configuration.logging,
            "tracing": self.configuration.tracing,
            "encryption": self.configuration.encryption,
        })
        .to_string()
        .into_bytes()
    }

    /// `tags` are the machine's, not the revision's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let value = versioned(bytes)?;
        Some(Self {
            number: value.get("number")?.as_u64()?,
            id: value.get("id")?.as_str().map(str::to_owned),
            definition: text(&value, "definition")?,
            role_arn: text(&value, "role")?,
            updated_at: time(&value, "updated")?,
            configuration: Configuration {
                logging: text(&value, "logging")?,
                tracing: text(&value, "tracing")?,
                encryption: text(&value, "encryption")?,
                tags: String::new(),
            },
        })
    }
}

pub(crate) fn encode_activity(scope: &Scope, activity: &Activity, tags: &str) -> Vec<u8> {
    json!({
        "version": VERSION,
        "partition": scope.partition,
        "account": scope.account,
        "region": scope.region,
        "name": activity.name,
        "created": activity.created_at.millis,
        "encryption": activity.encryption,
        "tags": tags,
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn decode_activity(bytes: &[u8]) -> Option<(Scope, Activity)> {
    let value = versioned(bytes)?;
    let scope = Scope { partition: text(&value, "partition")?, account: text(&value, "account")?, region: text(&value, "region")? };
    let name = text(&value, "name")?;
    let activity = Activity {
        arn: skald_aws::arn::Arn::activity(&scope.partition, &scope.region, &scope.account, &name),
        name,
        created_at: time(&value, "created")?,
        encryption: text(&value, "encryption")?,
    };
    Some((scope, activity))
}

fn versioned(bytes: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    (value.get("version")?.as_u64()? == VERSION).then_some(value)
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_owned)
}

fn time(value: &Value, member: &str) -> Option<Timestamp> {
    value.get(member)?.as_i64().map(Timestamp::from_millis)
}
