//! Text from clients: allowed characters, length, and the error that names the field and what is wrong with it.
//! Not here: the meaning of a text (e-mail addresses are checked by `account`, money by `money`).

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Input field that is invalid. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// Name of the input field, as the schema spells it. Fields and indices inside it follow after dots:
    /// `items.2.quantity`.
    pub field: Cow<'static, str>,
    /// Sentence that says what is wrong; a form can show it.
    pub message: String,
}

impl Invalid {
    /// Creates an error about one field.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// All invalid fields of an input, in the order they were checked. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalids(Vec<Invalid>);

impl Invalids {
    /// Returns an iterator over the invalid fields.
    pub fn iter(&self) -> std::slice::Iter<'_, Invalid> {
        self.0.iter()
    }
}

impl From<Invalid> for Invalids {
    fn from(only: Invalid) -> Self {
        Self(vec![only])
    }
}

/// Collector of invalid fields, so that a form shows all of them at once.
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
    /// Returns the value of a valid field. Returns `None` for an invalid field and keeps its error.
    pub fn check<T>(&mut self, checked: Result<T, Invalid>) -> Option<T> {
        checked.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// Adds the error of one more field.
    pub fn refuse(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(Invalid::new(field, message));
    }

    /// Returns true if no field is invalid so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the result of `build`, made of the checked values, or the errors of all invalid fields.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Invalids> {
        if !self.0.is_empty() {
            return Err(Invalids(self.0));
        }
        // A value is missing only if its check failed. Should one be missing without an error, the input is refused
        // too.
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

/// Returns a readable address (slug) from a name in any script: ASCII letters and digits, hyphens between words, at
/// most 60 characters. Returns `otherwise` if nothing is left.
fn slug(name: &str, otherwise: &str) -> String {
    let slug = slug::slugify(name);
    let slug = match slug.char_indices().nth(60) {
        // Cut at the end of a word, unless there is only one word.
        Some((end, _)) => slug[..end].rsplit_once('-').map_or(&slug[..end], |(words, _)| words),
        None => &slug,
    };
    if slug.is_empty() { otherwise.to_owned() } else { slug.to_owned() }
}

/// Returns the two addresses a name may get, the readable one first. The second ends with `apart`, which distinguishes
/// it from those of the same name.
pub fn slugs(name: &str, otherwise: &str, apart: &str) -> [String; 2] {
    let readable = slug(name, otherwise);
    let second = format!("{readable}-{}", apart.to_ascii_lowercase());
    [readable, second]
}

/// Trims, cleans and composes a text (NFC) and checks it: 0 to `max` characters, with any number of lines and tabs.
pub fn lines(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    clean(field, text, max, true)
}

/// Treatment of a character.
enum Fate {
    Kept,
    Dropped,
    NewLine,
    Refused,
}

fn clean(field: &'static str, text: &str, max: usize, many: bool) -> Result<String, Invalid> {
    let too_long = || Invalid::new(field, format!("must not be longer than {max} characters"));
    let trimmed = text.trim();
    // Texts that are far too long are refused early: cleaning drops single characters, never three of four.
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

/// Returns the treatment of a character. Word processors, maps and right-to-left pages add invisible characters to
/// copied text. Characters that only guide the layout are dropped, because texts that look the same would otherwise
/// differ. Characters without meaning in a text are refused.
fn fate(c: char, many: bool) -> Fate {
    match c {
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Fate::NewLine,
        '\t' if many => Fate::Kept,
        '\t' => Fate::NewLine,
        // Directional marks: a text of several lines in mixed scripts is displayed wrongly without them.
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

/// Returns true for joiners, variation selectors and tags. Persian, Hindi, emoji and flags need them, but a text cannot
/// consist of them alone.
fn is_silent(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E007F}')
}
