//! Escapes in strings that the parser does not know: `\u{1F3B7}`, and the surrogate pair that JSON writes for a
//! character beyond the first 65,536. Both are in the specification since September 2025.
//! Not here: every other escape, which the parser reads.

use std::borrow::Cow;

use super::tokens::Each;

/// An escape that names no character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCharacter(pub String);

/// Returns the text with these escapes replaced by their characters.
pub fn without_long_escapes(text: &str) -> Result<Cow<'_, str>, NoCharacter> {
    if !text.contains("\\u") {
        return Ok(Cow::Borrowed(text));
    }
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for (at, token) in Each::with_positions(text) {
        if token.starts_with(b"\"") && !token.starts_with(b"\"\"\"") {
            let end = at + token.len();
            written.push_str(&text[done..at]);
            rewrite(&text[at..end], &mut written)?;
            done = end;
        }
    }
    written.push_str(&text[done..]);
    Ok(Cow::Owned(written))
}

fn rewrite(string: &str, written: &mut String) -> Result<(), NoCharacter> {
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, character) = match rest.strip_prefix("\\u") {
            Some(code) => escape(code).map_err(|length| NoCharacter(rest.chars().take(2 + length).collect()))?,
            None => (0, None),
        };
        match character {
            Some(character) => push(character, written),
            // Left to the parser, which reads or refuses it: the backslash and the character it escapes.
            None => {
                let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                written.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
        }
        rest = &rest[2 + length..];
    }
    written.push_str(rest);
    Ok(())
}

/// Returns the length of the code after `\u`, and its character unless the parser knows the escape itself. When the
/// code names no character, the error is its length.
fn escape(code: &str) -> Result<(usize, Option<char>), usize> {
    if let Some(braced) = code.strip_prefix('{') {
        let Some(end) = braced.find('}') else { return Ok((0, None)) };
        let digits = &braced[..end];
        let is_code = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let character = is_code.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)).flatten();
        return character.map(|character| (end + 2, Some(character))).ok_or(end.min(16) + 2);
    }
    match (half(code), code.get(4..).and_then(|next| next.strip_prefix("\\u")).and_then(half)) {
        (Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
            let character = char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            character.map(|character| (10, Some(character))).ok_or(10)
        }
        (Some(0xD800..0xE000), _) => Err(4),
        _ => Ok((0, None)),
    }
}

fn half(code: &str) -> Option<u32> {
    let digits = code.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

/// Writes a character. One that a string cannot contain unescaped is written as a four-digit escape.
fn push(character: char, written: &mut String) {
    if character.is_control() || matches!(character, '"' | '\\') {
        written.push_str(&format!("\\u{:04X}", u32::from(character)));
    } else {
        written.push(character);
    }
}
