//! Many people at once.

use std::fs;
use std::thread;

use super::browser::Browser;
use super::process::Server;

/// The most memory that a process has had so far, in MiB.
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn f10_two_hundred_at_once_stay_within_memory_and_the_rest_is_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("CLAVIGER_LOG__LEVEL", "error"), ("CLAVIGER_PROXIES__TRUSTED", "127.0.0.0/8")];
    let server = Server::start(folder.path(), &variables);
    let mut browser = Browser::new(&server).from("203.0.113.1".to_owned());
    let csrf = browser.ask("GET", "/login", &[]).unwrap().field("csrf");
    let crowd: Vec<_> = (0..200)
        .map(|number| {
            // Each from a network of their own, so that only the hashing stands in their way.
            let mut browser = browser.clone().from(format!("198.51.100.{number}"));
            let (email, csrf) = (format!("nobody{number}@example.com"), csrf.clone());
            thread::spawn(move || {
                let fields = [("email", email.as_str()), ("password", "marmalade tide 47 lanterns"), ("csrf", &csrf)];
                browser.ask("POST", "/login", &fields).unwrap()
            })
        })
        .collect();
    let mut judged = 0;
    for visitor in crowd {
        let answer = visitor.join().unwrap();
        match answer.status {
            422 => judged += 1,
            503 => assert!(answer.text.contains("retry-after: "), "{}", answer.text),
            _ => panic!("{}", answer.text),
        }
    }
    assert!(judged > 0, "some were served");
    let peak = peak_memory(server.id());
    assert!(peak < 512, "{peak} MiB");
}
