//! `Resource` of a Task: the forms of its ARN, checked against what Step Functions knows.

mod catalogue;

use crate::diagnostic::Code;
use crate::parse::MachineType;
use crate::parse::location::Location;
use crate::parse::reader::Reader;
use crate::states::{Pattern, Resource};

/// Reads the ARN at `location`.
pub(crate) fn read(arn: &str, location: &Location<'_>, reader: &mut Reader) -> Option<Resource> {
    let Some((partition, rest)) = arn.strip_prefix("arn:").and_then(|rest| rest.split_once(':')) else {
        reader.schema("Value is not a valid resource ARN", location);
        return None;
    };
    let pieces: Vec<&str> = rest.split(':').collect();
    let resource = match pieces.as_slice() {
        _ if !is_partition(partition) => None,
        ["lambda", region, account, "function", name] if is_name(name) => {
            Some((Resource::Lambda { arn: arn.to_owned() }, Some((*region, *account))))
        }
        ["lambda", region, account, "function", name, qualifier] if is_name(name) && is_qualifier(qualifier) => {
            Some((Resource::Lambda { arn: arn.to_owned() }, Some((*region, *account))))
        }
        ["states", region, account, "activity", name] if !name.is_empty() && !region.is_empty() && !account.is_empty() => {
            Some((Resource::Activity { arn: arn.to_owned() }, Some((*region, *account))))
        }
        // SOURCE: the States Language's own examples; published definitions repeat them. No worker can ask for their work.
        ["swf", region, account, "task", name] if !name.is_empty() => {
            Some((Resource::Activity { arn: arn.to_owned() }, Some((*region, *account))))
        }
        // A region and an account have no meaning here, but published definitions with them run.
        ["states", _, _, "aws-sdk", service, action @ ..] => {
            let service = format!("aws-sdk:{service}");
            return read_service(arn, &service, &action.join(":"), location, reader);
        }
        ["states", _, _, service, action @ ..] if *service != "activity" => {
            return read_service(arn, service, &action.join(":"), location, reader);
        }
        _ => None,
    };
    let Some((resource, place)) = resource else {
        reader.schema("Value is not a valid resource ARN", location);
        return None;
    };
    if let Some((region, account)) = place.filter(|(region, account)| !(is_region(region) && is_account(account))) {
        let message = format!("The region '{region}' or the account '{account}' is a placeholder; the resource is found by its name alone");
        reader.warn(Code::PlaceholderArn, message, location);
    }
    if let (Resource::Activity { .. }, MachineType::Express) = (&resource, reader.machine_type) {
        reader.schema("Express state machine does not support Activity ARN", location);
    }
    Some(resource)
}

/// The members that must be among the arguments of a service's action.
pub(crate) fn required_arguments(service: &str, action: &str) -> &'static [&'static str] {
    catalogue::required_arguments(service, action)
}

fn read_service(arn: &str, service: &str, text: &str, location: &Location<'_>, reader: &mut Reader) -> Option<Resource> {
    let (action, suffix) = match text.find('.') {
        Some(dot) => text.split_at(dot),
        None => (text, ""),
    };
    let pattern = Pattern::of_suffix(suffix);
    let Some(pattern) = pattern.filter(|pattern| catalogue::knows(service, action, *pattern)) else {
        let message = format!(
            "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not \
             available in this region."
        );
        reader.schema(message, location);
        return None;
    };
    match (reader.machine_type, pattern) {
        (MachineType::Express, Pattern::Sync | Pattern::Sync2) => {
            reader.schema("Express state machine does not support '.sync' service integration", location);
        }
        // SOURCE: recorded with the blank at the end.
        (MachineType::Express, Pattern::WaitForTaskToken) => {
            reader.schema("Express state machine does not support '.waitForTaskToken' service integration ", location);
        }
        (MachineType::Express, Pattern::RequestResponse) | (MachineType::Standard, _) => {}
    }
    Some(Resource::Service { service: service.to_owned(), action: action.to_owned(), pattern })
}

impl Pattern {
    /// The pattern that ends a resource ARN in `suffix`.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        let all = [Self::RequestResponse, Self::Sync, Self::Sync2, Self::WaitForTaskToken];
        all.into_iter().find(|pattern| pattern.suffix() == suffix)
    }
}

/// `aws`, `aws-cn`, `aws-us-gov`, …
fn is_partition(text: &str) -> bool {
    text == "aws" || text.strip_prefix("aws-").is_some_and(|rest| !rest.is_empty())
}

/// `eu-central-1`
fn is_region(text: &str) -> bool {
    let pieces: Vec<&str> = text.split('-').collect();
    let is_word = |piece: &&str| !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    match pieces.as_slice() {
        [words @ .., number] => {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            words.len() >= 2 && words.iter().all(is_word) && is_number
        }
        [] => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// A version, an alias, or `$LATEST`.
fn is_qualifier(text: &str) -> bool {
    text == "$LATEST" || is_name(text)
}
