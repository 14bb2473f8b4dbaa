//! How one field is written and read back, by its type.

use std::collections::BTreeMap;
use std::sync::Arc;

use skald_asl::Timestamp;
use skald_query::Payload;

use super::DecodeError;
use super::reader::{Reader, Shared};
use super::writer::Writer;
use crate::event::{Completion, FrameId, StateType};
use crate::note::ReportForm;

pub(crate) trait Field: Sized {
    fn write<'r>(&'r self, writer: &mut Writer<'r>);
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

impl Field for u64 {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.varint(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.varint()
    }
}

impl Field for u32 {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.varint(u64::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        u32::try_from(reader.varint()?).map_err(|_| DecodeError::NumberTooLarge { offset })
    }
}

impl Field for FrameId {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u32::read(reader).map(Self)
    }
}

/// The difference wraps around, so that any instant can be written.
impl Field for Timestamp {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.signed(self.millis.wrapping_sub(writer.event_millis));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let after = reader.signed()?;
        Ok(Self::from_millis(reader.event_millis.wrapping_add(after)))
    }
}

impl Field for String {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.text(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.text().map(str::to_owned)
    }
}

impl Field for Arc<str> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.name(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.shared()? {
            Shared::Ordinal(ordinal) => reader.names.get(ordinal).cloned().ok_or(DecodeError::UnknownReference { offset }),
            Shared::Text(text) => {
                let name = Self::from(text);
                reader.names.push(Arc::clone(&name));
                Ok(name)
            }
        }
    }
}

impl Field for Payload {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.payload(self.text());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.shared()? {
            Shared::Ordinal(ordinal) => reader.payloads.get(ordinal).cloned().ok_or(DecodeError::UnknownReference { offset }),
            Shared::Text(text) => {
                let payload = Self::trusted(text);
                reader.payloads.push(payload.clone());
                Ok(payload)
            }
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        match self {
            None => writer.byte(0),
            Some(value) => {
                writer.byte(1);
                value.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.byte()? {
            0 => Ok(None),
            1 => T::read(reader).map(Some),
            value => Err(DecodeError::UnknownValue { value, offset }),
        }
    }
}

impl<T: Field> Field for Box<T> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        self.as_ref().write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Field> Field for Arc<T> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        self.as_ref().write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Field> Field for Vec<T> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.varint(self.len() as u64);
        for item in self {
            item.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        (0..count).map(|_| T::read(reader)).collect()
    }
}

/// One after the other.
impl<A: Field, B: Field> Field for (A, B) {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        self.0.write(writer);
        self.1.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

/// A list of pairs.
impl<K: Field + Ord, V: Field> Field for BTreeMap<K, V> {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.varint(self.len() as u64);
        for (key, value) in self {
            key.write(writer);
            value.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        (0..count).map(|_| Ok((K::read(reader)?, V::read(reader)?))).collect()
    }
}

impl Field for StateType {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.byte(match self {
            Self::Pass => 1,
            Self::Task => 2,
            Self::Choice => 3,
            Self::Wait => 4,
            Self::Succeed => 5,
            Self::Fail => 6,
            Self::Parallel => 7,
            Self::Map => 8,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.byte()? {
            1 => Ok(Self::Pass),
            2 => Ok(Self::Task),
            3 => Ok(Self::Choice),
            4 => Ok(Self::Wait),
            5 => Ok(Self::Succeed),
            6 => Ok(Self::Fail),
            7 => Ok(Self::Parallel),
            8 => Ok(Self::Map),
            value => Err(DecodeError::UnknownValue { value, offset }),
        }
    }
}

impl Field for Completion {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.byte(match self {
            Self::Response => 1,
            Self::Token => 2,
            Self::Job => 3,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.byte()? {
            1 => Ok(Self::Response),
            2 => Ok(Self::Token),
            3 => Ok(Self::Job),
            value => Err(DecodeError::UnknownValue { value, offset }),
        }
    }
}

impl Field for ReportForm {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        writer.byte(match self {
            Self::Text => 1,
            Self::Json => 2,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.byte()? {
            1 => Ok(Self::Text),
            2 => Ok(Self::Json),
            value => Err(DecodeError::UnknownValue { value, offset }),
        }
    }
}
