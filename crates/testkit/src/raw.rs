//! Bytes on a socket, for requests that no honest client sends.

use core::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection of which the test writes every byte.
pub struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the server listens"))
    }

    /// Writes `bytes`; whether the server still wanted them does not matter.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Everything until the server closes; a reset counts as an end.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// One head and what its `Content-Length` announces.
    ///
    /// # Panics
    /// If the server closes before.
    pub async fn answer(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
                });
                if body.len() >= length.unwrap_or(Ok(0)).expect("a length is a number") {
                    return text;
                }
            }
            let mut chunk = [0; 4096];
            let read = self.0.read(&mut chunk).await.expect("the connection stands");
            assert!(read > 0, "the server closed after {text:?}");
            all.extend_from_slice(&chunk[..read]);
        }
    }
}
