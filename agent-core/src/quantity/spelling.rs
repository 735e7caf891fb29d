//! A quantity's text as it was written.

/// The text of a quantity that is printed as it was written; empty for one that is printed in
/// canonical form. Texts longer than [`Spelling::LONGEST`] (leading zeros make them so) are printed in
/// canonical form too.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    length: u8,
    bytes: [u8; Self::LONGEST],
}

impl Spelling {
    const LONGEST: usize = 31;

    /// To be printed in canonical form.
    pub(super) const CANONICAL: Self = Self { length: 0, bytes: [0; Self::LONGEST] };

    pub(super) fn of(text: &str) -> Self {
        let mut spelling = Self::CANONICAL;
        let room = spelling.bytes.get_mut(..text.len());
        if let (Some(room), Ok(length)) = (room, u8::try_from(text.len())) {
            room.copy_from_slice(text.as_bytes());
            spelling.length = length;
        }
        spelling
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        let text = self.bytes.get(..usize::from(self.length))?;
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }
}
