//! The GraphiQL page out of the binary: headers, both encodings, caching, what is not there.
//! Not here: what the page does (`tests/browser`).

use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use reqwest::redirect::Policy;

use crate::harness::Stage;

#[tokio::test]
async fn the_page_and_its_files() {
    let app = Stage::sqlite().app().await;
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let get = |path: &str| client.get(format!("http://{}{path}", app.address));
    assert_eq!(get("/").send().await.unwrap().headers()["location"], "/graphiql");

    let page = get("/graphiql").send().await.unwrap();
    assert_eq!((page.status().as_u16(), &page.headers()[CACHE_CONTROL]), (200, &"no-cache".parse().unwrap()));
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let html = page.text().await.unwrap();
    assert!(html.contains("Boxoffice") && !html.contains("https://"), "nothing from elsewhere");

    let file = "/graphiql/assets/graphiql.js";
    let packed = get(file).header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
    assert!(packed.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/javascript"));
    let tag = packed.headers()[ETAG].clone();
    let again = get(file).header(ACCEPT_ENCODING, "gzip").header(IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let plain = get(file).send().await.unwrap();
    assert!(plain.headers().get(CONTENT_ENCODING).is_none());
    assert!(plain.bytes().await.unwrap().len() > 1_000_000);
    for absent in
        ["/graphiql/assets/nothing.js", "/graphiql/assets/../index.html", "/graphiql/assets/%2e%2e/secret.key"]
    {
        assert_eq!(get(absent).send().await.unwrap().status(), 404, "{absent}");
    }
}
