//! An exchange through a front is the exchange with the service, frame by frame.

use std::net::SocketAddr;

use crate::canned;
use crate::service::{Service, front_before, front_before_address};
use crate::wire::{connect, exchange, grpc};

/// Compares an exchange directly with the service and through a front.
async fn check(path: &str, expected_end: &str) {
    let service = Service::start().await;
    check_at(service.addr, path, expected_end).await;
}

async fn check_at(service: SocketAddr, path: &str, expected_end: &str) {
    let (front, _log) = front_before_address(service).await;
    let direct = exchange(&connect(service).await, grpc(path)).await;
    let through = exchange(&connect(front.addr()).await, grpc(path)).await;
    assert_eq!(through, direct, "{path}");
    assert!(direct.ends_with(expected_end), "{path}: {direct}");
}

#[tokio::test]
async fn unary() {
    check("/unary", "DATA 5\nTRAILERS grpc-status=0 error-details-bin=AAEC").await;
}

#[tokio::test]
async fn an_answer_of_headers_alone_stays_one() {
    check("/trailers-only", "grpc-message=no%20such END_STREAM").await;
}

#[tokio::test]
async fn streams_keep_their_frames() {
    check("/stream?0", "TRAILERS grpc-status=0 error-details-bin=AAEC").await;
    check("/stream?4", "DATA 7\nTRAILERS grpc-status=0 error-details-bin=AAEC").await;
    check("/broken", "DATA 7\nDATA 7\nTRAILERS grpc-status=13 error-details-bin=AAEC").await;
    check("/without-status", "END_STREAM").await;
}

#[tokio::test]
async fn resets_keep_their_reason() {
    for code in [2, 7, 8, 11] {
        let service = canned::http2_reset(code).await;
        check_at(service, "/reset", &format!("content-type=application/grpc\nDATA 7\nRST_STREAM {code}"))
            .await;
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    check("/echo?a=b%20c&d", " x-seen-version=HTTP/2.0\nDATA 5 END_STREAM").await;
    check("/duplicates", "set-cookie=a=1 set-cookie=b=2 END_STREAM").await;
    check("/unknown", "DATA 9 END_STREAM").await;
}

#[tokio::test]
async fn a_long_stream_arrives_whole() {
    check("/stream?3000", "DATA 7\nTRAILERS grpc-status=0 error-details-bin=AAEC").await;
}

#[tokio::test]
async fn one_connection_of_a_caller_is_one_to_the_service() {
    let service = Service::start().await;
    let (front, _log) = front_before(&service).await;
    for _ in 0..2 {
        let caller = connect(front.addr()).await;
        for _ in 0..3 {
            exchange(&caller, grpc("/unary")).await;
        }
    }
    assert_eq!(*service.connections.borrow(), 2);
}
