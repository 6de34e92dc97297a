//! Counts tokens and brackets without parsing, so that a text that is too long or too deep never reaches the parser,
//! which recurses. Finds fields that an input object repeats, which only the text still shows.
//! Not here: any other check of the text; a byte that belongs to no token counts as one.

use std::collections::HashSet;

/// Tokens and nesting of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Number of tokens.
    pub count: usize,
    /// Largest number of brackets of any kind that are open at once.
    pub nesting: usize,
}

/// Counts the tokens of a document in one pass over its bytes. For malformed text this is an estimate: the parser
/// refuses it.
pub fn tokens(text: &str) -> Tokens {
    let mut found = Tokens::default();
    let mut open: usize = 0;
    for token in Each::of(text) {
        found.count += 1;
        match token {
            b"{" | b"[" | b"(" => {
                open += 1;
                found.nesting = found.nesting.max(open);
            }
            b"}" | b"]" | b")" => open = open.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// Returns a field that one input object contains twice, of which the parser keeps only the last. The text must be
/// valid for the parser.
pub fn repeated_field(text: &str) -> Option<&str> {
    // Open brackets from the outside in: the fields of an object, `None` for any other bracket.
    let mut open: Vec<Option<HashSet<&[u8]>>> = Vec::new();
    let mut parentheses: usize = 0;
    let mut before: &[u8] = &[];
    for token in Each::of(text) {
        match token {
            b"(" => {
                parentheses += 1;
                open.push(None);
            }
            b"[" => open.push(None),
            // Outside of parentheses the bracket opens a selection.
            b"{" => open.push((parentheses > 0).then(HashSet::new)),
            b")" => {
                parentheses = parentheses.saturating_sub(1);
                open.pop();
            }
            b"]" | b"}" => drop(open.pop()),
            b":" => {
                if let Some(Some(fields)) = open.last_mut()
                    && !fields.insert(before)
                    && let Ok(field) = std::str::from_utf8(before)
                {
                    return Some(field);
                }
            }
            _ => {}
        }
        before = token;
    }
    None
}

/// Iterator over the tokens of a text.
pub(super) struct Each<'a> {
    rest: &'a [u8],
    /// False once a block string was found to have no end. To the parser too, three quotes without an end are an empty
    /// string and the start of another one. Once one block string has no end, no later one has.
    closes: bool,
}

impl<'a> Each<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), closes: true }
    }
}

impl<'a> Each<'a> {
    /// Returns each token with its position.
    pub(super) fn with_positions(text: &'a str) -> impl Iterator<Item = (usize, &'a [u8])> {
        let mut tokens = Self::of(text);
        std::iter::from_fn(move || {
            let token = tokens.next()?;
            Some((text.len() - tokens.rest.len() - token.len(), token))
        })
    }
}

impl<'a> Iterator for Each<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let skip = |rest: &[u8], inside: fn(u8) -> bool| rest.iter().take_while(|byte| inside(**byte)).count();
        loop {
            let rest = self.rest;
            let (length, is_token) = match *rest.first()? {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => (1, false),
                // A byte order mark is a space to the parser.
                0xEF if rest.starts_with(b"\xEF\xBB\xBF") => (3, false),
                b'#' => (skip(rest, |byte| byte != b'\n' && byte != b'\r'), false),
                b'.' if rest.starts_with(b"...") => (3, true),
                b'"' if self.closes && rest.starts_with(b"\"\"\"") => match block_string(&rest[3..]) {
                    Some(length) => (3 + length, true),
                    None => {
                        self.closes = false;
                        (2, true)
                    }
                },
                b'"' => (1 + string(&rest[1..]), true),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    (skip(rest, |byte| byte == b'_' || byte.is_ascii_alphanumeric()), true)
                }
                b'-' | b'0'..=b'9' => {
                    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
                    (1 + skip(&rest[1..], inside), true)
                }
                _ => (1, true),
            };
            let (token, rest) = rest.split_at(length.min(rest.len()));
            self.rest = rest;
            if is_token {
                return Some(token);
            }
        }
    }
}

/// Returns the number of bytes up to the end of a string, including its closing quote. A string ends with its line at
/// the latest.
fn string(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            _ => at += 1,
        }
    }
    at.min(rest.len())
}

/// Returns the number of bytes up to the end of a block string, including its closing quotes; `None` when it has no
/// end.
fn block_string(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"\\\"\"\"") {
            at += 4;
        } else if rest[at..].starts_with(b"\"\"\"") {
            return Some(at + 3);
        } else {
            at += 1;
        }
    }
    None
}
