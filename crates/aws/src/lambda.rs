//! Every way to name a Lambda function.

use crate::arn;

/// A function as something refers to it: `arn:…:function:name[:qualifier]`, `account:function:name[:qualifier]`,
/// `function:name`, `name[:qualifier]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionReference<'a> {
    pub name: &'a str,
    /// A version, an alias or `$LATEST`.
    pub qualifier: Option<&'a str>,
    /// As written: may be a placeholder such as `region`. Nothing when the reference does not say.
    pub partition: Option<&'a str>,
    pub region: Option<&'a str>,
    pub account: Option<&'a str>,
}

/// `arn:partition:lambda:region:account:function:name:qualifier`
const PARTS_MAX: usize = 8;

/// Why a text names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no Lambda function: write its name, `name:qualifier` or its ARN")]
pub struct FunctionReferenceError {
    pub text: String,
}

impl<'a> FunctionReference<'a> {
    /// # Errors
    /// [`FunctionReferenceError`] for any other form.
    pub fn parse(text: &'a str) -> Result<Self, FunctionReferenceError> {
        let mut parts = [""; PARTS_MAX];
        let mut count = 0;
        for part in arn::split(text, b':') {
            let Some(place) = parts.get_mut(count) else { return Err(FunctionReferenceError { text: text.to_owned() }) };
            (*place, count) = (part, count + 1);
        }
        let read = match parts[..count] {
            ["arn", partition, "lambda", region, account, "function", name] => Self::new(name, None).within(partition, region, account),
            ["arn", partition, "lambda", region, account, "function", name, qualifier] => {
                Self::new(name, Some(qualifier)).within(partition, region, account)
            }
            ["function", name] => Self::new(name, None),
            [account, "function", name] => Self::new(name, None).of(account),
            [account, "function", name, qualifier] => Self::new(name, Some(qualifier)).of(account),
            [name] => Self::new(name, None),
            [name, qualifier] => Self::new(name, Some(qualifier)),
            _ => return Err(FunctionReferenceError { text: text.to_owned() }),
        };
        let names = [Some(read.name), read.qualifier];
        if names.into_iter().flatten().all(is_segment) { Ok(read) } else { Err(FunctionReferenceError { text: text.to_owned() }) }
    }

    /// The full ARN, with what the reference leaves open (or fills with something that is no account or region) taken
    /// from the caller, and without the qualifier where there is none.
    pub fn arn(&self, region: &str, account: &str) -> String {
        let partition = self.partition.filter(|text| text.starts_with("aws")).unwrap_or("aws");
        let region = self.region.filter(|text| is_region(text)).unwrap_or(region);
        let account = self.account.filter(|text| is_account(text)).unwrap_or(account);
        let mut arn = String::with_capacity(128);
        arn.extend(["arn:", partition, ":lambda:", region, ":", account, ":function:", self.name]);
        if let Some(qualifier) = self.qualifier {
            arn.extend([":", qualifier]);
        }
        arn
    }

    fn new(name: &'a str, qualifier: Option<&'a str>) -> Self {
        Self { name, qualifier, partition: None, region: None, account: None }
    }

    fn of(self, account: &'a str) -> Self {
        Self { account: Some(account), ..self }
    }

    fn within(self, partition: &'a str, region: &'a str, account: &'a str) -> Self {
        Self { partition: Some(partition), region: Some(region), ..self.of(account) }
    }
}

/// SOURCE: Lambda API model, `NamespacedFunctionName` and `Qualifier`: `[a-zA-Z0-9-_\.]+`, or `$LATEST`.
fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.starts_with("$LATEST") || (!text.is_empty() && text.bytes().all(allowed))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`: at least three parts, the last one a number. `region` is a placeholder.
fn is_region(text: &str) -> bool {
    let ends_in_number = text.rsplit('-').next().is_some_and(|last| last.parse::<u8>().is_ok());
    ends_in_number && text.split('-').count() >= 3
}

#[cfg(test)]
mod tests;
