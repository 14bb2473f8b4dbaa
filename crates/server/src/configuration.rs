//! Logging, tracing, encryption and tags: checked as AWS checks them, stored as the JSON text that AWS would echo.

use serde_json::{Map, Value, json};

use crate::protocol::ApiError;
use crate::validation::{Members, Shown};

/// SOURCE: limits.md §1.
const TAGS_MAX: usize = 50;

/// `loggingConfiguration`: the text to store, none when the member is absent.
pub(crate) fn logging(members: &mut Members) -> Result<Option<Checked>, ApiError> {
    let Some(mut logging) = members.structure("loggingConfiguration")? else { return Ok(None) };
    // SOURCE: the order of the words is our own; no recorded case shows it.
    let level = logging.one_of("level", &["ALL", "ERROR", "FATAL", "OFF"])?.unwrap_or("OFF");
    let include = logging.boolean("includeExecutionData")?.unwrap_or(false);
    let destinations = match logging.structures("destinations")? {
        None => None,
        Some(destinations) => {
            let mut arns = Vec::with_capacity(destinations.len());
            for destination in destinations {
                arns.push(log_group_arn(&mut logging, destination)?);
            }
            Some(arns)
        }
    };
    members.adopt(logging);
    let problem = logging_problem(level, destinations.as_deref().unwrap_or(&[]));
    let mut echo = Map::new();
    if let Some(arns) = destinations {
        let shown = arns.iter().map(|arn| json!({ "cloudWatchLogsLogGroup": { "logGroupArn": arn } }));
        echo.insert("destinations".to_owned(), shown.collect());
    }
    echo.insert("includeExecutionData".to_owned(), include.into());
    echo.insert("level".to_owned(), level.into());
    let problem = problem.map(|text| ApiError::new("InvalidLoggingConfiguration", format!("Invalid Logging Configuration: {text}")));
    Ok(Some(Checked { text: Value::Object(echo).to_string(), problem }))
}

/// `tracingConfiguration`.
pub(crate) fn tracing(members: &mut Members) -> Result<Option<String>, ApiError> {
    let Some(mut tracing) = members.structure("tracingConfiguration")? else { return Ok(None) };
    let enabled = tracing.boolean("enabled")?.unwrap_or(false);
    members.adopt(tracing);
    Ok(Some(json!({ "enabled": enabled }).to_string()))
}

/// `encryptionConfiguration`.
pub(crate) fn encryption(members: &mut Members) -> Result<Option<Checked>, ApiError> {
    let Some(mut encryption) = members.structure("encryptionConfiguration")? else { return Ok(None) };
    let key = encryption.text("kmsKeyId", 1..=2_048, Shown::Plain)?;
    let _period = encryption.integer("kmsDataKeyReusePeriodSeconds", 60..=900)?;
    let is_there = encryption.has("type");
    let kind = encryption.one_of("type", &["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"])?;
    if !is_there {
        encryption.missing("type");
    }
    members.adopt(encryption);
    let problem = match (kind, key) {
        (Some("AWS_OWNED_KEY"), Some(_)) => Some("Custom kmsKeyId is not allowed when selecting AWS_OWNED_KEY."),
        (Some("CUSTOMER_MANAGED_KMS_KEY"), None) => Some("Must set a valid kmsKeyId."),
        // Storing the key without encrypting with it would promise what is not kept.
        (Some("CUSTOMER_MANAGED_KMS_KEY"), Some(_)) => {
            Some("Skald does not support CUSTOMER_MANAGED_KMS_KEY yet: nothing would be encrypted with the key.")
        }
        _ => None,
    };
    let problem =
        problem.map(|text| ApiError::new("InvalidEncryptionConfiguration", format!("Invalid Encryption Configuration: '{text}'")));
    Ok(Some(Checked { text: default_encryption(), problem }))
}

/// `tags`, as `[{"key","value"}]`.
pub(crate) fn tags(members: &mut Members) -> Result<Checked, ApiError> {
    let mut shown: Vec<Value> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let mut problem = None;
    for mut tag in members.structures("tags")?.unwrap_or_default() {
        let key = tag.text("key", 1..=128, Shown::Plain)?.unwrap_or_default();
        let value = tag.text("value", 0..=256, Shown::Plain)?.unwrap_or_default();
        members.adopt(tag);
        if key.is_empty() {
            problem = Some(ApiError::validation("Tag keys must not be empty."));
        } else if key.to_ascii_lowercase().starts_with("aws:") {
            problem = Some(ApiError::validation("Tag keys must not start with 'aws:'."));
        } else if keys.contains(&key) {
            problem = Some(ApiError::validation(format!("Tag keys must be unique. Received twice: '{key}'.")));
        }
        shown.push(json!({ "key": &key, "value": value }));
        keys.push(key);
    }
    if shown.len() > TAGS_MAX {
        problem = Some(ApiError::new("TooManyTags", format!("A resource has at most {TAGS_MAX} tags.")));
    }
    Ok(Checked { text: Value::Array(shown).to_string(), problem })
}

/// A configuration's text, and what AWS would say against it once the framework's checks are through.
#[derive(Debug)]
pub(crate) struct Checked {
    text: String,
    problem: Option<ApiError>,
}

impl Checked {
    pub(crate) fn accept(self) -> Result<String, ApiError> {
        match self.problem {
            None => Ok(self.text),
            Some(problem) => Err(problem),
        }
    }
}

// SOURCE: recorded `DescribeStateMachine`, machines that were created without the member.
pub(crate) fn default_logging() -> String {
    json!({ "includeExecutionData": false, "level": "OFF" }).to_string()
}

pub(crate) fn default_tracing() -> String {
    json!({ "enabled": false }).to_string()
}

pub(crate) fn default_encryption() -> String {
    json!({ "type": "AWS_OWNED_KEY" }).to_string()
}

fn log_group_arn(logging: &mut Members, mut destination: Members) -> Result<String, ApiError> {
    let mut arn = None;
    if let Some(mut group) = destination.structure("cloudWatchLogsLogGroup")? {
        arn = group.text("logGroupArn", 1..=256, Shown::Plain)?;
        destination.adopt(group);
    }
    logging.adopt(destination);
    Ok(arn.unwrap_or_default())
}

/// SOURCE: limits.md §4; recorded `CreateStateMachine` and `UpdateStateMachine` with no and with two destinations.
fn logging_problem(level: &str, arns: &[String]) -> Option<&'static str> {
    if arns.len() > 1 || (level != "OFF" && arns.is_empty()) {
        return Some("Must specify exactly one Log Destination.");
    }
    let arn = arns.first()?;
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts[..] {
        ["arn", _, service, _, _, kind, name] if service != "logs" || kind != "log-group" || name.is_empty() => {
            Some("Provided ARN is not CloudWatch Logs Log Group ARN.")
        }
        ["arn", _, _, _, _, _, name] if !name.ends_with(":*") => Some("Log Group ARN must be provided with '*' qualifier."),
        ["arn", _, _, _, _, _, _] => None,
        ["arn", _, _, _, _, ..] => Some("Provided ARN is not CloudWatch Logs Log Group ARN."),
        _ => Some("Must set valid CloudWatch Log Group ARN."),
    }
}

#[cfg(test)]
mod tests;
