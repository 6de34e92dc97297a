//! What is written down when a request fails inside: one record, which the request id in the answer finds.
//! Not here: how the answer looks otherwise (`http`).

use std::io::Write;
use std::sync::{Arc, Mutex};

use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::http::{json, post};
use super::stand::Stand;
use crate::harness::events::Events;
use crate::harness::socket::Socket;

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<u8>>>);

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn one_record_per_masked_answer_and_no_variables_in_it() {
    let records = Records::default();
    let writer = records.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // While there is only one subscriber, a thread without one could decide for all that nobody listens.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber); // this thread runs the server too
    let stand = Stand::open(|_| ()).await;
    let fails = "query Q($n: ID!) { event(id: $n) { id } fails: viewer { id } }";
    let panics = fails.replace("fails", "panics");
    let outside = "query Panics($n: ID!) { event(id: $n) { id } }";
    let cases = [
        (Way::Post, fails, "Q", "secret of a failure"),
        (Way::Post, &panics, "Q", "secret of a panic"),
        (Way::Post, outside, "Panics", "secret of a panic outside"),
        (Way::Socket, &panics, "Q", "secret of a panic"),
        (Way::Socket, outside, "Panics", "secret of a panic outside"),
        (Way::Events, outside, "Panics", "secret of a panic outside"),
    ];
    for (way, query, name, secret) in cases {
        records.0.lock().unwrap().clear();
        let asked = json!({ "query": query, "operationName": name, "variables": { "n": "variable4711" } });
        let answer = way.ask(&stand, asked).await;
        let case = format!("{way:?} {name}: {answer}");
        assert!(!answer.to_string().contains("secret"), "{case}");
        // A request error over a socket is the list itself.
        let errors = answer["errors"].as_array().or(answer.as_array()).expect(&case);
        let internal = errors.iter().find(|error| error["extensions"]["code"] == "INTERNAL").expect(&case);
        let id = internal["extensions"]["requestId"].as_str().expect(&case);
        let written = String::from_utf8(records.0.lock().unwrap().clone()).unwrap();
        let errors: Vec<&str> = written.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{case}\n{written}");
        assert!(errors[0].contains(id) && errors[0].contains(secret), "{case}\n{written}");
        assert!(!written.contains("variable4711"), "{case}\n{written}");
    }
}

/// How a request comes in.
#[derive(Debug)]
enum Way {
    Post,
    Socket,
    Events,
}

impl Way {
    /// The first answer.
    async fn ask(&self, stand: &Stand, asked: Value) -> Value {
        match self {
            Self::Post => json(post(&stand.app, asked.to_string()).send().await.unwrap()).await,
            Self::Socket => {
                let mut socket = Socket::open(&stand.app.address, None).await;
                socket.say(json!({ "type": "subscribe", "id": "1", "payload": asked })).await;
                socket.message().await["payload"].take()
            }
            Self::Events => {
                let url = format!("http://{}/graphql/stream", stand.app.address);
                let request = stand.app.http.post(&url).header(ACCEPT, "text/event-stream").json(&asked);
                Events::open(request, "text/event-stream").await.rest().await.remove(0).data
            }
        }
    }
}
