//! Whose credentials sign calls to AWS: the environment's, else a profile's.

use std::path::PathBuf;

use skald_aws::sigv4::Credentials;

/// Looks where AWS's tools look first: `AWS_ACCESS_KEY_ID` and its companions, then the profile `AWS_PROFILE`
/// (`default`) in `AWS_SHARED_CREDENTIALS_FILE` (`~/.aws/credentials`). `variable` reads the environment.
pub fn find(variable: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    from_environment(variable).or_else(|| {
        let path = match variable("AWS_SHARED_CREDENTIALS_FILE") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(variable("HOME")?).join(".aws").join("credentials"),
        };
        let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        from_profile(&std::fs::read_to_string(path).ok()?, &profile)
    })
}

fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    Some(Credentials {
        access_key_id: variable("AWS_ACCESS_KEY_ID")?,
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
    })
}

/// Reads one section of a credentials file: `[name]`, then `key = value` lines; `#` and `;` begin comments.
fn from_profile(file: &str, profile: &str) -> Option<Credentials> {
    let mut inside = false;
    let (mut access_key_id, mut secret_access_key, mut session_token) = (None, None, None);
    for line in file.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = section.trim() == profile;
        } else if let (true, Some((key, value))) = (inside && !line.starts_with(['#', ';']), line.split_once('=')) {
            let value = Some(value.trim().to_owned());
            match key.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => access_key_id = value,
                "aws_secret_access_key" => secret_access_key = value,
                "aws_session_token" => session_token = value,
                _ => {}
            }
        }
    }
    Some(Credentials { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

#[cfg(test)]
mod tests;
