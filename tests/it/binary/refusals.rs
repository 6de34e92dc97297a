//! Refused starts: exit code, one line with the error, one with the remedy. A refusal changes nothing and shows no
//! secret.
//! Not here: refusals over the API.

use std::path::Path;

use boxoffice::db::{self, Db, DbError, Priority, Target};

use super::holdings;
use crate::harness::binary::{Call, Ended, Place, secret};
use crate::harness::postgres;

/// A password in every address and setting that must not be shown.
const PASSWORD: &str = "sekret-sekret";

/// Checks that this is a refusal and nothing else.
#[track_caller]
pub(super) fn refuses(ended: &Ended, code: i32, error: &str, fix: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing was done");
    match ended.stderr.lines().collect::<Vec<_>>().as_slice() {
        [what, how] => {
            assert!(what.starts_with("error: ") && what.contains(error), "{error:?} is not in {what:?}");
            assert!(how.starts_with("  fix: ") && how.contains(fix), "{fix:?} is not in {how:?}");
        }
        lines => panic!("not an error and its fix: {lines:#?}"),
    }
    for word in [PASSWORD, secret(), "panicked", "Execution Error", "Connection Error", "RUST_BACKTRACE", "src/"] {
        assert!(!ended.stderr.contains(word), "{word:?} is nobody's business: {}", ended.stderr);
    }
}

/// `boxoffice serve` with a data folder, on any free port.
fn serve(data: &Path) -> Call {
    Call::new(["serve", "--listen", "127.0.0.1:0", "--data"]).and(data)
}

/// The same on another database.
fn serve_on(url: &str) -> Call {
    Call::new(["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", url).env("BOXOFFICE_JWT_SECRET", secret())
}

#[tokio::test]
async fn a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Call::new(["serve", "--listen", &address, "--data"]).and(&data).end().await;
    refuses(&ended, 1, &format!("{address} is already in use"), "--listen");
    assert!(!data.exists(), "a start by mistake makes nothing");
}

#[tokio::test]
async fn a_second_start_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path()).and("--no-demo").begin().ready().await;
    let before = holdings(folder.path());
    let ended = Call::new(["serve", "--listen", &first.address, "--data"]).and(folder.path()).end().await;
    refuses(&ended, 1, "already in use", "stop the program that listens there");
    assert_eq!(holdings(folder.path()), before);
    let answer = reqwest::get(format!("http://{}/readyz", first.address)).await.unwrap();
    assert_eq!(answer.status(), 200, "the first one goes on");
}

