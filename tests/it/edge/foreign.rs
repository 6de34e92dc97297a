//! Headers for browsers: the origins that may send requests, the restrictions of each answer, and compression.
//! Not here: the GraphiQL page's own headers (`assets`).

use boxoffice::http::cors::{Origins, origin};
use boxoffice::http::hosts::{Hosts, host};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::http::{ask, fails};
use crate::harness::binary::Call;
use crate::harness::events::Events;
use crate::harness::socket::Socket;
use crate::harness::{Stage, TestApp};

const SHOP: &str = "https://shop.example.org";

async fn open() -> (Stage, TestApp) {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.origins = Origins::new(vec![SHOP.to_owned()])).await;
    (stage, app)
}

fn preflight(app: &TestApp, path: &str, page: &str) -> RequestBuilder {
    let request = app.http.request(Method::OPTIONS, format!("http://{}{path}", app.address));
    let request = request.header("origin", page).header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "content-type,authorization")
}

fn header(response: &Response, name: &str) -> String {
    let values = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn no_foreign_page_may_ask() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let response = preflight(&app, "/graphql", SHOP).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(header(&response, "access-control-allow-origin"), "");
    let response = ask(&app, "{ __typename }").header("origin", SHOP).send().await.unwrap();
    assert_eq!(header(&response, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn but_those_on_the_list() {
    let (_stage, app) = open().await;
    for path in ["/graphql", "/graphql/stream"] {
        let response = preflight(&app, path, SHOP).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "access-control-allow-origin"), SHOP);
        assert_eq!(header(&response, "access-control-allow-methods"), "GET,POST");
        assert_eq!(header(&response, "access-control-allow-credentials"), "");
        let headers = header(&response, "access-control-allow-headers");
        for name in ["content-type", "authorization", "idempotency-key", "last-event-id", "apollo-require-preflight"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert!(header(&response, "vary").contains("origin"), "{}", header(&response, "vary"));
    }
    for other in ["https://evil.example", "http://shop.example.org", "https://shop.example.org.evil.example", "null"] {
        let response = preflight(&app, "/graphql", other).send().await.unwrap();
        assert_eq!(header(&response, "access-control-allow-origin"), "", "{other}");
        let response = ask(&app, "{ __typename }").header("origin", other).send().await.unwrap();
        assert_eq!(header(&response, "access-control-allow-origin"), "", "{other}");
        assert!(header(&response, "vary").contains("origin"), "a cache must not mix them up");
        let refused = Socket::connect_with(&app.address, &[("origin", other)]).await;
        assert!(refused.is_err(), "{other}");
    }
    // Its pages may read answers, refusals too, send GET requests, and open sockets.
    let response = ask(&app, "{ __typename }").header("origin", SHOP).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "access-control-allow-origin")), (200, SHOP.to_owned()));
    let response = ask(&app, "{").bearer_auth("nobody").header("origin", SHOP).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "access-control-allow-origin")), (401, SHOP.to_owned()));
    let get = || {
        app.http
            .get(format!("http://{}/graphql?query={{__typename}}", app.address))
            .header("sec-fetch-site", "cross-site")
    };
    assert_eq!(get().header("origin", SHOP).send().await.unwrap().status(), 200);
    fails(get().header("origin", "https://evil.example"), 403, "FORBIDDEN").await;
    fails(get(), 403, "FORBIDDEN").await;
    // Over plain HTTP to another machine, browsers send the origin only.
    let bare = || app.http.get(format!("http://{}/graphql?query={{__typename}}", app.address));
    assert_eq!(bare().header("origin", SHOP).send().await.unwrap().status(), 200);
    fails(bare().header("origin", "http://evil.example"), 403, "FORBIDDEN").await;
    let asked_first = bare().header("origin", "http://evil.example").header("apollo-require-preflight", "1");
    assert_eq!(asked_first.send().await.unwrap().status(), 200);
    let own = bare().header("origin", format!("http://{}", app.address));
    assert_eq!(own.send().await.unwrap().status(), 200);
    Socket::connect_with(&app.address, &[("origin", SHOP), ("sec-websocket-protocol", "graphql-transport-ws")])
        .await
        .unwrap();
}

