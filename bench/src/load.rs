//! The load: keep-alive connections in a closed loop, the child's CPU time read from the kernel before and after.

use core::fmt;
use core::net::SocketAddr;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a round takes.
const ROUND: Duration = Duration::from_secs(3);

/// Says where the program listens, and with what to ask it.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn announce(address: SocketAddr, host: &str, client: &str, secret: &str) -> anyhow::Result<()> {
    println!("{address} {host} {client} {secret}");
    std::io::stdout().flush().context("standard output")
}

/// A program under load.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
    host: String,
    body: Bytes,
}

/// What a round found.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) per_cpu_second: f64,
    per_second: f64,
    p50: u64,
    p99: u64,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8.0} for each second of CPU, {:>8.0} a second, p50 {} us, p99 {} us",
            self.per_cpu_second, self.per_second, self.p50, self.p99
        )
    }
}

/// The round in the middle, by requests for each second of CPU.
pub(crate) fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|one, other| one.per_cpu_second.total_cmp(&other.per_cpu_second));
    figures[figures.len() / 2]
}

impl Program {
    pub(crate) async fn start(name: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(name)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the program does not start")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut line).await?;
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [address, host, client, secret] = parts[..] else { bail!("{name} does not say where it listens") };
        let body = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope=notes:read");
        Ok(Self { address: address.parse()?, host: host.to_owned(), body: body.into(), child })
    }

    /// One round: warm connections, then a closed loop.
    pub(crate) async fn round(&mut self, connections: usize) -> anyhow::Result<Figure> {
        let pid = self.child.id().context("the program has ended")?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(self.client().await?);
        }
        let before = cpu(pid)?;
        #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let began = Instant::now();
        let loops: Vec<_> =
            clients.into_iter().map(|client| tokio::spawn(client.ask_until(Arc::clone(&stop)))).collect();
        #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        tokio::time::sleep(ROUND).await;
        stop.store(true, Ordering::Relaxed);
        let mut all = Histogram::<u64>::new(3)?;
        for client in loops {
            all.add(client.await??)?;
        }
        let (cpu, wall) = (cpu(pid)?.saturating_sub(before).as_secs_f64(), began.elapsed().as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
        let requests = all.len() as f64;
        Ok(Figure {
            per_cpu_second: requests / cpu,
            per_second: requests / wall,
            p50: all.value_at_quantile(0.5),
            p99: all.value_at_quantile(0.99),
        })
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut client = Client { sender, host: self.host.clone(), body: self.body.clone() };
        client.ask().await?;
        Ok(client)
    }
}

struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    host: String,
    body: Bytes,
}

impl Client {
    async fn ask_until(mut self, stop: Arc<AtomicBool>) -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        while !stop.load(Ordering::Relaxed) {
            #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
            let began = Instant::now();
            self.ask().await?;
            times.record(u64::try_from(began.elapsed().as_micros())?)?;
        }
        Ok(times)
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        let request = Request::post("/oauth2/token")
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(self.body.clone()))?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

/// User and system time of a process so far (proc(5), fields 14 and 15, in hundredths of a second).
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("no such process")?;
    let after = stat.rsplit_once(')').context("an unreadable /proc entry")?.1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}
