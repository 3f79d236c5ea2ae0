//! Bytes on the listener's socket, from the first of a head to the last.

use std::pin::pin;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use tidings::event::Name;
use tidings::http_server::HttpError;
use tidings::ingress::{Accepted, Endpoint, EndpointConfig, HookRequest, Receiver, serve};
use tidings::metrics::Metrics;
use tidings::stop::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::engine::Target;
use crate::posts::runtime;

struct AcceptEverything;

impl Receiver for AcceptEverything {
    async fn receive(&self, request: HookRequest) -> Result<Response, HttpError> {
        Ok(Accepted::new(request.body.len()).into_response())
    }
}

#[test]
fn listener() {
    let corpus = [
        "POST /hooks/in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "POST /hooks/in?a=%20b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n",
        "POST /hooks/in HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        "OPTIONS /hooks/in HTTP/1.1\r\nHost: x\r\nWebHook-Request-Origin: example.com\r\nWebHook-Request-Rate: 120\r\n\r\n",
        "GET /%68ooks/in HTTP/1.0\r\nConnection: keep-alive\r\n\r\nPOST /hooks/no HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let words = &[
        "POST ",
        "OPTIONS ",
        "GET ",
        " HTTP/1.1\r\n",
        "HTTP/1.0",
        "\r\n",
        "\r\n\r\n",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Host: ",
        "/hooks/in",
        "%2f",
        "//",
        "?",
        "#",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "Upgrade: h2c\r\n",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "\t",
    ];
    let corpus = corpus.map(|text| text.as_bytes().to_vec()).to_vec();
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (name, metrics) = (Name::from("in"), Metrics::new());
    let config = EndpointConfig::default().with_preflight();
    let endpoint = Endpoint { metrics: metrics.endpoint(&name), name, config, receiver: AcceptEverything };
    let mut server = pin!(serve(listener, vec![endpoint], metrics.endpoint(&Name::from("-")), Stop::default()));
    Target { name: "listener", corpus, words, longest: 1 << 14 }.fuzz(|bytes| {
        let request = async {
            let mut tcp = TcpStream::connect(address).await.expect("a listener");
            // The server may close the connection before the end.
            let _written = tcp.write_all(bytes).await;
            let _shut_down = tcp.shutdown().await;
            let mut answer = Vec::new();
            let _read =
                timeout(Duration::from_secs(10), tcp.read_to_end(&mut answer)).await.expect("the connection is closed");
            answer
        };
        let answer = runtime.block_on(async {
            tokio::select! { answer = request => answer, end = &mut server => panic!("the server ended: {end:?}") }
        });
        let text = String::from_utf8_lossy(&answer);
        // The library also accepts HTTP/2, with its own preface.
        let is_http_2 = bytes.starts_with(b"PRI * HTTP/2.0");
        assert!(is_http_2 || answer.is_empty() || text.starts_with("HTTP/1."), "{text}");
        let statuses: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("HTTP/1.")).map(str::to_owned).collect();
        assert!(statuses.iter().all(|status| !status.contains(" 500")), "{text}");
        statuses.into_iter().take(3).collect::<Vec<_>>()
    });
}