#[tokio::test]
async fn an_origin_is_written_as_browsers_send_it() {
    for (text, expected) in [
        (SHOP, SHOP),
        ("HTTPS://Shop.Example.org", SHOP),
        ("https://shop.example.org:443", SHOP),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ] {
        assert_eq!(origin(text).as_deref(), Ok(expected));
    }
    for text in [
        "",
        "*",
        "null",
        "shop.example.org",
        "https://",
        "https://*.example.org",
        "https://shop.example.org/",
        "https://shop.example.org/path",
        "https://shop.example.org?x",
        "https://user@shop.example.org",
        "ftp://shop.example.org",
        "https://shop.example.org:99999",
        "https://shop.example.org:",
        "https://a b",
    ] {
        assert!(origin(text).is_err(), "{text}");
        let ended = Call::new(["serve", "--listen", "127.0.0.1:0", "--allow-origin", text]).end().await;
        assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let settings =
        format!("listen = \"127.0.0.1:0\"\nno_demo = true\nallow_origin = [\"https://a.example\", \"{SHOP}\"]\n");
    std::fs::write(folder.path().join("boxoffice.toml"), settings).unwrap();
    let served = Call::new(["serve"]).standing_in(folder.path()).begin().ready().await;
    for page in [SHOP, "https://a.example"] {
        let request = reqwest::Client::new().get(format!("http://{}/healthz", served.address)).header("origin", page);
        assert_eq!(header(&request.send().await.unwrap(), "access-control-allow-origin"), page);
    }
    let ended = Call::new(["serve"]).env("BOXOFFICE_ALLOW_ORIGINS", "https://a.example,*").end().await;
    assert!(ended.code == Some(2) && ended.stderr.contains("is no origin"), "{ended:?}");
}

#[tokio::test]
async fn every_answer_says_what_it_is_not_for() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let get = |path: &str| app.http.get(format!("http://{}{path}", app.address));
    for (request, status) in [
        (ask(&app, "{ __typename }"), 200),
        (ask(&app, "{ __typename }").bearer_auth("nobody"), 401),
        (get("/graphql?query={__typename}"), 200),
        (get("/graphql/ws"), 426),
        (get("/graphql/stream").header("accept", "image/png"), 406),
        (get("/healthz"), 200),
        (get("/nothing"), 404),
        (get("/graphiql/assets/nothing"), 404),
        (get("/graphiql/demo.json"), 200),
    ] {
        let response = request.header("x-forwarded-proto", "https").send().await.unwrap();
        assert_eq!(response.status(), status);
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("origin-agent-cluster", "?1"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-dns-prefetch-control", "off"),
            ("x-download-options", "noopen"),
            ("x-frame-options", "DENY"),
            ("x-permitted-cross-domain-policies", "none"),
            ("x-xss-protection", "0"),
        ] {
            assert_eq!(header(&response, name), value, "{name} of {}", response.url());
        }
        assert_eq!(header(&response, "x-powered-by") + &header(&response, "server"), "");
    }
    let plain = get("/healthz").send().await.unwrap();
    assert_eq!(header(&plain, "strict-transport-security"), "", "browsers would never come back without https");
    let page = get("/graphiql").send().await.unwrap();
    assert!(header(&page, "content-security-policy").starts_with("default-src 'self'; worker-src"), "it needs scripts");
}

