//! The load over HTTP: keep-alive connections in a closed loop against a program in a process of its own.

use core::net::SocketAddr;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::figure::{Figure, Meter, now, times};

/// What a program tells whoever started it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How it is called.
    pub(crate) host: String,
    /// A file with what requests are made of, a line each.
    pub(crate) material: Option<std::path::PathBuf>,
}

impl Ready {
    /// Says so on standard output.
    #[allow(clippy::print_stdout, reason = "the parent reads it")]
    pub(crate) fn announce(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        std::io::stdout().flush().context("standard output")
    }
}

/// What one connection asks.
pub(crate) trait Caller: Send + 'static {
    /// The next request: path, `Authorization`, form.
    fn ask(&mut self) -> Ask;

    /// Sees the answer; an error ends the run.
    fn answered(&mut self, body: &[u8]) -> anyhow::Result<()>;
}

/// One request.
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    pub(crate) authorization: Option<http::HeaderValue>,
    pub(crate) form: Bytes,
}

/// A program under load.
pub(crate) struct Program {
    child: Child,
    pub(crate) ready: Ready,
}

impl Program {
    /// Starts this program again as the server called `name`.
    pub(crate) async fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_with(name, &[]).await
    }

    /// The same, with more in its environment.
    pub(crate) async fn start_with(name: &str, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", name])
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the program does not start")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut line).await?;
        let ready = serde_json::from_str(&line).with_context(|| format!("{name} does not say where it listens"))?;
        Ok(Self { child, ready })
    }

    /// The lines of the program's material.
    pub(crate) fn material(&self) -> anyhow::Result<Vec<String>> {
        let path = self.ready.material.as_ref().context("the program has made no material")?;
        let text = std::fs::read_to_string(path).context("the material cannot be read")?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// One round of `span`: a connection for each caller, each with one request under way. Callers come back as they are.
    pub(crate) async fn round<C: Caller>(&self, callers: Vec<C>, span: Duration) -> anyhow::Result<(Figure, Vec<C>)> {
        let process = self.child.id().context("the program has ended")?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut connections = Vec::new();
        for caller in callers {
            let mut connection = Connection::open(&self.ready, caller).await?;
            connection.once().await?;
            connections.push(connection);
        }
        let meter = Meter::begin(Some(process))?;
        let loops: Vec<_> =
            connections.into_iter().map(|connection| tokio::spawn(connection.until(Arc::clone(&stop)))).collect();
        #[allow(clippy::disallowed_methods, reason = "a round lasts for as long as it is told")]
        tokio::time::sleep(span).await;
        stop.store(true, Ordering::Relaxed);
        let (mut all, mut callers) = (times(), Vec::new());
        for task in loops {
            let (times, caller) = task.await??;
            all.add(times)?;
            callers.push(caller);
        }
        Ok((meter.end(all.len(), all)?, callers))
    }
}

/// A connection that asks what it is told to, one request after the other.
pub(crate) struct Line(Connection<()>);

impl Line {
    pub(crate) async fn open(program: &Program) -> anyhow::Result<Self> {
        Ok(Self(Connection::open(&program.ready, ()).await?))
    }

    /// The answer's body.
    pub(crate) async fn ask(&mut self, path: &'static str, form: String) -> anyhow::Result<Bytes> {
        self.0.send(Ask { path, authorization: None, form: form.into() }).await
    }
}

struct Connection<C> {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    host: String,
    caller: C,
}

impl<C> Connection<C> {
    async fn open(ready: &Ready, caller: C) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(ready.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: ready.host.clone(), caller })
    }

    async fn send(&mut self, ask: Ask) -> anyhow::Result<Bytes> {
        let mut request = Request::post(ask.path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = ask.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(ask.form))?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

impl<C: Caller> Connection<C> {
    async fn until(mut self, stop: Arc<AtomicBool>) -> anyhow::Result<(Histogram<u64>, C)> {
        let mut times = times();
        while !stop.load(Ordering::Relaxed) {
            let began = now();
            self.once().await?;
            times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
        }
        Ok((times, self.caller))
    }

    async fn once(&mut self) -> anyhow::Result<()> {
        let ask = self.caller.ask();
        let body = self.send(ask).await?;
        self.caller.answered(&body)
    }
}
