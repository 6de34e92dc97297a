//! `boxoffice schema` at the terminal: its output, and its comparison of a file with the contract.
//! Not here: the conventions of the contract (`crate::schema`).

use std::path::{Path, PathBuf};

use super::refusals::refuses;
use crate::harness::binary::{Call, Ended};

/// Returns a folder with a changed copy of the contract as `schema.graphql`.
fn folder(change: impl FnOnce(String) -> String) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.graphql");
    std::fs::write(&file, change(boxoffice::graphql::sdl())).unwrap();
    (folder, file)
}

async fn run(folder: &Path, arguments: &[&str]) -> Ended {
    Call::new(["schema"].iter().chain(arguments)).standing_in(folder).end().await
}

#[tokio::test]
async fn the_contract_is_the_same_everywhere() {
    let (folder, _) = folder(|text| text);
    let printed = run(folder.path(), &["print"]).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{printed:?}");
    assert_eq!(printed.stdout, boxoffice::graphql::sdl());
    for arguments in [["check"].as_slice(), &["check", "schema.graphql"], &["diff", "schema.graphql"]] {
        let ended = run(folder.path(), arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_stale_file_is_told_what_changed() {
    // An earlier release: one field less, one more, another description, and no newline at its end.
    let (folder, _) = folder(|text| {
        let text =
            text.replacen("\t\"\"\"\n\tNumber of tickets of the event in all.\n\t\"\"\"\n\tcapacity: Int!\n", "", 1);
        let text = text.replacen("\taccessToken: String!\n", "\taccessToken: String!\n\tcookie: String\n", 1);
        text.trim_end().to_owned()
    });
    let error = "schema.graphql differs from the schema of this release: 2 lines removed, 5 lines added";
    let checked = run(folder.path(), &["check"]).await;
    refuses(
        &checked,
        1,
        error,
        "boxoffice schema print > schema.graphql      differences: boxoffice schema diff schema.graphql",
    );
    let shown = run(folder.path(), &["diff", "schema.graphql"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stderr.contains(error) && !shown.stderr.contains("> schema.graphql"), "{}", shown.stderr);
    let changed: Vec<&str> = shown.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    let [first, second, .., last_old, last_new] = changed.as_slice() else { panic!("{}", shown.stdout) };
    assert_eq!((*first, *second), ("@@ line 25, type AccessToken", "-\tcookie: String"), "{}", shown.stdout);
    assert!(changed.contains(&"+\tcapacity: Int!"), "{}", shown.stdout);
    assert_eq!(last_old.strip_prefix('-'), last_new.strip_prefix('+'), "only the end of the line differs");
    assert!(shown.stdout.lines().count() < 40, "what did not change is left out:\n{}", shown.stdout);
}

#[tokio::test]
async fn a_file_that_is_none() {
    let (folder, file) = folder(|_| String::new());
    for arguments in [["check", "missing.graphql"].as_slice(), &["diff", "missing.graphql"], &["check", "."]] {
        let ended = run(folder.path(), arguments).await;
        refuses(&ended, 2, &format!("cannot read {}: ", arguments[1]), "name a readable schema file");
    }
    refuses(&run(folder.path(), &["check"]).await, 1, "0 lines removed", "schema print");
    std::fs::write(file, [0xff, 0xfe]).unwrap();
    refuses(&run(folder.path(), &["check"]).await, 2, "cannot read schema.graphql: ", "name a readable schema file");
}