#[tokio::test]
async fn an_address_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (address, code, error) in [
        ("nonsense", 2, "\"nonsense\" is not an address"),
        ("127.0.0.1", 2, "is not an address"),
        ("127.0.0.1:99999", 2, "is not an address"),
        ("", 2, "\"\" is not an address"),
        ("192.0.2.1:0", 1, "cannot listen on 192.0.2.1:0"), // reserved for documentation: no machine has it
        ("no-such-host.invalid:0", 1, "cannot listen on no-such-host.invalid:0"),
    ] {
        let flag = Call::new(["serve", "--listen", address, "--data"]).and(&data).end().await;
        refuses(&flag, code, error, "127.0.0.1:8080");
        let variable = Call::new(["serve", "--data"]).and(&data).env("BOXOFFICE_LISTEN", address).end().await;
        refuses(&variable, code, error, "127.0.0.1:8080");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for data in [file.clone(), file.join("below"), file.join("far/below"), "/proc/no/such".into(), "/dev/null".into()] {
        let shown = format!("cannot use the data folder {}: ", data.display());
        refuses(&serve(&data).end().await, 1, &shown, "--data");
        let user =
            Call::new(["user", "create", "--role", "admin", "--email", "a@example.org", "--name", "A", "--data"]);
        refuses(&user.and(&data).reading("correct horse battery").end().await, 1, &shown, "--data");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_database_address_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for (url, error) in [
        (format!("mysql://app:{PASSWORD}@db/box"), "unknown scheme \"mysql\""),
        (format!("postgress://app:{PASSWORD}@db/box"), "unknown scheme \"postgress\""),
        (format!("{PASSWORD}@db/box"), "unknown scheme"),
        (String::new(), "unknown scheme"),
        ("sqlite:".to_owned(), "names no file"),
        ("sqlite::memory:".to_owned(), "names no file"),
        (format!("postgres://app:{PASSWORD}@db:port/box"), "invalid port"),
    ] {
        for command in ["serve", "migrate"] {
            let call = Call::new([command]).standing_in(folder.path()).env("BOXOFFICE_LISTEN", "127.0.0.1:0");
            let call = call.env("BOXOFFICE_JWT_SECRET", secret()).env("DATABASE_URL", &url);
            let ended = call.end().await;
            refuses(&ended, 2, error, "postgres://user:password@host/name");
            assert!(ended.stderr.contains("DATABASE_URL is not understood"), "{}", ended.stderr);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn a_postgres_that_does_not_answer() {
    // No server listens on port 1; the password may be in either position.
    let before = serve_on(&format!("postgres://app:{PASSWORD}@127.0.0.1:1/box"));
    let behind = serve_on(&format!("postgres://127.0.0.1:1/box?user=app&password={PASSWORD}"));
    let (before, behind) = tokio::join!(before.end(), behind.end());
    for ended in [before, behind] {
        refuses(&ended, 75, "cannot open the database postgres://", "the server runs");
        assert!(ended.stderr.contains("127.0.0.1:1/box") && ended.stderr.contains("refused"), "{}", ended.stderr);
    }
    let ended = serve_on(&format!("postgres://app:{PASSWORD}@no-such-host.invalid/box")).end().await;
    refuses(&ended, 75, "no-such-host.invalid/box", "the address is right");
}

#[tokio::test]
async fn a_folder_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/missing/boxoffice.db", folder.path().display());
    refuses(&serve_on(&url).end().await, 1, "missing/boxoffice.db: No such file or directory", "make the folder");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let url = format!("sqlite:{}/file/boxoffice.db", folder.path().display());
    refuses(&serve_on(&url).end().await, 1, "Not a directory", "make the folder");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[apply(postgres_scene!)]
async fn a_postgres_that_lets_nobody_in(stage: Stage) {
    let Target::Postgres(url) = &stage.target else { unreachable!("asked for") };
    let (server, name) = url.rsplit_once('/').unwrap();
    let ended = serve_on(&format!("{server}/no_such_{name}")).end().await;
    refuses(&ended, 75, &format!("database \"no_such_{name}\" does not exist"), "createdb");
    let (_, address) = url.split_once('@').unwrap();
    let ended = serve_on(&format!("postgres://nobody_here:{PASSWORD}@{address}")).end().await;
    refuses(&ended, 75, "role \"nobody_here\" does not exist", "check the user and password");
}

/// A server with connections as through PgBouncer: they share a server process, or lose their settings.
#[apply(postgres_scene!)]
async fn a_pooler(stage: Stage) {
    let Target::Postgres(url) = &stage.target else { unreachable!("asked for") };
    let server = sea_orm::Database::connect(url).await.unwrap();
    let run = async |sql: &str| sea_orm::ConnectionTrait::execute_unprepared(&server, sql).await.unwrap();
    run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$").await;
    for (function, reason) in [
        ("pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 42'", "two connections share one server process"),
        (
            "current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT '0'::text$$",
            "it does not pass on the settings of a connection",
        ),
    ] {
        run(&format!("CREATE FUNCTION public.{function}")).await;
        for call in [serve_on(url), serve_on(url).and("--migrate")] {
            refuses(&call.end().await, 4, reason, "name PostgreSQL itself");
        }
    }
}

#[tokio::test]
async fn a_weak_secret() {
    let folder = tempfile::tempdir().unwrap();
    for weak in ["", "sekret-sekret", "thirty-one bytes are not enough"] {
        let ended = serve(&folder.path().join("data")).env("BOXOFFICE_JWT_SECRET", weak).end().await;
        refuses(&ended, 4, "BOXOFFICE_JWT_SECRET is too weak", "openssl rand");
        assert!(ended.stderr.contains(&format!("({} bytes, need 32 or more)", weak.len())), "{}", ended.stderr);
        assert!(weak.is_empty() || !ended.stderr.contains(weak), "{}", ended.stderr);
    }
    let previous = serve(&folder.path().join("data")).env("BOXOFFICE_JWT_SECRET", secret());
    let ended = previous.env("BOXOFFICE_JWT_SECRET_PREVIOUS", PASSWORD).end().await;
    refuses(&ended, 4, "BOXOFFICE_JWT_SECRET_PREVIOUS is too weak", "");
    assert!(!folder.path().join("data/boxoffice.db").exists());
}

#[tokio::test]
async fn a_postgres_without_secret() {
    // Refused before the server is asked: there is none at this address.
    let url = format!("postgres://app:{PASSWORD}@127.0.0.1:1/box");
    let ended = Call::new(["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", url).end().await;
    refuses(&ended, 4, "BOXOFFICE_JWT_SECRET is not set", "openssl rand");
}

#[tokio::test]
async fn a_damaged_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("secret.key");
    let good = "00112233445566778899aabbccddeeff".repeat(3);
    for damage in [
        b"garbage\n".as_slice(),
        b"",
        &[0xff, 0xfe, 0x00, 0x01],
        &good.as_bytes()[..40],
        &good.as_bytes()[..95],
        "ä".repeat(48).as_bytes(),
        "+f".repeat(48).as_bytes(),
    ] {
        std::fs::write(&key, damage).unwrap();
        let ended = serve(folder.path()).end().await;
        refuses(&ended, 1, &format!("the key {} is damaged", key.display()), "backup");
        assert_eq!(std::fs::read(&key).unwrap(), damage, "it may be mended by hand");
        assert!(!folder.path().join("boxoffice.db").exists());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.key"), "00112233445566778899aabbccddeeff".repeat(3)).unwrap();
    let file = folder.path().join("boxoffice.db");
    std::fs::write(&file, "Dear diary, today I sold nothing. ".repeat(300)).unwrap();
    let before = holdings(folder.path());
    let ended = serve(folder.path()).end().await;
    refuses(&ended, 1, &format!("{}: file is not a database", file.display()), "nothing was overwritten");
    let url = format!("sqlite:{}", file.display());
    refuses(&serve_on(&url).end().await, 1, "file is not a database", "name another");
    assert_eq!(holdings(folder.path()), before);
    // A folder instead of the file.
    let ended = serve_on(&format!("sqlite:{}", folder.path().display())).end().await;
    refuses(&ended, 1, "unable to open database file", "name another");
}

#[tokio::test]
async fn a_database_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.key"), "00112233445566778899aabbccddeeff".repeat(3)).unwrap();
    let url = format!("sqlite://{}/boxoffice.db?mode=rwc", folder.path().display());
    let foreign = sea_orm::Database::connect(url).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&foreign, "CREATE TABLE songs (title TEXT)").await.unwrap();
    foreign.close().await.unwrap();
    let before = holdings(folder.path());
    refuses(&serve(folder.path()).end().await, 1, "tables of another program", "name another database");
    let after = holdings(folder.path());
    // The header now says that the file is read through a write-ahead log, which changes no content.
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let url = format!("sqlite://{}/boxoffice.db", folder.path().display());
    let foreign = sea_orm::Database::connect(url).await.unwrap();
    assert_eq!(db::number(&foreign, "SELECT count(*) AS n FROM sqlite_master", []).await.unwrap(), 1);
}

/// Returns the number of rows of each table.
async fn census(db: &Db) -> Vec<(String, i64)> {
    let mut counts = Vec::new();
    for table in
        ["meta", "users", "event", "booking", "domain_event", "job", "notice", "seaql_migrations", "stream_head"]
    {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        counts.push((table.to_owned(), db::number(db.read(), &sql, []).await.unwrap()));
    }
    counts
}

#[apply(scene!)]
async fn a_database_of_a_newer_release(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let raise = |tx: db::Tx| async move {
        db::run(&tx, "UPDATE meta SET value = '999' WHERE name = 'min_compatible'", []).await
    };
    db.write::<_, DbError, _, _>(Priority::Interactive, raise).await.unwrap();
    let before = census(&db).await;
    // Closed, so that everything is in the one file.
    db.clone().close().await;
    let files = holdings(&place.data);
    for call in [
        place.serve(),
        place.serve_demo(),
        place.call(&["migrate"]),
        place
            .call(&["user", "create", "--role", "admin", "--email", "a@example.org", "--name", "A"])
            .reading("correct horse battery"),
        place.call(&["demo", "clear"]),
    ] {
        let ended = call.end().await;
        refuses(
            &ended,
            4,
            "written by a newer boxoffice (it needs release 999, this binary is release 1)",
            "upgrade boxoffice",
        );
    }
    assert_eq!(holdings(&place.data), files, "untouched");
    if let Target::Postgres(url) = &place.target {
        let same = sea_orm::Database::connect(url).await.unwrap();
        for (table, n) in before {
            assert_eq!(
                db::number(&same, &format!("SELECT count(*) AS n FROM {table}"), []).await.unwrap(),
                n,
                "{table}"
            );
        }
    }
}

mod a_postgres_that_is_not_migrated {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
    async fn postgres() {
        let folder = tempfile::tempdir().unwrap();
        let url = postgres::empty_database().await;
        let place = Place::of(&Target::Postgres(url.clone()), folder.path());
        let user = ["user", "create", "--role", "admin", "--email", "a@example.org", "--name", "A"];
        for call in [
            place.call(&["serve", "--listen", "127.0.0.1:0"]),
            place.call(&user).reading("correct horse battery"),
            place.call(&["demo", "accounts"]),
        ] {
            let what = "migrations to apply";
            refuses(&call.end().await, 4, what, "boxoffice migrate");
        }
        let server = sea_orm::Database::connect(&url).await.unwrap();
        let tables = "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = 'public'";
        assert_eq!(db::number(&server, tables, []).await.unwrap(), 0, "nothing was made");
        let migrated = place.call(&["migrate"]).end().await;
        assert_eq!(migrated.code, Some(0), "{migrated:?}");
        place.call(&["serve", "--listen", "127.0.0.1:0"]).begin().ready().await;
    }
}

#[tokio::test]
async fn a_flag_or_command_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, tip) in [
        (["serve", "--lisen", "127.0.0.1:0"].as_slice(), Some("'--listen'")),
        (&["serv"], Some("'serve'")),
        (&["migrate", "--databse-url", "x"], Some("'--database-url'")),
        (&["user", "creat"], Some("'create'")),
        (&["schema", "chek"], Some("'check'")),
        (&["serve", "extra"], None),
        (&["user", "create"], None),
        (&["user", "create", "--role", "boss", "--email", "a@example.org", "--name", "A"], None),
        (&["serve", "--log-format", "xml"], None),
        (&["serve", "--demo", "--no-demo"], None),
        (&["serve", "--listen"], None),
    ] {
        let ended = Call::new(arguments).standing_in(folder.path()).end().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("--help"), "{arguments:?}: {}", ended.stderr);
        if let Some(tip) = tip {
            let tips = ended.stderr.lines().any(|line| line.starts_with("  tip: ") && line.contains(tip));
            assert!(tips, "{arguments:?}: {}", ended.stderr);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
