//! Writing a chunk: numbers, texts, and texts that were there before.

/// Slots of the first table of texts; a chunk of a short task has fewer texts than half of them.
const SLOTS_MIN: usize = 64;

/// How many texts of like length and ends are looked at before one is written once more.
const PROBES_MAX: usize = 16;

/// Bytes that a record takes apart from its payload, about.
const RECORD_BYTES_USUAL: usize = 64;

/// A chunk as it grows. What it has written before is borrowed from the records.
pub(crate) struct Writer<'r> {
    bytes: Vec<u8>,
    pub(crate) payloads: Seen<'r>,
    pub(crate) names: Seen<'r>,
    /// Of the latest event.
    pub(crate) event_id: u64,
    pub(crate) event_millis: i64,
}

/// Where the length of the record being written belongs.
pub(crate) struct LengthPlace(usize);

impl<'r> Writer<'r> {
    pub(crate) fn new(record_count: usize) -> Self {
        Self {
            bytes: Vec::with_capacity((record_count + 1) * RECORD_BYTES_USUAL),
            payloads: Seen::default(),
            names: Seen::default(),
            event_id: 0,
            event_millis: 0,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn begin_record(&mut self) -> LengthPlace {
        let place = LengthPlace(self.bytes.len());
        self.bytes.extend([0; 4]);
        place
    }

    pub(crate) fn end_record(&mut self, LengthPlace(place): LengthPlace) {
        let start = place + 4;
        let length = u32::try_from(self.bytes.len() - start).expect("a record is smaller than 4 GiB: its payloads are limited");
        self.bytes[place..start].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Zigzag: 0, −1, 1, −2, … are 0, 1, 2, 3, …
    pub(crate) fn signed(&mut self, number: i64) {
        self.varint(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn payload(&mut self, text: &'r str) {
        let ordinal = self.payloads.find_or_add(text);
        self.text_or_ordinal(text, ordinal);
    }

    pub(crate) fn name(&mut self, text: &'r str) {
        let ordinal = self.names.find_or_add(text);
        self.text_or_ordinal(text, ordinal);
    }

    fn text_or_ordinal(&mut self, text: &str, ordinal: Option<usize>) {
        match ordinal {
            Some(ordinal) => self.varint((ordinal as u64) << 1 | 1),
            None => {
                self.varint((text.len() as u64) << 1);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The texts of a chunk in the order written, found again through an open-addressed table.
#[derive(Default)]
pub(crate) struct Seen<'r> {
    texts: Vec<&'r str>,
    /// Ordinal + 1 of a text; 0 is free. The length is zero or a power of two, more than twice that of `texts`.
    slots: Vec<u32>,
}

impl<'r> Seen<'r> {
    /// The ordinal of a text written before; else it is the next one.
    fn find_or_add(&mut self, text: &'r str) -> Option<usize> {
        if self.slots.len() <= self.texts.len() * 2 {
            self.grow();
        }
        for slot in probes(text, self.slots.len()) {
            match self.slots[slot].checked_sub(1) {
                Some(ordinal) if is_equal(self.texts[ordinal as usize], text) => return Some(ordinal as usize),
                Some(_) => {}
                None => {
                    self.slots[slot] = u32::try_from(self.texts.len() + 1).expect("a chunk has fewer than 2^32 texts");
                    break;
                }
            }
        }
        // Texts of too many like ones are not found again: their repetition costs bytes, never time.
        self.texts.push(text);
        None
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots = vec![0; length];
        for (text, entry) in self.texts.iter().zip(1..) {
            if let Some(free) = probes(text, length).find(|slot| self.slots[*slot] == 0) {
                self.slots[free] = entry;
            }
        }
    }
}

/// Where in a table of `length` slots a text may be. Cheap: its length, and eight bytes at each end and in the middle.
fn probes(text: &str, length: usize) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let word = |start: usize| {
        let mut word = [0; 8];
        let taken = &bytes[start..bytes.len().min(start + 8)];
        word[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(word)
    };
    let ends = word(0) ^ word(bytes.len() / 2).rotate_left(21) ^ word(bytes.len().saturating_sub(8)).rotate_left(42);
    // An odd constant near 2^64 ÷ golden ratio spreads the bits upwards.
    let mixed = (ends ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let first = (mixed >> 32) as usize;
    (first..first + PROBES_MAX).map(move |slot| slot & (length - 1))
}

/// Payloads that share their allocation are equal without looking.
fn is_equal(left: &str, right: &str) -> bool {
    std::ptr::eq(left, right) || left == right
}
