//! What is written down when a request fails inside: one record, which the request id in the answer finds.
//! Not here: how the answer looks otherwise (`http`).

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::http::{json, post};
use super::stand::Stand;

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
    for (field, secret) in [("fails", "secret of a failure"), ("panics", "secret of a panic")] {
        records.0.lock().unwrap().clear();
        let query = format!("query Q($n: ID!) {{ event(id: $n) {{ id }} {field}: viewer {{ id }} }}");
        let body = json!({ "query": query, "variables": { "n": "variable4711" } }).to_string();
        let answer = json(post(&stand.app, body).send().await.unwrap()).await;
        assert!(!answer.to_string().contains("secret"), "{answer}");
        let internal =
            answer["errors"].as_array().unwrap().iter().find(|e| e["extensions"]["code"] == "INTERNAL").unwrap();
        let id = internal["extensions"]["requestId"].as_str().unwrap();
        let written = String::from_utf8(records.0.lock().unwrap().clone()).unwrap();
        let errors: Vec<&str> = written.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{written}");
        assert!(errors[0].contains(id) && errors[0].contains(secret), "{written}");
        assert!(!written.contains("variable4711"), "{written}");
    }
}
