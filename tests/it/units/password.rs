//! Password hashes do not depend on the earlier content of the memory in which they are computed.
//! Not here: the use of passwords, and the throttle (`account`).

use std::cell::RefCell;

use boxoffice::account::Error;
use boxoffice::account::password::{Cost, Hasher};
use boxoffice::db::DbError;

/// From the test of the reference implementation, https://github.com/P-H-C/phc-winner-argon2 (src/test.c): "password".
const OF_THE_REFERENCE: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

#[tokio::test]
async fn one_place_judges_hashes_of_any_cost() {
    let said = |password: &str| password.to_owned();
    let small = Hasher::new(Cost::TEST, 1).unwrap();
    let large = Hasher::new(Cost { memory_kib: 512, passes: 1 }, 1).unwrap();
    let [ours, theirs] = [small.hash(said("password")).await.unwrap(), large.hash(said("password")).await.unwrap()];
    assert!(!small.is_outdated(&ours) && small.is_outdated(&theirs));
    for stored in [&ours, &theirs, OF_THE_REFERENCE, &ours, OF_THE_REFERENCE] {
        assert!(small.verify(said("password"), Some(stored.to_owned())).await.unwrap(), "{stored}");
        assert!(!small.verify(said("passwort"), Some(stored.to_owned())).await.unwrap(), "{stored}");
    }
    assert!(!small.verify(said("no account has this password"), None).await.unwrap());
    // A text that is no hash of argon2 cannot be checked, and the permit is returned.
    for broken in
        ["", "$argon2id$", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "$scrypt$v=1$m=1$c29tZXNhbHQ$nf65EOgLrQM"]
    {
        small.verify(said("password"), Some(broken.to_owned())).await.unwrap_err();
    }
    assert!(small.verify(said("password"), Some(ours)).await.unwrap());
}

#[tokio::test]
async fn an_unknown_account_takes_its_turn_like_any_other() {
    let said = |password: &str| password.to_owned();
    let hasher = Hasher::new(Cost::TEST, 1).unwrap();
    let dear = Hasher::new(Cost { memory_kib: 19_456, passes: 2 }, 1).unwrap().hash(said("password")).await.unwrap();
    // There is one permit, first come, first served: a request without a hash to compute overtakes.
    let order = RefCell::new(Vec::new());
    let known = async {
        assert!(hasher.verify(said("password"), Some(dear)).await.unwrap());
        order.borrow_mut().push("known");
    };
    let unknown = async {
        assert!(!hasher.verify(said("password"), None).await.unwrap());
        order.borrow_mut().push("unknown");
    };
    tokio::join!(biased; known, unknown);
    assert_eq!(order.into_inner(), ["known", "unknown"]);
}

#[tokio::test]
async fn who_finds_no_room_to_wait_is_told_so() {
    let hasher = Hasher::new(Cost { memory_kib: 19_456, passes: 2 }, 1).unwrap();
    let asked = (0..100).map(|_| hasher.verify("password".to_owned(), None));
    let answers = futures_util::future::join_all(asked).await;
    let turned_away = answers.iter().filter(|answer| matches!(answer, Err(Error::Db(DbError::Overloaded)))).count();
    assert!((30..=36).contains(&turned_away), "64 wait, one or two are in their place: {turned_away}");
    assert!(hasher.verify("password".to_owned(), None).await.is_ok(), "there is room again");
}
