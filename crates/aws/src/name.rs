//! What may be called how: state machines, activities, executions, aliases.

/// Characters of a name of a state machine, an activity or an execution. SOURCE: API model, `Name`.
pub const NAME_LENGTH_MAX: usize = 80;

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name has 1 to 80 characters")]
    Length,
    #[error("a name has no {0:?}")]
    Character(char),
}

/// Checks the name of a state machine, an activity or an execution.
///
/// # Errors
/// [`NameError`], also for what a name may not contain: whitespace, control characters, brackets, wildcards and
/// ``" # % \ ^ | ~ ` $ & , ; : /``. Other scripts are allowed.
/// # Source
/// Step Functions API reference, `CreateStateMachine`, `name`.
pub fn check(name: &str) -> Result<(), NameError> {
    // AWS counts UTF-16 units, as Java does; beyond the basic plane that is two a character.
    let length = name.chars().map(char::len_utf16).sum::<usize>();
    if length == 0 || length > NAME_LENGTH_MAX {
        return Err(NameError::Length);
    }
    match name.chars().find(|&character| is_forbidden(character)) {
        Some(character) => Err(NameError::Character(character)),
        None => Ok(()),
    }
}

/// Whether `text` can be an alias: letters, digits, `-`, `_` and `.`, not digits alone (those are versions), at most 80.
pub fn is_alias(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) && text.bytes().any(|byte| !byte.is_ascii_digit())
}

fn is_forbidden(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '<' | '>' | '{' | '}' | '[' | ']' | '?' | '*')
        || matches!(character, '"' | '#' | '%' | '\\' | '^' | '|' | '~' | '`' | '$' | '&' | ',' | ';' | ':' | '/')
        || matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests;
