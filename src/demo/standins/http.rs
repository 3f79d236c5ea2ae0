//! HTTP/1.1 as far as a stand-in needs it: requests and answers with a Content-Length, on kept connections.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The request line and the headers together.
const HEAD_MAX: u64 = 16 * 1024;
/// More than any vendor takes, so that the vendor's own limit applies first.
const BODY_MAX: usize = 2 * 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// As it was received, not decoded; empty if there was none.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The vendor's rule that the request broke.
    pub offence: Option<String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    }

    /// The values of a query parameter, not decoded.
    pub fn query_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(move |(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    pub(super) fn closes_connection(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Reply {
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body: body.into().into_bytes(), offence: None }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), offence: None }
    }

    /// With a `Retry-After` header, if there are `seconds`.
    #[must_use]
    pub fn after(mut self, seconds: Option<u32>) -> Self {
        self.headers.extend(seconds.map(|seconds| ("retry-after", seconds.to_string())));
        self
    }

    /// The same answer, with the rule that the request broke.
    #[must_use]
    pub fn offended(mut self, rule: impl Into<String>) -> Self {
        self.offence = Some(rule.into());
        self
    }
}

/// One client's connection.
pub(super) struct HttpConnection {
    reader: BufReader<TcpStream>,
}

pub(super) enum Incoming {
    Request(Request),
    /// Not HTTP as this module reads it; the connection ends with this answer.
    Bad(Reply),
    End,
}

impl HttpConnection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    pub(super) async fn read(&mut self) -> io::Result<Incoming> {
        let mut left = HEAD_MAX;
        let Some(first) = self.line(&mut left).await? else { return Ok(Incoming::End) };
        let at = Instant::now();
        let mut parts = first.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1")) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(bad(400, format!("not a request line of HTTP/1.1: {first:?}")));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        let mut headers = Vec::new();
        loop {
            let Some(line) = self.line(&mut left).await? else { return Ok(Incoming::End) };
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Ok(bad(400, format!("not a header: {line:?}")));
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, path, query, headers, body: Vec::new(), at };
        if request.header("transfer-encoding").is_some() {
            return Ok(bad(411, "a body without Content-Length".to_owned()));
        }
        let length = match request.header("content-length").map(str::parse) {
            None => 0,
            Some(Ok(length)) if length <= BODY_MAX => length,
            Some(Ok(_)) => return Ok(bad(413, format!("a body of more than {BODY_MAX} bytes"))),
            Some(Err(_)) => return Ok(bad(400, "a Content-Length that is no number".to_owned())),
        };
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).await?;
        request.body = body;
        Ok(Incoming::Request(request))
    }

    pub(super) async fn write(&mut self, reply: &Reply) -> io::Result<()> {
        let mut head = vec![format!("HTTP/1.1 {} ", reply.status)];
        head.extend(reply.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        head.push(format!("content-length: {}\r\n\r\n", reply.body.len()));
        let mut bytes = head.join("\r\n").into_bytes();
        bytes.extend_from_slice(&reply.body);
        self.reader.get_mut().write_all(&bytes).await
    }

    /// Writes the body of a 500 until the client closes the connection.
    pub(super) async fn write_endless(&mut self) -> io::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(b"HTTP/1.1 500 \r\ncontent-type: text/plain\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'.'; 4096]).await?;
        }
    }

    /// Sends nothing until the client closes the connection.
    pub(super) async fn stall(&mut self) -> io::Result<()> {
        tokio::io::copy(&mut self.reader, &mut tokio::io::sink()).await.map(drop)
    }

    /// Ends with RST instead of FIN.
    pub(super) fn reset(self) -> io::Result<()> {
        self.reader.get_ref().set_zero_linger()
    }

    /// A line without its line break; None if the connection ended.
    async fn line(&mut self, left: &mut u64) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(*left).read_until(b'\n', &mut line).await?;
        *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        match line.pop() {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn bad(status: u16, reason: String) -> Incoming {
    Incoming::Bad(Reply::text(status, reason.clone()).offended(reason))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Sends the URL as it is given, and no other headers.
    pub(in super::super) async fn raw(url: &str, kind: &str, body: &str) -> io::Result<(u16, String)> {
        let length = body.len();
        let head = format!("content-type: {kind}\r\ncontent-length: {length}\r\n");
        exchange("POST", url, &head, body).await
    }

    pub(in super::super) async fn post(url: &str, body: &str) -> (u16, String) {
        raw(url, "application/json; charset=utf-8", body).await.unwrap()
    }

    pub(in super::super) async fn exchange(
        method: &str,
        url: &str,
        head: &str,
        body: &str,
    ) -> io::Result<(u16, String)> {
        let (host, target) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("{method} /{target} HTTP/1.1\r\nconnection: close\r\n{head}\r\n{body}");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Ok((status, body.to_owned()))
    }

    #[tokio::test]
    async fn requests_are_kept_apart_on_one_connection_and_bad_ones_end_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = HttpConnection::new(listener.accept().await.unwrap().0).unwrap();
        let sent = b"POST /a?b=%3D HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n";
        client.write_all(sent).await.unwrap();
        let Incoming::Request(first) = connection.read().await.unwrap() else { panic!("no request") };
        assert_eq!((first.path.as_str(), first.query.as_str(), first.body.as_slice()), ("/a", "b=%3D", &b"abc"[..]));
        let Incoming::Request(second) = connection.read().await.unwrap() else { panic!("no request") };
        assert_eq!((second.method.as_str(), second.body.len()), ("GET", 0));
        assert!(matches!(connection.read().await.unwrap(), Incoming::Bad(Reply { status: 413, .. })));
    }
}
