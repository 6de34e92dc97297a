//! Text from outside: what may be in it, how long it may be, and the error that says what is wrong with which field.
//! Not here: what a text means (e-mail addresses are checked by `account`, money by `money`).

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// One field of an input that cannot be taken as it is. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// Name of the input field, as the schema spells it; fields and indices inside it follow behind dots:
    /// `items.2.quantity`.
    pub field: Cow<'static, str>,
    /// What is wrong, in a sentence a form can show.
    pub message: String,
}

impl Invalid {
    /// An error about one field.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// All fields of an input that cannot be taken as they are, in the order they were checked. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalids(Vec<Invalid>);

impl Invalids {
    /// Every field at fault.
    pub fn iter(&self) -> std::slice::Iter<'_, Invalid> {
        self.0.iter()
    }
}

impl From<Invalid> for Invalids {
    fn from(only: Invalid) -> Self {
        Self(vec![only])
    }
}

/// Collector of the fields at fault, so that a form is told of all of them at once.
///
/// ```
/// use boxoffice::text::{self, Fields, Invalids};
///
/// fn checked(title: &str, venue: &str) -> Result<(String, String), Invalids> {
///     let mut fields = Fields::default();
///     let title = fields.check(text::line("title", title, 200));
///     let venue = fields.check(text::line("venue", venue, 200));
///     fields.finish(|| Some((title?, venue?)))
/// }
/// assert_eq!(checked("", " ").map_err(|all| all.iter().count()), Err(2));
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct Fields(Vec<Invalid>);

impl Fields {
    /// The value of a field that passed its check; None: the field is at fault, which is kept for the end.
    pub fn check<T>(&mut self, checked: Result<T, Invalid>) -> Option<T> {
        checked.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// Keeps one more field at fault.
    pub fn refuse(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(Invalid::new(field, message));
    }

    /// Whether no field is at fault so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `build` makes of the checked values when no field is at fault; otherwise all that are.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Invalids> {
        if !self.0.is_empty() {
            return Err(Invalids(self.0));
        }
        // A value is missing only when its check failed; should one be all the same, the input is not taken either.
        build().ok_or_else(|| Invalid::new("input", "cannot be taken as it is").into())
    }
}

/// Trims, cleans and composes a text (NFC) and checks it: 1 to `max` characters on one line. Line ends and tabs become
/// blanks.
pub fn line(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    let text = clean(field, text, max, false)?;
    if text.chars().all(|c| c.is_whitespace() || is_silent(c)) {
        return Err(Invalid::new(field, "must not be empty"));
    }
    Ok(text)
}

/// A readable address from a name in any script: ASCII letters and digits, hyphens between words, at most 60 characters;
/// `otherwise` when nothing is left.
fn slug(name: &str, otherwise: &str) -> String {
    let slug = slug::slugify(name);
    let slug = match slug.char_indices().nth(60) {
        // Whole words, unless there is only one.
        Some((end, _)) => slug[..end].rsplit_once('-').map_or(&slug[..end], |(words, _)| words),
        None => &slug,
    };
    if slug.is_empty() { otherwise.to_owned() } else { slug.to_owned() }
}

/// The addresses a name may get, the readable one first; the second ends with `apart`, which tells it from others of that
/// name.
pub fn slugs(name: &str, otherwise: &str, apart: &str) -> [String; 2] {
    let readable = slug(name, otherwise);
    let second = format!("{readable}-{}", apart.to_ascii_lowercase());
    [readable, second]
}

/// Trims, cleans and composes a text (NFC) and checks it: 0 to `max` characters; may have several lines and tabs.
pub fn lines(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    clean(field, text, max, true)
}

/// What becomes of a character.
enum Fate {
    Kept,
    Dropped,
    NewLine,
    Refused,
}

fn clean(field: &'static str, text: &str, max: usize, many: bool) -> Result<String, Invalid> {
    let too_long = || Invalid::new(field, format!("must not be longer than {max} characters"));
    let trimmed = text.trim();
    // Judged by its beginning: cleaning drops a character here and there, never three of four.
    if trimmed.chars().nth(max.saturating_mul(4)).is_some() {
        return Err(too_long());
    }
    let before = text[..text.len() - text.trim_start().len()].chars().count();
    let mut taken = String::with_capacity(trimmed.len());
    let mut letters = trimmed.chars().enumerate().peekable();
    while let Some((at, c)) = letters.next() {
        match fate(c, many) {
            Fate::Kept => taken.push(c),
            Fate::Dropped => {}
            Fate::NewLine if c == '\r' && letters.peek().is_some_and(|(_, next)| *next == '\n') => {}
            Fate::NewLine => taken.push(if many { '\n' } else { ' ' }),
            Fate::Refused => {
                let (code, position) = (u32::from(c), before + at + 1);
                let message = format!("must not contain the control character U+{code:04X} (character {position})");
                return Err(Invalid::new(field, message));
            }
        }
    }
    let taken: String = taken.trim().nfc().collect();
    if taken.chars().nth(max).is_some() { Err(too_long()) } else { Ok(taken) }
}

/// Word processors, maps and right-to-left pages leave invisible characters in what is copied. Those that only guide the
/// layout are dropped, because two texts that look alike would be two; characters that stand for nothing in a text are
/// refused.
fn fate(c: char, many: bool) -> Fate {
    match c {
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Fate::NewLine,
        '\t' if many => Fate::Kept,
        '\t' => Fate::NewLine,
        // Directional marks: a text of several lines reads wrongly without them where it mixes scripts.
        '\u{61C}' | '\u{200E}' | '\u{200F}' if many => Fate::Kept,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}' | '\u{FFFC}' => {
            Fate::Dropped
        }
        // Embeddings, overrides, isolates; word joiner and invisible operators.
        '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' => Fate::Dropped,
        // Fillers that look like a blank, deprecated formats, interlinear annotations.
        '\u{115F}' | '\u{1160}' | '\u{206A}'..='\u{206F}' | '\u{3164}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' => {
            Fate::Refused
        }
        c if c.is_control() => Fate::Refused,
        _ => Fate::Kept,
    }
}

/// Joiners, variation selectors and tags: Persian, Hindi, emoji and flags are written with them, but not
/// by them alone.
fn is_silent(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E007F}')
}