#[tokio::test]
async fn long_answers_are_packed_and_streams_are_not() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let event = organizer.event(3).await;
    for _ in 0..9 {
        organizer.event(1).await;
    }
    let long = "{ events(first: 10) { nodes { id title venue slug startsAt endsAt timeZone } } }";
    let packed = ask(&app, long).header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
    assert!(header(&packed, "vary").contains("accept-encoding"));
    let (mut text, bytes) = (String::new(), packed.bytes().await.unwrap());
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*bytes), &mut text).unwrap();
    assert!(text.contains("Rust Nation") && text.len() > bytes.len());
    for (query, accepted) in [(long, "identity"), (long, "gzip;q=0"), ("{ __typename }", "gzip")] {
        let answer = ask(&app, query).header(ACCEPT_ENCODING, accepted).send().await.unwrap();
        assert!(answer.headers().get(CONTENT_ENCODING).is_none(), "{query} {accepted}");
    }
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { available } }";
    let body = json!({ "query": watch, "variables": { "id": event } });
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let request = app.http.post(format!("http://{}/graphql", app.address)).json(&body);
        let request = request.header("accept", accept).header(ACCEPT_ENCODING, "gzip");
        let mut open = Events::open(request, accept.split(';').next().unwrap_or_default()).await;
        let first = match accept {
            "text/event-stream" => open.next().await.1["availabilityChanged"].clone(),
            _ => open.part().await.unwrap()["payload"]["data"]["availabilityChanged"].clone(),
        };
        assert_eq!(first, json!({ "available": 3 }));
    }
    let page = app.http.get(format!("http://{}/graphiql", app.address)).header(ACCEPT_ENCODING, "gzip");
    let page = page.send().await.unwrap();
    assert_eq!(header(&page, CONTENT_ENCODING.as_str()), "gzip", "once");
    assert!(header(&page, CONTENT_TYPE.as_str()).starts_with("text/html") && page.headers().contains_key(VARY));
}

/// A page can give its own name the address of this machine. Its requests then have that name in `Host`.
#[tokio::test]
async fn a_service_of_this_machine_is_not_asked_by_a_name_of_others() {
    let stage = Stage::sqlite();
    let names = || Hosts::named(["tickets.example.org".to_owned()]);
    let app = stage.app_with(|options| options.hosts = names()).await;
    for (name, allowed) in [
        ("localhost", true),
        ("LOCALHOST:8080", true),
        ("boxoffice.localhost:8080", true),
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("192.168.0.7", true), // no name, so it cannot have been given this address
        ("tickets.example.org", true),
        ("Tickets.Example.org.:443", true),
        ("evil.example", false),
        ("evil.example:8080", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("other.tickets.example.org", false),
        ("", false),
    ] {
        for path in ["/graphql?query={__typename}", "/graphiql", "/graphiql/demo.json"] {
            let response =
                app.http.get(format!("http://{}{path}", app.address)).header("host", name).send().await.unwrap();
            assert_eq!(response.status(), if allowed { 200 } else { 421 }, "{name} {path}");
        }
        let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("host", name)];
        assert_eq!(Socket::connect_with(&app.address, &headers).await.is_ok(), allowed, "{name}");
    }
    fails(ask(&app, "{ __typename }").header("host", "evil.example"), 421, "FORBIDDEN").await;
    for wrong in ["", "https://a.example", "a.example:80", "*.example", "a b"] {
        assert!(host(wrong).is_err(), "{wrong}");
    }
}

/// A demo on this machine is protected by default; a name can be allowed.
#[tokio::test]
async fn the_program_guards_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let call = || Call::new(["serve", "--listen", "127.0.0.1:0"]).standing_in(folder.path());
    let status = async |served: &str, name: &str| {
        let request = reqwest::Client::new().get(format!("http://{served}/healthz"));
        request.header("host", name).send().await.unwrap().status().as_u16()
    };
    let served = call().begin().ready().await;
    assert_eq!(status(&served.address, "localhost").await, 200);
    assert_eq!(status(&served.address, "rebound.example").await, 421);
    drop(served);
    let served = call().and("--allow-host").and("rebound.example").begin().ready().await;
    assert_eq!(status(&served.address, "rebound.example").await, 200);
}
