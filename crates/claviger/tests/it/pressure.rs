//! When the system runs short.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::process::{Server, get};

/// Processor time of a process in hundredths of a second.
fn ticks(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Waits until the first start's background work is done: the RSA key is published.
fn until_quiet(server: &Server) {
    while !get(server.address("url"), "/.well-known/jwks.json").contains("\"RSA\"") {}
}

/// Connections that never finish a head.
fn crowd(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let slow = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /").unwrap();
        stream
    };
    (0..count).map(slow).collect()
}

/// Reads until the server closes, which it does when a head takes too long.
fn until_closed(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Lets the process have `most` open files; with `None`, as many as at its start.
fn limit_files(id: u32, most: Option<u64>) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: most.or(maximum), maximum }).unwrap();
}

fn open_files(id: u32) -> u64 {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64
}

#[test]
fn f11_out_of_places_the_health_port_answers_and_the_server_recovers_without_spinning() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(
        folder.path(),
        &[
            ("CLAVIGER_LIMITS__CONNECTIONS", "64"),
            ("CLAVIGER_LIMITS__HEADER_TIMEOUT", "300ms"),
            ("CLAVIGER_LOG__LEVEL", "error"),
        ],
    );
    until_quiet(&server);
    let before = ticks(server.id());
    let crowd = crowd(server.address("url"), 200);
    for path in ["/livez", "/readyz"] {
        assert!(get(server.address("internal_url"), path).starts_with("HTTP/1.1 200 "));
    }
    // Four rounds of 300 ms in which the server has nothing to do but wait.
    crowd.into_iter().for_each(until_closed);
    assert!(get(server.address("url"), "/livez").starts_with("HTTP/1.1 200 "));
    let spent = ticks(server.id()) - before;
    assert!(spent < 40, "{spent} hundredths of a second of processor time in 1.2 s");
}

#[test]
fn f11_out_of_file_descriptors_accepting_pauses_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("CLAVIGER_LIMITS__HEADER_TIMEOUT", "2s")]);
    until_quiet(&server);
    limit_files(server.id(), Some(open_files(server.id()) + 8));
    let before = ticks(server.id());
    let crowd = crowd(server.address("url"), 40);
    crowd.into_iter().take(9).for_each(until_closed);
    let spent = ticks(server.id()) - before;
    assert!(spent < 40, "{spent} hundredths of a second of processor time in 2 s");
    limit_files(server.id(), None);
    assert!(get(server.address("url"), "/livez").starts_with("HTTP/1.1 200 "));
}
