//! A process of the binary, gone with its handle.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port of the loopback.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The binary with a clean environment, in its data folder.
pub(crate) fn claviger(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.env_clear().env("CLAVIGER_INTERNAL_LISTEN", "127.0.0.1:0").current_dir(folder);
    command
}

/// An address that stays a server's own over restarts: outgoing connections take neither this host nor such a port.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [.., high, low] = std::process::id().to_be_bytes();
    loop {
        let address = SocketAddr::from(([127, 77, high, low], NEXT.fetch_add(1, Ordering::Relaxed)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// What a run that ends by itself left behind: whether it succeeded, and its standard error.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the binary runs");
    (output.status.success(), String::from_utf8(output.stderr).expect("text"))
}

/// A server that has said that it is ready.
pub(crate) struct Server {
    child: Child,
    host: IpAddr,
    ready: serde_json::Value,
}

impl Server {
    /// Serves on free ports with its data in `folder`.
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::run("serve", ANYWHERE, folder, variables)
    }

    /// Serves on this address: a server that is started again keeps its issuer only if it keeps its port.
    pub(crate) fn start_at(folder: &Path, listen: SocketAddr, variables: &[(&str, &str)]) -> Self {
        Self::run("serve", listen, folder, variables)
    }

    /// Runs the development server on free ports with its data in `folder`.
    pub(crate) fn develop(folder: &Path) -> Self {
        Self::run("dev", ANYWHERE, folder, &[])
    }

    /// Runs the development server as somebody does who says nothing of ports.
    pub(crate) fn develop_by_default(folder: &Path) -> Self {
        let mut command = claviger(folder);
        command.args(["dev", "--data", "data", "--json"]).env_remove("CLAVIGER_INTERNAL_LISTEN");
        Self::of(command, ANYWHERE)
    }

    fn run(what: &str, listen: SocketAddr, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = claviger(folder);
        command.args([what, "--listen", &listen.to_string(), "--data", "data", "--json"]);
        command.envs(variables.iter().copied());
        Self::of(command, listen)
    }

    fn of(mut command: Command, listen: SocketAddr) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, host: listen.ip(), ready }
    }

    /// The ready line.
    pub(crate) const fn line(&self) -> &serde_json::Value {
        &self.ready
    }

    /// A member of the ready line.
    pub(crate) fn ready(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.ready))
    }

    /// The loopback address behind a member of the ready line.
    pub(crate) fn address(&self, member: &str) -> SocketAddr {
        let after = self.ready(member).rsplit(':').next().expect("a port");
        let port = after.split('/').next().unwrap_or(after).parse().expect("a port");
        let host = if member == "url" { self.host } else { Ipv4Addr::LOCALHOST.into() };
        SocketAddr::new(host, port)
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once (`SIGKILL`), and waits until it has.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process lives");
        self.child.wait().expect("the process ends");
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("the process lives");
        self.child.wait().expect("the process ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks `path` of the server at `address`, and returns the whole answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let host = format!("localhost:{}", address.port());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    answer
}
