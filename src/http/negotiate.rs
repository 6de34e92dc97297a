//! Media types that a client accepts and sends: `Accept` with q-values, and the content type of a body. Pure.
//! Not here: the answers in these types (`http::graphql`).

use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};

/// Media type of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`: the status shows whether the request was well-formed.
    Json,
    /// `application/graphql-response+json`: the status shows whether the request was executed.
    GraphqlResponse,
}

impl Media {
    /// Returns the value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::GraphqlResponse => "graphql-response+json",
        }
    }
}

/// Framing of a stream of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `text/event-stream`: `graphql-sse` with distinct connections.
    Events,
    /// `multipart/mixed;subscriptionSpec=1.0`: Apollo's protocol.
    Parts,
}

/// Returns the framing for a stream of results that a client names in `Accept`, if any. A wildcard names none.
pub fn framing(headers: &HeaderMap) -> Option<Framing> {
    let named = list(headers, ACCEPT).filter_map(Range::parse).filter(|range| range.weight > 0);
    let framings = named.filter_map(|range| {
        let framing = match (range.kind.as_str(), range.subtype.as_str()) {
            ("text", "event-stream") => Framing::Events,
            ("multipart", "mixed") if range.subscriptions => Framing::Parts,
            _ => return None,
        };
        Some((range.weight, framing))
    });
    // The first one wins among equals.
    framings.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, framing)| framing)
}

/// Returns true if a client accepts an event stream: by name, by wildcard, or because it sends no `Accept`.
pub fn takes_events(headers: &HeaderMap) -> bool {
    let fits = |range: &Range| match range.precision {
        0 => true,
        1 => range.kind == "text",
        _ => range.kind == "text" && range.subtype == "event-stream",
    };
    let ranges = list(headers, ACCEPT).filter_map(Range::parse).filter(fits);
    !headers.contains_key(ACCEPT) || ranges.max_by_key(|range| range.precision).is_some_and(|range| range.weight > 0)
}

/// Returns the media type of the answer; `None` when the client accepts none.
///
/// The highest q-value wins. Among equals a named type beats one that a wildcard covers, and then the richer one wins.
/// A client without a preference gets `application/json`, which every client understands.
pub fn response(headers: &HeaderMap) -> Option<Media> {
    if !headers.contains_key(ACCEPT) {
        return Some(Media::Json);
    }
    let ranges: Vec<Range> = list(headers, ACCEPT).filter_map(Range::parse).collect();
    let weigh = |media: Media| {
        let fitting = ranges.iter().filter(|range| range.covers(media));
        fitting.max_by_key(|range| range.precision).map(|range| (range.weight, range.precision))
    };
    let best = [Media::Json, Media::GraphqlResponse].map(|media| (weigh(media), media));
    match best {
        [(Some(json), _), (Some(rich), _)] if json.0 == 0 && rich.0 == 0 => None,
        [(Some(json), _), (Some(rich), _)] => {
            // Precision decides only between equals, and a wildcard names no type.
            let named = rich.1 == 2;
            let richer = rich.0 > json.0 || (rich.0 == json.0 && named);
            Some(if richer { Media::GraphqlResponse } else { Media::Json })
        }
        [(Some((weight, _)), media), (None, _)] | [(None, _), (Some((weight, _)), media)] => {
            (weight > 0).then_some(media)
        }
        [(None, _), (None, _)] => None,
    }
}

/// Media range of an `Accept` header.
struct Range {
    kind: String,
    subtype: String,
    /// Quality in thousandths.
    weight: u16,
    /// Precision: 0 for `*/*`, 1 for `application/*`, 2 for a type.
    precision: u8,
    /// True if it has the parameter of Apollo's protocol for subscriptions, in its only version.
    subscriptions: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let mut subscriptions = false;
        let mut weight = None;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("q") {
                weight = weight.or(Some(quality(value)));
            }
            subscriptions |= name.eq_ignore_ascii_case("subscriptionSpec") && value.trim_matches('"') == "1.0";
        }
        let (kind, subtype) = (kind.trim().to_ascii_lowercase(), subtype.trim().to_ascii_lowercase());
        let precision = match (kind.as_str(), subtype.as_str()) {
            ("*", "*") => 0,
            (_, "*") => 1,
            _ => 2,
        };
        Some(Self { kind, subtype, weight: weight.unwrap_or(1_000), precision, subscriptions })
    }

    fn covers(&self, media: Media) -> bool {
        match self.precision {
            0 => true,
            1 => self.kind == "application",
            _ => self.kind == "application" && self.subtype == media.subtype(),
        }
    }
}

/// Returns a q-value in thousandths. An invalid one refuses the range instead of preferring it.
fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1_000.0).round() as u16,
        _ => 0,
    }
}

/// Checks that a body is `application/json` in UTF-8 and not compressed. The error describes the mismatch.
pub fn json_body(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err("A compressed body is not accepted: leave Content-Encoding out.");
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else {
        return Err("Send the request as Content-Type: application/json.");
    };
    let given = given.to_str().unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Err("Send the request as Content-Type: application/json.");
    }
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset")
            && !["utf-8", "utf8"].iter().any(|u| u.eq_ignore_ascii_case(value))
        {
            return Err("Send the request in UTF-8.");
        }
    }
    Ok(())
}

/// Returns the items of a header with a comma-separated list, which may be sent several times.
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}
