//! Where the listeners can be found: `listen.addr` and `admin.addr` beside the state file, written when they listen.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Longer than any address that may stand there.
const LONGEST: usize = 100;

/// How this machine reaches somebody who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(SocketAddr);

impl Address {
    /// The file that holds the address of `who`, from the state file's path.
    pub fn file(state: &Path, who: &str) -> PathBuf {
        state.with_file_name(format!("{who}.addr"))
    }

    /// From where somebody listens. "Everywhere" is reached through the loopback.
    pub fn reached(mut listening: SocketAddr) -> Self {
        match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => listening.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => listening.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => (),
        }
        Self(listening)
    }

    /// Blocking, and only a few bytes: once, at the start. Whoever reads meanwhile sees the old file or the new one.
    pub fn write(self, file: &Path) -> io::Result<()> {
        let fresh = file.with_extension("addr.new");
        std::fs::write(&fresh, format!("{self}\n"))?;
        std::fs::rename(&fresh, file)
    }

    pub fn read(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let address = text.trim();
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "it holds no address");
        if address.len() > LONGEST {
            return Err(strange());
        }
        address.parse().map(Self::reached).map_err(|_| strange())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_everywhere_is_loopback() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Address::file(&folder.path().join("tidings.db"), "admin");
        for (listening, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            Address::reached(listening.parse().expect("an address")).write(&file).expect("a folder to write to");
            assert_eq!(Address::read(&file).expect("what was written").to_string(), reached);
        }
        std::fs::write(&file, "elsewhere").expect("a folder to write to");
        assert!(Address::read(&file).is_err());
    }
}
