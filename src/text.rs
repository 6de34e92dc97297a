//! Text from outside: what may be in it, how long it may be, and the error that says what is wrong with which field.
//! Not here: what a text means (e-mail addresses are checked by `account`, money by `money`).

use std::borrow::Cow;

use crate::id::Chance;

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

    /// What `build` makes of the checked values when no field is at fault; otherwise all that are.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Invalids> {
        if !self.0.is_empty() {
            return Err(Invalids(self.0));
        }
        // A value is missing only when its check failed; should one be all the same, the input is not taken either.
        build().ok_or_else(|| Invalid::new("input", "cannot be taken as it is").into())
    }
}

/// Trims a text and checks it: 1 to `max` characters, one line, nothing invisible.
pub fn line(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    let text = text.trim();
    if text.chars().all(|c| c.is_whitespace() || is_silent(c)) {
        return Err(Invalid::new(field, "must not be empty"));
    }
    check(field, text, max, false)?;
    Ok(text.to_owned())
}

/// Trims a text and checks it: 0 to `max` characters; may have several lines.
pub fn lines(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    let text = text.trim().replace("\r\n", "\n");
    check(field, &text, max, true)?;
    Ok(text)
}

/// A readable address from a name: ASCII letters and digits, everything else a hyphen, at most 60 characters; `otherwise`
/// when nothing is left.
fn slug(name: &str, otherwise: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { otherwise.to_owned() } else { slug.to_owned() }
}

/// The addresses a name may get, the readable one first; the second has letters that tell it from others of that name.
pub fn slugs(name: &str, otherwise: &str, chance: &Chance) -> [String; 2] {
    let readable = slug(name, otherwise);
    let apart = format!("{readable}-{}", chance.reference()[4..].to_ascii_lowercase());
    [readable, apart]
}

fn check(field: &'static str, text: &str, max: usize, many: bool) -> Result<(), Invalid> {
    if text.chars().nth(max).is_some() {
        return Err(Invalid::new(field, format!("must not be longer than {max} characters")));
    }
    if text.chars().any(|c| is_forbidden(c) && !(many && c == '\n')) {
        return Err(Invalid::new(field, "must not contain control or invisible characters"));
    }
    Ok(())
}

/// Control characters, and the invisible ones that make a text read differently from what it is: directional marks and
/// overrides, separators of lines, hyphens and fillers nobody sees, zero-width marks, the byte order mark.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}')
}

/// Joiners, variation selectors and tags: Persian, Hindi, emoji and flags are written with them, but not by them alone.
fn is_silent(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E007F}')
}
