//! Characters permitted in a text from outside, one by one; addresses at their limits.
//! Not here: the length of each field (`event`, `account`).

use boxoffice::account::email;
use boxoffice::text::{line, lines};

/// Word processors, maps and right-to-left pages leave invisible characters behind: two texts that look alike would
/// differ, or a text would look different from its content.
#[test]
fn what_only_guides_the_layout_is_dropped() {
    let dropped = [
        ('\u{AD}', '\u{AD}'),     // soft hyphen
        ('\u{180E}', '\u{180E}'), // Mongolian vowel separator
        ('\u{200B}', '\u{200B}'), // zero-width space
        ('\u{202A}', '\u{202E}'), // directional embeddings and overrides
        ('\u{2060}', '\u{2069}'), // word joiner, invisible operators, directional isolates
        ('\u{FEFF}', '\u{FEFF}'), // byte order mark
        ('\u{FFFC}', '\u{FFFC}'), // placeholder of a picture
    ];
    for c in dropped.into_iter().flat_map(|(first, last)| first..=last) {
        let text = format!("{c}a{c}b{c}");
        assert_eq!(line("field", &text, 2).as_deref(), Ok("ab"), "{c:?} in one line");
        assert_eq!(lines("field", &text, 2).as_deref(), Ok("ab"), "{c:?} in several lines");
    }
    // Directional marks: several lines mix scripts and read wrongly without them.
    for c in ['\u{61C}', '\u{200E}', '\u{200F}'] {
        let text = format!("a{c}b");
        assert_eq!(line("field", &text, 3).as_deref(), Ok("ab"), "{c:?} in one line");
        assert_eq!(lines("field", &text, 3).as_deref(), Ok(text.as_str()), "{c:?} in several lines");
    }
}

#[test]
fn every_end_of_a_line_is_one() {
    for end in ["\n", "\r\n", "\r", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{2029}"] {
        let text = format!("a{end}b");
        assert_eq!(lines("field", &text, 3).as_deref(), Ok("a\nb"), "{end:?}");
        assert_eq!(line("field", &text, 3).as_deref(), Ok("a b"), "{end:?}");
    }
    assert_eq!(lines("field", "19:00\tDoors", 20).as_deref(), Ok("19:00\tDoors"));
    assert_eq!(line("field", "19:00\tDoors", 20).as_deref(), Ok("19:00 Doors"));
}

#[test]
fn control_characters_are_refused_by_name_and_position() {
    let refused = [
        ('\u{00}', '\u{08}'), // C0 without tab and line ends
        ('\u{0E}', '\u{1F}'),
        ('\u{7F}', '\u{84}'), // delete, C1
        ('\u{86}', '\u{9F}'),
        ('\u{115F}', '\u{1160}'), // Hangul fillers
        ('\u{206A}', '\u{206F}'), // deprecated formats
        ('\u{3164}', '\u{3164}'), // Hangul filler
        ('\u{FFA0}', '\u{FFA0}'), // halfwidth Hangul filler
        ('\u{FFF9}', '\u{FFFB}'), // interlinear annotations
    ];
    for c in refused.into_iter().flat_map(|(first, last)| first..=last) {
        let text = format!("  é{c}b");
        let message = format!("must not contain the control character U+{:04X} (character 4)", u32::from(c));
        assert_eq!(line("field", &text, 10).unwrap_err().message, message);
        assert_eq!(lines("field", &text, 10).unwrap_err().message, message);
    }
}

#[test]
fn what_people_write_with_is_kept() {
    for text in [
        "Grüße aus Köln",
        "東京ドーム",
        "مهرجان القاهرة",
        "می\u{200C}خواهم",                                          // Persian needs the non-joiner
        "क्\u{200D}ष",                                               // Devanagari the joiner
        "👩\u{200D}🚀 ❤\u{FE0F}",                                   // emoji the joiner and the variation selector
        "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", // and flags the tags
        "5\u{A0}€ – “quoted” … ½ ™",
        "Ünïcödé\u{3000}ideographic space",
    ] {
        assert_eq!(line("field", text, 60).as_deref(), Ok(text), "{text:?}");
    }
    assert_eq!(
        line("field", "e\u{301}te\u{301}", 3).as_deref(),
        Ok("\u{e9}t\u{e9}"),
        "composed, whatever the keyboard"
    );
    assert_eq!(lines("field", "e\u{301}", 1).as_deref(), Ok("\u{e9}"));
}

#[test]
fn a_text_without_anything_to_see_is_empty() {
    for nothing in ["", "   ", "\u{3000}", "\u{200D}", " \u{200C}\u{200D} ", "\u{FE0F}", "\u{E0067}", "\t\n"] {
        assert!(line("field", nothing, 10).is_err(), "{nothing:?}");
    }
    assert_eq!(lines("field", " \n ", 10).as_deref(), Ok(""), "several lines may be none");
}

#[test]
fn lengths_count_characters_after_trimming() {
    for max in [1, 2, 100] {
        let text = "é".repeat(max);
        assert_eq!(line("field", &format!("  {text}\n"), max).as_deref(), Ok(text.as_str()));
        assert_eq!(lines("field", &format!("\r\n{text}  "), max).as_deref(), Ok(text.as_str()));
        let longer = "é".repeat(max + 1);
        let error = line("title", &longer, max).unwrap_err();
        assert_eq!(
            (&*error.field, error.message.as_str()),
            ("title", format!("must not be longer than {max} characters").as_str())
        );
        assert!(lines("field", &longer, max).is_err());
    }
    assert_eq!(lines("field", "a\r\nb\nc", 10).as_deref(), Ok("a\nb\nc"));
    assert!(line("field", &"x".repeat(50_000_000), 10).is_err(), "judged by its beginning");
}

#[test]
fn addresses_at_their_limits() {
    let local = |n: usize| format!("{}@example.org", "l".repeat(n));
    let label = |n: usize| format!("a@{}.org", "d".repeat(n));
    let whole = |n: usize| format!("{}@{}.org", "l".repeat(64), vec!["d".repeat(45); 4].join(".") + &"e".repeat(n));
    assert!(email(&local(64)).is_ok() && email(&local(65)).is_err());
    assert!(email(&label(63)).is_ok() && email(&label(64)).is_err());
    let fits = 254 - whole(0).len();
    assert!(email(&whole(fits)).is_ok() && email(&whole(fits + 1)).is_err(), "{}", whole(fits).len());
    for good in ["a@b.c", "o'brien@example.org", "a+b=c@x-y.example", "1@2.3", "!#$%&'*+-/=?^_`{|}~@example.org"] {
        assert_eq!(email(good).map(|(shown, _)| shown).as_deref(), Ok(good));
    }
    for bad in [
        "a@b",
        "a@b.",
        "a@.b",
        "a@b..c",
        "a@b_c.d",
        "a@b-.c",
        "a@[127.0.0.1]",
        "a.@b.c",
        "a..b@c.d",
        "a b@c.d",
        "a@b c.d",
        "a@b.c\0",
        "a@b.c\r\nBcc: d@e.f",
        "<a@b.c>",
        "a@b.c@d.e",
        "A <a@b.c>",
        "mailto:a@b.c,d@e.f",
        "a@b.c.",
        "а@b.c",
    ] {
        assert!(email(bad).is_err(), "{bad:?}");
    }
    assert_eq!(
        email("Ada@Example.ORG").unwrap().1,
        email(" ada@example.org\n").unwrap().1,
        "one account, whatever its case"
    );
}
