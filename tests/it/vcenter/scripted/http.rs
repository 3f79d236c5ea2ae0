//! HTTP/1.1 on loopback, as far as the client needs it, and its failures.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a cookie, as sent.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
        cookies.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

pub(super) enum Answer {
    Whole {
        status: u16,
        kind: &'static str,
        cookie: Option<String>,
        body: String,
    },
    /// The connection ends after this part of a longer answer.
    Broken(String),
    /// No answer until the client closes the connection.
    Never,
}

pub(super) const XML: &str = "text/xml; charset=utf-8";

pub(super) fn whole(status: u16, body: String) -> Answer {
    Answer::Whole { status, kind: XML, cookie: None, body }
}

type Answering = Arc<dyn Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync>;

/// Can be closed and opened again. Dropping it closes all connections.
pub(super) struct HttpPort {
    address: SocketAddr,
    /// Bound but not listening, so that no other process gets the port while it is closed.
    _reserved: TcpSocket,
    answering: Answering,
    open: Mutex<JoinSet<()>>,
}

impl HttpPort {
    pub(super) fn open(answering: impl Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync + 'static) -> Self {
        let reserved = bound((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback");
        let address = reserved.local_addr().expect("an address");
        let port = Self { address, _reserved: reserved, answering: Arc::new(answering), open: Mutex::default() };
        port.reopen();
        port
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn close(&self) {
        let mut open = std::mem::take(&mut *self.open.lock().expect("unpoisoned"));
        open.shutdown().await;
    }

    pub(super) fn reopen(&self) {
        let listener = bound(self.address).and_then(|socket| socket.listen(64)).expect("the port is ours");
        self.open.lock().expect("unpoisoned").spawn(accept(listener, Arc::clone(&self.answering)));
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, answering: Answering) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let answering = Arc::clone(&answering);
        connections.spawn(async move {
            // A client may close its connection at any time.
            drop(converse(stream, &answering).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, answering: &Answering) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader).await? {
        match answering(request).await {
            Answer::Whole { status, kind, cookie, body } => {
                let cookie = cookie.map(|cookie| format!("set-cookie: {cookie}\r\n")).unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\n{cookie}content-length: {}\r\n\r\n",
                    body.len()
                );
                reader.get_mut().write_all(head.as_bytes()).await?;
                reader.get_mut().write_all(body.as_bytes()).await?;
            }
            Answer::Broken(part) => {
                let length = part.len() + 1000;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n");
                reader.get_mut().write_all(format!("{head}{part}").as_bytes()).await?;
                return reader.get_mut().shutdown().await;
            }
            Answer::Never => return tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.map(drop),
        }
    }
    Ok(())
}

async fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request { method, path, headers: Vec::new(), body: String::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    request.body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(Some(request))
}
