//! Inputs as text: an expression or a definition, and the documents it meets, apart by NUL.

use arbitrary::Unstructured;
use skald_query::Payload;

use crate::grammar;

/// The first byte of an input that is grown from a grammar.
pub const GROWN: u8 = b'!';

/// Something of everything, for inputs whose own document is none.
const DOCUMENT: &str = r#"{"a":1,"b":[1,2.5,"x",null,true,{"a":{"b":[]},"c":"2024-01-02T03:04:05Z"}],"c":{"a":"text","b":{"a":[[1],[2,[3]]]}},
"d":"a,b;c","e":-0.0,"f":1e300,"g":"eyJhIjoxfQ==","h":"{\"a\":[1]}","i":[],"j":{},"k":[3,1,2,3],"l":"Ünïcødé😀"}"#;

/// What is read of an input.
pub struct Page {
    /// The expression or definition.
    pub text: String,
    /// What it is evaluated over.
    pub document: Payload,
    /// Another document, where the target needs one.
    pub other: Payload,
}

impl Page {
    /// Reads `data`, or grows it with `grow`; none of what is no UTF-8.
    pub fn read(data: &[u8], grow: impl FnOnce(&mut Unstructured<'_>) -> arbitrary::Result<String>) -> Option<Self> {
        if let Some((&GROWN, bytes)) = data.split_first() {
            let mut bytes = Unstructured::new(bytes);
            let text = grow(&mut bytes).ok()?;
            let mut document = || grammar::json::document(&mut bytes).map_or_else(|_| Payload::trusted(DOCUMENT), Payload::trusted);
            return Some(Self { text, document: document(), other: document() });
        }
        let mut parts = std::str::from_utf8(data).ok()?.split('\0');
        let text = parts.next()?.to_owned();
        let mut document = || parts.next().and_then(|text| Payload::parse(text).ok()).unwrap_or_else(|| Payload::trusted(DOCUMENT));
        Some(Self { text, document: document(), other: document() })
    }
}
