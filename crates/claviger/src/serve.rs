//! `claviger serve`: opens the store, listens, says that it is ready, and ends in order.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use claviger_http::base::{Listener, Shutdown, listen_local, serve, serve_local};
use claviger_tenancy::PublicUrl;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Settings;
use crate::server::open_store;
use crate::{Held, Server, files, operator, surroundings};

/// How long a node that ends may take to tell the others.
const FAREWELL: Duration = Duration::from_secs(2);

/// The line that `--json` prints when requests may come.
#[derive(Serialize)]
struct Ready {
    url: String,
    internal_url: String,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(mut settings: Settings, json: bool) -> anyhow::Result<()> {
    bound_connections(&mut settings);
    let shutdown = Shutdown::new();
    stop_on_signals(shutdown.clone())?;
    let sockets = Sockets::bind(&settings).await?;
    let store = open_store(&settings).await?;
    tracing::warn!("no mail server can be configured yet: messages wait in the outbox and are not delivered");
    let ambient = surroundings::ambient(&settings, Arc::new(Held))?;
    let server = Server::assemble(&settings, sockets.public_url.clone(), store, ambient).await?;
    let ready = Ready { url: sockets.public_url.to_string(), internal_url: sockets.internal_url.clone() };
    until(&shutdown, &settings, &server, sockets, || {
        say(&if json {
            serde_json::to_string(&ready).expect("texts serialise")
        } else {
            format!("Claviger is ready at {}", ready.url)
        });
    })
    .await
}

/// No more connections than the process may have open files.
pub(crate) fn bound_connections(settings: &mut Settings) {
    settings.limits.connections = settings.limits.connections.min(files::for_connections());
}

/// The sockets of a server, bound before anything else is opened, and the addresses that follow.
pub(crate) struct Sockets {
    listeners: Vec<Listener>,
    internal: TcpListener,
    /// The address under which the world reaches us.
    pub(crate) public_url: PublicUrl,
    /// Where the inside reaches us.
    pub(crate) internal_url: String,
}

impl Sockets {
    /// Binds what the settings name.
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let (public, address) = bind("listen", settings.listen).await?;
        let (internal, internal_address) = bind("internal_listen", settings.internal_listen).await?;
        let public_url = public_url(settings, address)?;
        let mut listeners = vec![public.into()];
        if settings.public_url.is_none() {
            listeners.extend(other_loopback(address).await.map(Listener::Tcp));
        }
        Ok(Self { listeners, internal, public_url, internal_url: format!("http://{internal_address}") })
    }
}

/// Serves `server` until `shutdown` begins, then ends in order. `ready` is called once requests may come.
pub(crate) async fn until(
    shutdown: &Shutdown,
    settings: &Settings,
    server: &Server,
    sockets: Sockets,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let internal_shutdown = Shutdown::new();
    let internal = vec![sockets.internal.into()];
    let internal = tokio::spawn(serve(internal, Arc::clone(&server.internal), internal_shutdown.clone()));
    let socket = operator::socket(settings);
    let local = listen_local(&socket).with_context(|| format!("data: no socket at {}", socket.display()))?;
    ready();
    tokio::join!(
        serve(sockets.listeners, Arc::clone(&server.public), shutdown.clone()),
        serve_local(local, Arc::clone(&server.operator), shutdown.clone()),
        server.work(shutdown),
        async {
            shutdown.begun().await;
            tracing::info!("stopping: running requests may finish");
            server.drain();
        }
    );
    let _ = std::fs::remove_file(&socket);
    internal_shutdown.begin();
    internal.await.context("the internal listener")?;
    // With the database away the others find out by themselves.
    let _ = tokio::time::timeout(FAREWELL, server.services.nodes.leave()).await;
    server.services.store.close().await;
    Ok(())
}

/// Binds the address that `setting` names.
pub(crate) async fn bind(setting: &'static str, at: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => taken(setting, at),
        _ => anyhow::Error::new(error).context(format!("{setting}: cannot listen on {at}")),
    })?;
    let address = listener.local_addr().with_context(|| format!("{setting}: no address for {at}"))?;
    Ok((listener, address))
}

/// Somebody else listens at the address that `setting` names.
fn taken(setting: &str, at: SocketAddr) -> anyhow::Error {
    let port = at.port();
    let flag = if setting == "listen" { "`--listen ADDR`, " } else { "" };
    let variable = format!("CLAVIGER_{}", setting.to_uppercase());
    anyhow::anyhow!(
        "{setting}: cannot listen on {at}, because another process does (`lsof -i :{port}` names it); choose another \
         address with {flag}{variable} or `{setting}` in the configuration file, port 0 for any that is free"
    )
}

/// Browsers try `localhost` at `::1` first.
async fn other_loopback(address: SocketAddr) -> Option<TcpListener> {
    let IpAddr::V4(v4) = address.ip() else { return None };
    if !v4.is_loopback() {
        return None;
    }
    TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await.ok()
}

/// The address under which the world reaches a server that listens at `address`.
pub(crate) fn public_url(settings: &Settings, address: SocketAddr) -> anyhow::Result<PublicUrl> {
    let text = match &settings.public_url {
        Some(text) => text.clone(),
        None if address.ip().is_loopback() => format!("http://localhost:{}", address.port()),
        None => {
            anyhow::bail!("public_url is needed, because listen ({address}) can be reached from outside this machine")
        }
    };
    text.parse().context("public_url")
}

/// Prints a line for who started us.
#[allow(clippy::print_stdout, reason = "what the command is asked for")]
pub(crate) fn say(line: &str) {
    // Whoever closed our standard output does not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The first signal asks for an orderly end, a second one ends at once.
pub(crate) fn stop_on_signals(shutdown: Shutdown) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        for asked in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked == 1 {
                std::process::exit(1);
            }
            shutdown.begin();
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn url(listen: &str, public: Option<&str>) -> Result<String, String> {
        let mut settings = config::load(None, [], []).unwrap();
        settings.public_url = public.map(str::to_owned);
        let found = public_url(&settings, listen.parse().unwrap());
        found.map(|url| url.to_string()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn only_a_loopback_listener_has_a_public_url_by_itself() {
        assert_eq!(url("127.0.0.1:8080", None).unwrap(), "http://localhost:8080");
        assert_eq!(url("0.0.0.0:8080", Some("https://id.example.com")).unwrap(), "https://id.example.com");
        assert!(url("0.0.0.0:8080", None).unwrap_err().starts_with("public_url is needed"));
        assert!(url("0.0.0.0:8080", Some("http://id.example.com")).unwrap_err().starts_with("public_url: "));
    }
}
