//! A plain reader of results sent one by one over HTTP: server-sent events, and Apollo's multipart.
//! Not here: convenience of real clients; those are in `tests/clients`.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Actor, PATIENCE, TestApp};

/// A server-sent event as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `next`, `complete`, or empty for a comment.
    pub kind: String,
    pub id: Option<String>,
    /// Null where there is no text.
    pub data: Value,
}

/// An open answer, split at a delimiter.
pub struct Events {
    response: Response,
    buffer: String,
}

/// Returns a POST to `/graphql/stream`.
pub fn stream(app: &TestApp, query: &str, variables: Value) -> RequestBuilder {
    let url = format!("http://{}/graphql/stream", app.address);
    let body = json!({ "query": query, "variables": variables });
    app.http.post(url).header("accept", "text/event-stream").json(&body)
}

impl Actor {
    /// Returns the same as this user.
    pub fn stream(&self, query: &str, variables: Value) -> RequestBuilder {
        let request = stream(&self.app, query, variables);
        self.token.iter().fold(request, |request, token| request.bearer_auth(token))
    }
}

impl Events {
    /// Sends the request, and checks that the answer is a stream of this type.
    #[track_caller]
    pub fn open(request: RequestBuilder, content_type: &'static str) -> impl Future<Output = Self> {
        let at = std::panic::Location::caller();
        async move {
            let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("no answer").unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let given = headers["content-type"].to_str().unwrap();
            assert!(status == 200 && given.starts_with(content_type), "{at}: {status} {given}");
            assert_eq!(headers["cache-control"], "no-store");
            Self { response, buffer: String::new() }
        }
    }

    /// Returns the text before the next delimiter; none at the end of the answer.
    async fn until(&mut self, delimiter: &str) -> Option<String> {
        let read = async {
            loop {
                if let Some((before, behind)) = self.buffer.split_once(delimiter) {
                    let (before, behind) = (before.to_owned(), behind.to_owned());
                    self.buffer = behind;
                    return Some(before);
                }
                let chunk = self.response.chunk().await.ok()??;
                self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the stream says nothing")
    }

    /// Returns the next event, comments included.
    pub async fn event(&mut self) -> Option<Event> {
        let text = self.until("\n\n").await?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
        };
        let data = field("data").filter(|data| !data.is_empty());
        let data = data.map_or(Value::Null, |data| serde_json::from_str(&data).unwrap());
        Some(Event { kind: field("event").unwrap_or_default(), id: field("id"), data })
    }

    /// Returns the next result: its id and its data, without errors.
    pub async fn next(&mut self) -> (Option<String>, Value) {
        let event = self.event().await.expect("the stream is over");
        assert!(event.kind == "next" && event.data["errors"].is_null(), "{event:?}");
        (event.id, event.data["data"].clone())
    }

    /// Returns the remaining events.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }

    /// Returns the next of Apollo's parts; none after the last.
    pub async fn part(&mut self) -> Option<Value> {
        let text = self.until("\r\n--graphql").await?;
        if text.is_empty() {
            return Box::pin(self.part()).await; // before the first
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no part: {text}"));
        assert_eq!(head, "\r\ncontent-type: application/json");
        Some(serde_json::from_str(body).unwrap())
    }

    /// Returns the text after the last delimiter.
    pub async fn close_frame(mut self) -> String {
        while let Some(chunk) = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("no end").unwrap() {
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        self.buffer
    }
}
