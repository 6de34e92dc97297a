//! Expensive reads: a few of one viewer at a time, further ones wait in turn, too many are refused.
//! Not here: which reads are expensive (`graphql::catalog`, `graphql::booking`).

use std::net::{IpAddr, Ipv4Addr};

use boxoffice::graphql::expensive::{Expensive, Viewer};
use futures_util::FutureExt;

#[tokio::test]
async fn reads_of_one_viewer_take_turns() {
    let (all, one) = (Expensive::default(), Viewer::Address(Some(IpAddr::V4(Ipv4Addr::LOCALHOST))));
    let first = all.enter(one).await.unwrap();
    let second = all.enter(one).await.unwrap();
    let mut third = Box::pin(all.enter(one));
    assert!((&mut third).now_or_never().is_none(), "a third one waits");
    let other = all.enter(Viewer::Address(None)).now_or_never().expect("another viewer does not wait for this one");
    assert!(other.is_some());
    drop(first);
    let third = third.await.unwrap();
    drop((second, third));
    // A read that stops waiting leaves the queue.
    let held = (all.enter(one).await.unwrap(), all.enter(one).await.unwrap());
    for _ in 0..100 {
        assert!(all.enter(one).now_or_never().is_none());
    }
    let mut waiting: Vec<_> = (0..30).map(|_| Box::pin(all.enter(one))).collect();
    for read in &mut waiting {
        assert!(read.now_or_never().is_none());
    }
    assert!(all.enter(one).now_or_never().expect("refused at once").is_none(), "the queue is bounded");
    drop(held);
}
