//! A printed seed repeats the random choices of its run.
//! Not here: the random choices (`harness::seeded`), and the order in which a scheduler runs tasks, which no seed
//! decides.

use std::process::Command;

/// Returns the seed and the random choices that a test prints when it runs by itself.
fn drawn(test: &str, seed: Option<&str>) -> (String, String) {
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.args([test, "--exact", "--nocapture"]).env_remove("BOXOFFICE_SEED");
    run.envs(seed.map(|seed| ("BOXOFFICE_SEED", seed)));
    let ended = run.output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}");
    let after = |mark: &str| {
        let (_, rest) = said.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {said}"));
        rest.lines().next().unwrap().to_owned()
    };
    (after("BOXOFFICE_SEED="), after("drew "))
}

#[test]
fn a_printed_seed_replays_its_run() {
    let test = "allocate::thousands_of_random_floors_stay_sound";
    let (seed, first) = drawn(test, None);
    assert_eq!(drawn(test, Some(&seed)), (seed.clone(), first.clone()));
    let (other, second) = drawn(test, Some("1"));
    assert!(other == "1" && (second != first || seed == other), "another seed draws something else");
}
