//! The functions Step Functions adds to JSONata.
//!
//! SOURCE: Step Functions guide, "Transforming data with JSONata", and answers of the service: what is missing or senseless
//! gives nothing, a wrong type is T0410, a wrong value D3137, and numbers are cut to integers towards zero.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::meter;
use jsonata_core::value::JValue;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::values;

type Answer = Result<JValue, EvaluatorError>;

/// The names without their `$`; `random` replaces JSONata's own.
pub(super) const NAMES: &[&str] = &["partition", "range", "hash", "random", "uuid", "parse"];

/// The longest `$range`. SOURCE: measured on the service: 360,145 elements are accepted and one more is refused.
const RANGE_ITEMS_MAX: i128 = 360_145;

/// Makes the functions known to `evaluator`.
pub(super) fn register(evaluator: &mut Evaluator) {
    evaluator.register("partition", 2, partition);
    evaluator.register("range", 3, range);
    evaluator.register("hash", 2, hash);
    evaluator.register("random", 1, random);
    evaluator.register("uuid", 0, uuid);
    evaluator.register("parse", 1, parse);
}

/// `$partition(array, size)`: the array cut into arrays of `size`, the last one shorter.
fn partition(arguments: &[JValue]) -> Answer {
    let [array, size] = at_most("partition", arguments)?;
    let items = match array {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items,
        _ => return Err(error("T0412: Argument 1 of function \"partition\" must be an array of undefined")),
    };
    if items.is_empty() {
        return Ok(JValue::Undefined);
    }
    let size = match size {
        JValue::Undefined => i64::try_from(items.len()).unwrap_or(i64::MAX),
        size => integer("partition", 2, size)?,
    };
    if size < 0 {
        return Err(error("D3137: Second argument must be zero or greater"));
    }
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        return Ok(JValue::Undefined);
    };
    let mut parts = Vec::new();
    for part in items.chunks(size) {
        meter::items(part.len() + 1)?;
        parts.push(JValue::array(part.to_vec()));
    }
    Ok(JValue::array(parts))
}

/// `$range(start, end, step)`: `end` is included if a step hits it. A sequence, so that one number stays a number.
fn range(arguments: &[JValue]) -> Answer {
    let [start, end, step] = at_most("range", arguments)?;
    let start = i128::from(integer("range", 1, start)?);
    let end = i128::from(integer("range", 2, end)?);
    if step.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let step = i128::from(integer("range", 3, step)?);
    if step == 0 || (end - start).signum() * step.signum() < 0 {
        return Ok(JValue::Undefined);
    }
    let count = (end - start) / step + 1;
    if count > RANGE_ITEMS_MAX {
        return Err(meter::trip(meter::Trip::Bytes));
    }
    meter::items(usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok(JValue::sequence((0..count).map(|index| JValue::Number((start + index * step) as f64)).collect()).unwrap_sequence())
}

/// `$hash(text, algorithm)`: the digest in hexadecimal.
fn hash(arguments: &[JValue]) -> Answer {
    let [text, algorithm] = at_most("hash", arguments)?;
    let JValue::String(text) = text else { return Err(mismatch("hash", 1)) };
    let algorithm = match algorithm {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(algorithm) => algorithm,
        _ => return Err(mismatch("hash", 2)),
    };
    // A digest costs about as much as copying its text eight times.
    meter::scan(text.len().saturating_mul(8))?;
    let digest = match &**algorithm {
        "MD5" => hexadecimal(&Md5::digest(text.as_bytes())),
        "SHA-1" => hexadecimal(&Sha1::digest(text.as_bytes())),
        "SHA-256" => hexadecimal(&Sha256::digest(text.as_bytes())),
        "SHA-384" => hexadecimal(&Sha384::digest(text.as_bytes())),
        "SHA-512" => hexadecimal(&Sha512::digest(text.as_bytes())),
        other => return Err(error(&format!("D3137: Hash algorithm '{other}' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"))),
    };
    Ok(JValue::string(digest))
}

/// `$random(seed)`: in `[0, 1)`; the same for the same seed.
fn random(arguments: &[JValue]) -> Answer {
    let [seed] = at_most("random", arguments)?;
    Ok(JValue::Number(match seed {
        JValue::Undefined => meter::roll_unit(),
        seed => java_random(integer("random", 1, seed)?),
    }))
}

/// `$uuid()`: a random UUID, version 4.
fn uuid(arguments: &[JValue]) -> Answer {
    let [] = at_most("uuid", arguments)?;
    let high = (meter::roll() & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000;
    let low = (meter::roll() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    Ok(JValue::string(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )))
}

/// `$parse(text)`: the value of a JSON text.
fn parse(arguments: &[JValue]) -> Answer {
    let [text] = at_most("parse", arguments)?;
    let text = match text {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(text) => text,
        _ => return Err(mismatch("parse", 1)),
    };
    // A tree takes several times the bytes of its text.
    meter::bytes(text.len().saturating_mul(8))?;
    // Checks how deep it nests, too, before anything recurses.
    let payload = crate::Payload::parse(&**text).map_err(|_| error("D3137: Invalid JSON"))?;
    match payload.value() {
        value if values::fits_doubles(value) => Ok(values::from_json(value)),
        _ => Err(error("D3137: Invalid JSON")),
    }
}

/// The arguments, undefined where they are missing; more than `COUNT` is an error that names the first one too many.
fn at_most<'a, const COUNT: usize>(function: &str, arguments: &'a [JValue]) -> Result<[&'a JValue; COUNT], EvaluatorError> {
    if arguments.len() > COUNT {
        return Err(mismatch(function, COUNT + 1));
    }
    Ok(std::array::from_fn(|index| arguments.get(index).unwrap_or(&JValue::Undefined)))
}

/// A number, cut to an integer towards zero.
fn integer(function: &str, position: usize, argument: &JValue) -> Result<i64, EvaluatorError> {
    match argument {
        JValue::Number(number) => Ok(*number as i64),
        _ => Err(mismatch(function, position)),
    }
}

fn mismatch(function: &str, position: usize) -> EvaluatorError {
    error(&format!("T0410: Argument {position} of function \"{function}\" does not match function signature"))
}

fn error(message: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first `nextDouble()` of `java.util.Random`. SOURCE: its documentation gives the generator; the service answers
/// `$random(42)` with 0.7275636800328681.
fn java_random(seed: i64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (seed as u64 ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = (state.wrapping_mul(MULTIPLIER).wrapping_add(0xB)) & MASK;
        state >> (48 - bits)
    };
    let high = next(26);
    let low = next(27);
    ((high << 27) + low) as f64 / (1u64 << 53) as f64
}
