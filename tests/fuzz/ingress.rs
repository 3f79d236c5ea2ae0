//! What is written to the listener's socket, from the first byte of a head to the end.

use std::pin::pin;
use std::time::Duration;

use tidings::event::Name;
use tidings::ingress::{Accepted, Answer, Endpoint, Hook, HookRequest, Receiver, open};
use tidings::metrics::Metrics;
use tidings::stop::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::engine::Target;
use crate::posts::runtime;

struct Anything;

impl Receiver for Anything {
    async fn receive(&self, request: HookRequest) -> Answer {
        Ok(Accepted::accepted(request.body.len()))
    }
}

#[test]
fn listener() {
    let corpus = [
        "POST /hooks/in HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "POST /hooks/in?a=%20b HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n",
        "POST /hooks/in HTTP/1.1\r\nHost: door\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        "OPTIONS /hooks/in HTTP/1.1\r\nHost: door\r\nWebHook-Request-Origin: example.com\r\nWebHook-Request-Rate: 120\r\n\r\n",
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
    let place =
        Endpoint { metrics: metrics.endpoint(&name), name, hook: Hook::named().asked_first(), receiver: Anything };
    let mut listener = pin!(open(listener, vec![place], metrics.endpoint(&Name::from("-")), Stop::default()));
    Target { name: "door", corpus, words, longest: 1 << 14 }.fuzz(|bytes| {
        let visit = async {
            let mut tcp = TcpStream::connect(address).await.expect("the listener is there");
            // It may have heard enough before the end.
            let _told = tcp.write_all(bytes).await;
            let _over = tcp.shutdown().await;
            let mut answer = Vec::new();
            let _read = timeout(Duration::from_secs(10), tcp.read_to_end(&mut answer)).await.expect("it hangs up");
            answer
        };
        let answer = runtime.block_on(async {
            tokio::select! { answer = visit => answer, end = &mut listener => panic!("the listener closed: {end:?}") }
        });
        let text = String::from_utf8_lossy(&answer);
        // The library below also takes HTTP/2, which it greets in its own way.
        let is_http_2 = bytes.starts_with(b"PRI * HTTP/2.0");
        assert!(is_http_2 || answer.is_empty() || text.starts_with("HTTP/1."), "{text}");
        let statuses: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("HTTP/1.")).map(str::to_owned).collect();
        assert!(statuses.iter().all(|status| !status.contains(" 500")), "{text}");
        statuses.into_iter().take(3).collect::<Vec<_>>()
    });
}
