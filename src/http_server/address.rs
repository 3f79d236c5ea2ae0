//! Address files: `listen.addr` and `admin.addr` beside the state file, written when the listeners are bound.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Longer than any address.
const MAX_LENGTH: usize = 100;

/// Where a program on this machine reaches a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(SocketAddr);

impl Address {
    /// The file that holds the address of the server `name`, beside the state file.
    pub fn file(state: &Path, name: &str) -> PathBuf {
        state.with_file_name(format!("{name}.addr"))
    }

    /// From the address that a listener is bound to. "All interfaces" is reached through the loopback.
    pub fn reached(mut bound: SocketAddr) -> Self {
        match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => bound.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => bound.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => (),
        }
        Self(bound)
    }

    /// Blocking, but only a few bytes at startup. A concurrent reader gets the old file or the new one, whole.
    pub fn write(self, file: &Path) -> io::Result<()> {
        let new = file.with_extension("addr.new");
        std::fs::write(&new, format!("{self}\n"))?;
        std::fs::rename(&new, file)
    }

    pub fn read(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let address = text.trim();
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "it holds no address");
        if address.len() > MAX_LENGTH {
            return Err(invalid());
        }
        address.parse().map(Self::reached).map_err(|_| invalid())
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
    fn a_written_address_is_read_back_and_all_interfaces_become_the_loopback() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Address::file(&folder.path().join("tidings.db"), "admin");
        for (bound, reached) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            Address::reached(bound.parse().expect("an address")).write(&file).expect("a writable folder");
            assert_eq!(Address::read(&file).expect("an address").to_string(), reached);
        }
        std::fs::write(&file, "elsewhere").expect("a writable folder");
        assert!(Address::read(&file).is_err());
    }
}
