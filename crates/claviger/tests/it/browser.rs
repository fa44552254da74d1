//! A browser without pictures: cookies and forms, over one connection for each request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::process::Server;

pub(crate) const ADA: &str = "ada@example.com";

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    from: Option<String>,
    cookies: Vec<(String, String)>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let start = self.text.find(&format!("name=\"{name}\" value=\"")).unwrap() + name.len() + 15;
        self.text[start..].split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        Self { address: server.address("url"), from: None, cookies: Vec::new() }
    }

    /// The same browser at another server.
    pub(crate) fn at(self, server: &Server) -> Self {
        Self { address: server.address("url"), ..self }
    }

    /// The same browser at another address of its own, if the server trusts who says so.
    pub(crate) fn from(self, address: String) -> Self {
        Self { from: Some(address), ..self }
    }

    /// Nothing, if the server died over it.
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Option<Answer> {
        self.send(None, method, path, fields)
    }

    /// The same with an access token.
    pub(crate) fn ask_as(&mut self, token: &str, method: &str, path: &str) -> Option<Answer> {
        self.send(Some(token), method, path, &[])
    }

    fn send(&mut self, token: Option<&str>, method: &str, path: &str, fields: &[(&str, &str)]) -> Option<Answer> {
        let encoded = |text: &str| text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let from = self.from.as_ref().map_or_else(String::new, |from| format!("X-Forwarded-For: {from}\r\n"));
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n{from}{token}Cookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.address.port(),
            body.len()
        )
        .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.get(9..12)?.parse().ok()?;
        for line in text.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = line.split(';').next()?.split_once('=')?;
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        Some(Answer { status, text })
    }

    pub(crate) fn sign_in(server: &Server, password: &str) -> Option<Self> {
        let mut browser = Self::new(server);
        let page = browser.ask("GET", "/login", &[]).unwrap();
        let fields = [("email", ADA), ("password", password), ("csrf", &page.field("csrf"))];
        let answer = browser.ask("POST", "/login", &fields).unwrap();
        assert!(matches!(answer.status, 303 | 422), "{}", answer.text);
        (answer.status == 303).then_some(browser)
    }

    pub(crate) fn change_password(&mut self, current: &str, new: &str) -> Option<Answer> {
        let page = self.ask("GET", "/account/password", &[])?;
        let fields = [("current_password", current), ("password", new), ("csrf", &page.field("csrf"))];
        self.ask("POST", "/account/password", &fields)
    }

    pub(crate) fn is_signed_in(&mut self) -> bool {
        self.ask("GET", "/account", &[]).unwrap().status == 200
    }
}
