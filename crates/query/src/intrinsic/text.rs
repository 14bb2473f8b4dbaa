//! Strings: templates, pieces, encodings, digests, identifiers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest, Md5};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::evaluate::{Values, failed, too_large};
use super::{Argument, CallError, RESULT_BYTES_MAX, Surroundings, java};
use crate::payload;

/// SOURCE: Step Functions guide, `States.Base64Encode`, `States.Base64Decode`, `States.Hash`.
const ENCODED_CHARACTERS_MAX: usize = 10_000;

/// Standard alphabet; like Java's decoder it takes padding or its absence, and does not look at bits left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Puts the other arguments in the place of each `{}`.
///
/// SOURCE: recorded on AWS: values are printed as Java prints them.
pub(super) fn format(template: Option<&Argument>, values: &Values) -> Result<Value, CallError> {
    let text = values.text(0)?;
    // Escapes are a matter of literals: a template that a path found has no escaped braces.
    let between: Vec<&str> = match template {
        Some(Argument::Text(literal)) => literal.between_placeholders.iter().map(|piece| &**piece).collect(),
        Some(Argument::Constant(_) | Argument::Path(_) | Argument::Call(_)) | None => text.split("{}").collect(),
    };
    let inserted = &values.values[1..];
    if between.len() != inserted.len() + 1 {
        return Err(failed(format!(
            "The template has {} occurrences of {{}} but there are {} arguments for them",
            between.len() - 1,
            inserted.len()
        )));
    }
    let mut formatted = String::new();
    for (index, piece) in between.into_iter().enumerate() {
        formatted.push_str(piece);
        if let Some(value) = inserted.get(index) {
            java::print(value, &mut formatted);
        }
        if formatted.len() > RESULT_BYTES_MAX {
            return Err(too_large());
        }
    }
    Ok(formatted.into())
}

/// The pieces between the delimiters: each character of the second argument is one.
///
/// SOURCE: Step Functions guide (`.+,=` splits at four characters); recorded on AWS: empty pieces are dropped.
pub(super) fn split(values: &Values, surroundings: &mut dyn Surroundings) -> Result<Value, CallError> {
    let (text, delimiters) = (values.text(0)?, values.text(1)?);
    let delimiters: std::collections::BTreeSet<char> = delimiters.chars().collect();
    let pieces = || text.split(|character| delimiters.contains(&character)).filter(|piece| !piece.is_empty());
    let (count, bytes) = pieces().fold((0, 0), |(count, bytes), piece| (count + 1, bytes + piece.len() + 3));
    surroundings.spend(count)?;
    if bytes > RESULT_BYTES_MAX {
        return Err(too_large());
    }
    Ok(pieces().collect())
}

pub(super) fn base64_encode(values: &Values) -> Result<Value, CallError> {
    let text = values.text(0)?;
    check_length(text)?;
    Ok(BASE64.encode(text).into())
}

pub(super) fn base64_decode(values: &Values) -> Result<Value, CallError> {
    let text = values.text(0)?;
    check_length(text)?;
    // Java's decoder takes no padding or the right one.
    let is_padded_wrongly = text.contains('=') && text.len() % 4 != 0;
    match BASE64.decode(text) {
        Ok(bytes) if !is_padded_wrongly => Ok(String::from_utf8_lossy(&bytes).into()),
        Ok(_) | Err(_) => Err(failed("The text is no valid Base64")),
    }
}

/// Of a text its bytes are hashed, of anything else its JSON. The latter is a guess: the guide says only that data need
/// not be a string.
pub(super) fn hash(values: &Values) -> Result<Value, CallError> {
    let data = match &values.values[0] {
        Value::String(text) => text.clone(),
        other => payload::print(other),
    };
    check_length(&data)?;
    let data = data.as_bytes();
    let digest: Vec<u8> = match values.text(1)? {
        "MD5" => Md5::digest(data).to_vec(),
        "SHA-1" => Sha1::digest(data).to_vec(),
        "SHA-256" => Sha256::digest(data).to_vec(),
        "SHA-384" => Sha384::digest(data).to_vec(),
        "SHA-512" => Sha512::digest(data).to_vec(),
        other => return Err(failed(format!("The algorithm must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512 but was {other}"))),
    };
    let mut hexadecimal = String::with_capacity(2 * digest.len());
    for byte in digest {
        write!(hexadecimal, "{byte:02x}").expect("a string takes everything");
    }
    Ok(hexadecimal.into())
}

/// Version 4, from 122 random bits.
pub(super) fn uuid(surroundings: &mut dyn Surroundings) -> Value {
    let (high, low) = (surroundings.roll(), surroundings.roll());
    let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | 0b10 << 62);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
        .into()
}

fn check_length(text: &str) -> Result<(), CallError> {
    // UTF-16 units, Java's characters.
    let characters = text.encode_utf16().count();
    if characters <= ENCODED_CHARACTERS_MAX {
        return Ok(());
    }
    Err(failed(format!("The text has {characters} characters, more than {ENCODED_CHARACTERS_MAX}")))
}
