//! The eighteen functions, by name.

use std::ops::RangeInclusive;

/// An intrinsic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

const FUNCTIONS: [Function; 18] = [
    Function::Array,
    Function::ArrayContains,
    Function::ArrayGetItem,
    Function::ArrayLength,
    Function::ArrayPartition,
    Function::ArrayRange,
    Function::ArrayUnique,
    Function::Base64Decode,
    Function::Base64Encode,
    Function::Format,
    Function::Hash,
    Function::JsonMerge,
    Function::JsonToString,
    Function::MathAdd,
    Function::MathRandom,
    Function::StringSplit,
    Function::StringToJson,
    Function::Uuid,
];

impl Function {
    /// The function of this name, `States.Format` and so on.
    pub fn named(name: &str) -> Option<Self> {
        FUNCTIONS.into_iter().find(|function| function.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Array => "States.Array",
            Self::ArrayContains => "States.ArrayContains",
            Self::ArrayGetItem => "States.ArrayGetItem",
            Self::ArrayLength => "States.ArrayLength",
            Self::ArrayPartition => "States.ArrayPartition",
            Self::ArrayRange => "States.ArrayRange",
            Self::ArrayUnique => "States.ArrayUnique",
            Self::Base64Decode => "States.Base64Decode",
            Self::Base64Encode => "States.Base64Encode",
            Self::Format => "States.Format",
            Self::Hash => "States.Hash",
            Self::JsonMerge => "States.JsonMerge",
            Self::JsonToString => "States.JsonToString",
            Self::MathAdd => "States.MathAdd",
            Self::MathRandom => "States.MathRandom",
            Self::StringSplit => "States.StringSplit",
            Self::StringToJson => "States.StringToJson",
            Self::Uuid => "States.UUID",
        }
    }

    /// Whether the result can be a string, so that the function may stand in `ErrorPath` and `CausePath`.
    /// SOURCE: Step Functions guide, "Fail workflow state": seven functions.
    pub fn may_return_text(self) -> bool {
        match self {
            Self::ArrayGetItem | Self::Base64Decode | Self::Base64Encode | Self::Format | Self::Hash | Self::JsonToString | Self::Uuid => {
                true
            }
            Self::Array
            | Self::ArrayContains
            | Self::ArrayLength
            | Self::ArrayPartition
            | Self::ArrayRange
            | Self::ArrayUnique
            | Self::JsonMerge
            | Self::MathAdd
            | Self::MathRandom
            | Self::StringSplit
            | Self::StringToJson => false,
        }
    }

    /// How many arguments it takes.
    pub(super) fn arity(self) -> RangeInclusive<usize> {
        match self {
            Self::Array => 0..=usize::MAX,
            Self::Format => 1..=usize::MAX,
            Self::Uuid => 0..=0,
            Self::ArrayLength | Self::ArrayUnique | Self::Base64Decode | Self::Base64Encode | Self::JsonToString | Self::StringToJson => {
                1..=1
            }
            Self::ArrayContains | Self::ArrayGetItem | Self::ArrayPartition | Self::Hash | Self::MathAdd | Self::StringSplit => 2..=2,
            Self::MathRandom => 2..=3,
            Self::ArrayRange | Self::JsonMerge => 3..=3,
        }
    }
}
