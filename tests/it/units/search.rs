//! The words of a search: stored text and query are normalised alike, in any script.
//! Not here: finding events by them (`event::browse`).

use boxoffice::event::search::{asked, words};

/// Returns true if the query finds the stored text.
fn finds(asked_text: &str, stored: &str) -> bool {
    let stored = words(stored);
    let asked = asked(asked_text);
    !asked.is_empty() && asked.iter().all(|word| stored.iter().any(|stored| stored.starts_with(word)))
}

#[test]
fn words_are_found_however_they_are_typed() {
    for (stored, typed) in [
        ("Cafe\u{301} Nord", "Café Nord"),
        ("Café Nord", "nord cafe\u{301}"),
        ("Señor Łódź Straße", "senor"),
        ("Señor Łódź Straße", "LODZ"),
        ("Señor Łódź Straße", "strasse señ"),
        ("Smørrebrød & Æbler", "smorrebrod aebler"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσεύς"), // a final sigma, an accent
        ("İstanbul", "istanbul"),
        ("Концерт в Йошкар-Оле", "концерт йошкар"),
        ("ﬁlm ①", "film 1"), // a ligature and a number in a circle
        ("東京マラソン２０２６", "マラソン 2026"),
        ("東京マラソン", "京マ"),
        ("コンサート", "ｺﾝｻｰﾄ"), // half width
        ("서울 재즈", "재즈"),
        ("งานดนตรี", "ดนตรี"),
        ("مَهرَجان", "مهرجان"), // vowel marks
        ("שָׁלוֹם", "שלום"),
        ("O'Brien’s Jazz—Night", "jazz night brien"),
        ("🎷 Night", "🎷"),
        ("C++ & C#", "c++"),
        ("Jazz Night", "ja ni"), // beginnings
    ] {
        assert!(finds(typed, stored), "{typed:?} in {stored:?}: {:?} in {:?}", asked(typed), words(stored));
    }
    for (stored, typed) in [("Jazz Night", "azz"), ("Jazz Night", "jazz day"), ("東京", "京東"), ("か", "が")] {
        assert!(!finds(typed, stored), "{typed:?} in {stored:?}");
    }
}

#[test]
fn nothing_is_asked_twice_and_nothing_is_no_word() {
    assert_eq!(asked("jazz JAZZ ja j"), ["jazz"], "one word asks for its beginnings");
    assert!(asked("%_! \u{200B} -").is_empty());
    assert_eq!(words("").len() + words(" , ").len(), 0);
    let long = "x".repeat(200);
    assert!(finds(&long, &long) && words(&long).iter().all(|word| word.chars().count() <= 32));
    assert!(words(&"東".repeat(400)).len() <= 400);
}
