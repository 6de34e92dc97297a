//! graphql-transport-ws: any text is a message, or closes the socket with a code and a reason that fits into its frame.
//! Not here: bytes below the text (the library's), and what a message leads to.
#![no_main]

use boxoffice::http::websocket::protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(close) = protocol::read(text) {
        let frame = close.frame();
        assert!((4400..4500).contains(&frame.code), "{}", frame.code);
        assert!(frame.reason.len() <= 123, "{}", frame.reason.len());
    }
});
