//! Password hashes, whatever the memory they are computed in was used for before.
//! Not here: who is asked for one, and how often (`account`).

use boxoffice::account::password::{Cost, Hasher};

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
    // What is no hash of argon2 cannot be judged, and the place goes on.
    for broken in
        ["", "$argon2id$", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "$scrypt$v=1$m=1$c29tZXNhbHQ$nf65EOgLrQM"]
    {
        small.verify(said("password"), Some(broken.to_owned())).await.unwrap_err();
    }
    assert!(small.verify(said("password"), Some(ours)).await.unwrap());
}
