//! Counts tokens and brackets without parsing: what is too long or too deep never reaches the parser, which recurses.
//! Not here: any judgement of the text; whatever is no token counts as one.

/// What a text consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// How many tokens there are.
    pub count: usize,
    /// How many brackets of any kind are open at once.
    pub nesting: usize,
}

/// Counts the tokens of a document in one pass over its bytes. An estimate for broken text: the parser judges that.
pub fn tokens(text: &str) -> Tokens {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut found = Tokens::default();
    let mut open: usize = 0;
    // Three quotes that nothing closes are an empty string and the beginning of another one, to the parser too. Once
    // nothing closes one block string, nothing closes a later one.
    let mut closes = true;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let skip = |rest: &[u8], inside: fn(u8) -> bool| rest.iter().take_while(|byte| inside(**byte)).count();
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += skip(rest, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'.' if rest.starts_with(b"...") => at += 3,
            b'"' if closes && rest.starts_with(b"\"\"\"") => match block_string(&rest[3..]) {
                Some(length) => at += 3 + length,
                None => {
                    closes = false;
                    at += 2;
                }
            },
            b'"' => at += 1 + string(&rest[1..]),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => at += skip(rest, |byte| byte == b'_' || byte.is_ascii_alphanumeric()),
            b'-' | b'0'..=b'9' => {
                at += 1 + skip(&rest[1..], |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'));
            }
            b'{' | b'[' | b'(' => {
                at += 1;
                open += 1;
                found.nesting = found.nesting.max(open);
            }
            b'}' | b']' | b')' => {
                at += 1;
                open = open.saturating_sub(1);
            }
            _ => at += 1,
        }
        found.count += 1;
    }
    found
}

/// Bytes up to the end of a string, its closing quote included; a string ends with its line at the latest.
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

/// Bytes up to the end of a block string, its closing quotes included; none: it has no end.
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
