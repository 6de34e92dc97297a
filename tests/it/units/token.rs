//! Forged, truncated and foreign access tokens.
//! Not here: sessions, which can end before their tokens (`account`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use boxoffice::account::token::Keys;
use boxoffice::clock::Timestamp;
use boxoffice::id::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{BEGINNING, SECRET, seeded};

fn token() -> (Keys, String) {
    let keys = Keys::new([SECRET]).unwrap();
    let (token, _) = keys.sign(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)), BEGINNING).unwrap();
    (keys, token)
}

fn parts(token: &str) -> (Value, Value, &str) {
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims), signature)
}

fn written(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_token_says_who_and_through_which_sign_in_and_nothing_else() {
    let (_, token) = token();
    let (header, claims, _) = parts(&token);
    let keys: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["aud", "exp", "iat", "iss", "sid", "sub", "typ"], "no role: it would outlive its change");
    let mut names: Vec<&str> = header.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!((names, &header["alg"]), (vec!["alg", "kid", "typ"], &json!("HS256")));
}

/// `none` is an algorithm of the standard.
#[test]
fn unsigned_and_otherwise_signed_tokens_are_refused() {
    let (keys, token) = token();
    let (header, claims, signature) = parts(&token);
    assert!(keys.verify(&token, BEGINNING).is_some());
    for algorithm in ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
        let mut header = header.clone();
        header["alg"] = algorithm.into();
        for signature in ["", signature] {
            let forged = format!("{}.{}.{signature}", written(&header), written(&claims));
            assert!(keys.verify(&forged, BEGINNING).is_none(), "{algorithm:?} {signature:?}");
        }
        assert!(keys.verify(&format!("{}.{}", written(&header), written(&claims)), BEGINNING).is_none());
    }
    for kid in [json!(null), json!(""), json!("0123456789ab"), json!(7), json!("../../etc/passwd")] {
        let mut header = header.clone();
        header["kid"] = kid.clone();
        let forged = format!("{}.{}.{signature}", written(&header), written(&claims));
        assert!(keys.verify(&forged, BEGINNING).is_none(), "{kid}");
    }
}

#[test]
fn no_other_text_is_this_token() {
    let (keys, token) = token();
    let claims = keys.verify(&token, BEGINNING).unwrap();
    for at in 0..token.len() {
        for c in ["A", "B", "z", "-", ".", "=", "é", ""] {
            let other = format!("{}{c}{}", &token[..at], &token[at + 1..]);
            if other != token {
                assert!(keys.verify(&other, BEGINNING).is_none_or(|read| read == claims), "{at} {c}");
                assert!(keys.verify(&other, BEGINNING).is_none(), "at {at}, {c:?}: {other}");
            }
        }
    }
    for other in
        ["", ".", "..", "...", "Bearer", &format!("Bearer {token}"), &format!("{token}.{token}"), &format!(" {token}")]
    {
        assert!(keys.verify(other, BEGINNING).is_none(), "{other:?}");
    }
    assert!(keys.verify(&"A".repeat(1_000_000), BEGINNING).is_none());
}

#[test]
fn garbage_is_refused_without_a_panic() {
    let (keys, token) = token();
    let random = seeded("garbage tokens");
    for _ in 0..5_000 {
        let bytes: [u8; 24] = random.bytes();
        let garbage = URL_SAFE_NO_PAD.encode(bytes);
        let text = match (random.fraction() * 4.0) as u8 {
            0 => garbage,
            1 => format!("{garbage}.{garbage}.{garbage}"),
            2 => format!("{}.{garbage}.{garbage}", token.split('.').next().unwrap()),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        };
        assert!(keys.verify(&text, BEGINNING).is_none(), "{text:?}");
    }
}

/// Returns a token of these claims, signed with the real key.
fn signed(claims: &Value) -> String {
    let (_, token) = token();
    let kid = parts(&token).0["kid"].as_str().map(str::to_owned);
    let header = Header { kid, ..Header::new(Algorithm::HS256) };
    encode(&header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

/// RFC 7519, 4.1.5: `nbf` is the time before which a token must not be accepted.
#[test]
fn a_token_of_the_future_is_refused() {
    let (keys, token) = token();
    let (_, claims, _) = parts(&token);
    let now = BEGINNING.seconds();
    let accepts = |nbf: Value, at: Timestamp| {
        let mut claims = claims.clone();
        claims["nbf"] = nbf;
        keys.verify(&signed(&claims), at).is_some()
    };
    for past in [0, now - 3_600, now, now + 10] {
        assert!(accepts(json!(past), BEGINNING), "{past}");
    }
    for future in [now + 11, now + 600, now + 86_400, i64::MAX] {
        assert!(!accepts(json!(future), BEGINNING), "{future}");
    }
    assert!(accepts(json!(now + 60), Timestamp((now + 50) * 1_000_000)), "it has begun");
    for no_time in [json!("soon"), json!([now]), json!(true), json!(u64::MAX)] {
        assert!(!accepts(no_time.clone(), BEGINNING), "{no_time}");
    }
}
