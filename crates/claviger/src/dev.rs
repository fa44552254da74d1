//! `claviger dev`: everything that `serve` does, on this machine only, with what a newcomer needs beside it.
//!
//! Mail is captured, a user and clients are there, and a small application signs in by OpenID Connect over HTTP. Nothing
//! of this exists under `serve`.

mod credentials;
mod demo;
mod desk;
mod folder;
mod seeds;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use claviger_http::base::{ForwardedHeader, Frame, FrameOptions, Limits, Routes, Shutdown, TrustedProxies};
use claviger_kernel::{Reveal, SystemReason};
use claviger_notify::Inbox;
use claviger_tenancy::PublicUrl;
use serde::Serialize;
use tokio::net::TcpListener;

use self::credentials::Credentials;
use self::demo::Demo;
use self::desk::Desk;
use self::folder::Folder;
use crate::config::Settings;
use crate::serve::{self, Sockets};
use crate::server::open_store;
use crate::{Ambient, Server, surroundings};

/// What `--json` prints when requests may come.
#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    internal_url: &'a str,
    setup_url: Option<String>,
    demo_url: &'a str,
    inbox_url: &'a str,
    user: User<'a>,
    client: Client<'a>,
    public_client: Client<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    email: &'a str,
    password: Reveal<'a, String>,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the names of the protocol's parameters")]
struct Client<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<Reveal<'a, String>>,
    redirect_uri: &'a str,
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(mut settings: Settings, json: bool) -> anyhow::Result<()> {
    ensure!(
        settings.public_url.is_some() || settings.listen.ip().is_loopback(),
        "listen: `dev` is for this machine only, and {} can be reached from outside; use `serve`",
        settings.listen
    );
    serve::bound_connections(&mut settings);
    let folder = Folder::of(&mut settings)?;
    step_aside(&mut settings);
    let shutdown = Shutdown::new();
    serve::stop_on_signals(shutdown.clone())?;
    let sockets = loop {
        match Sockets::bind(&settings).await {
            // Another one that was started in the same moment was faster.
            Err(_) if step_aside(&mut settings) => {}
            bound => break bound?,
        }
    };
    let (demo_socket, demo_url) = beside().await?;
    let (desk_socket, desk_url) = beside().await?;
    let store = open_store(&settings).await?;
    let inbox = Inbox::new();
    let ambient = surroundings::ambient(&settings, Arc::new(inbox.clone()))?;
    let server = Server::assemble(&settings, sockets.public_url.clone(), store, ambient.clone()).await?;

    let main = server.services.tenancy.main().context("the realm `main` is missing")?;
    let cx = server.services.system(main.id, SystemReason::DEVELOPMENT);
    let credentials = Credentials::of(&settings.data, &*ambient.entropy)?;
    seeds::plant(&server.services, &cx, &credentials).await?;
    let set_up = server.services.accounts.open_set_up(&cx).await?;

    let url = sockets.public_url.to_string();
    let redirect_uri = format!("{demo_url}{}", demo::CALLBACK);
    let inbox_url = format!("{desk_url}{}", desk::INBOX);
    let setup_url = set_up.as_ref().map(|secret| format!("{url}/setup?token={}", secret.expose()));
    let desk = Desk {
        inbox,
        services: server.services.clone(),
        set_up,
        url: url.clone(),
        demo_url: demo_url.to_string(),
        inbox_url: inbox_url.clone(),
        user_password: credentials.user_password.clone(),
    };
    let demo = Demo::new(&url, demo_url.as_str(), credentials.client_secret.clone(), &ambient);
    let limits = few(&settings);
    let desk = frame(desk::routes(&Arc::new(desk)), &desk_url, &ambient, limits.clone());
    let demo = frame(demo::routes(&Arc::new(demo)), &demo_url, &ambient, limits);
    let beside = [
        tokio::spawn(claviger_http::base::serve(vec![desk_socket.into()], desk, shutdown.clone())),
        tokio::spawn(claviger_http::base::serve(vec![demo_socket.into()], demo, shutdown.clone())),
    ];

    let ready = Ready {
        url: &url,
        internal_url: &sockets.internal_url.clone(),
        setup_url,
        demo_url: demo_url.as_str(),
        inbox_url: &inbox_url,
        user: User { email: seeds::USER_EMAIL, password: Reveal(&credentials.user_password) },
        client: Client {
            client_id: seeds::CLIENT_ID,
            client_secret: Some(Reveal(&credentials.client_secret)),
            redirect_uri: &redirect_uri,
        },
        public_client: Client { client_id: seeds::PUBLIC_CLIENT_ID, client_secret: None, redirect_uri: &redirect_uri },
    };
    let text = if json {
        serde_json::to_string(&ready).context("the ready line")?
    } else {
        ready.in_words(desk_url.as_str(), &folder)
    };
    serve::until(&shutdown, &settings, &server, sockets, || serve::say(&text)).await?;
    for listening in beside {
        listening.await.context("a listener beside the server")?;
    }
    Ok(())
}

impl Ready<'_> {
    fn in_words(&self, welcome: &str, folder: &Folder) -> String {
        use core::fmt::Write as _;
        let mut text = format!(
            "Claviger is ready at {url}\n\n  Start here         {welcome}\n  Demo application   {demo}\n  \
             Captured mail      {inbox}\n",
            url = self.url,
            demo = self.demo_url,
            inbox = self.inbox_url,
        );
        if let Some(setup) = &self.setup_url {
            writeln!(text, "  First administrator, once:\n                     {setup}").expect("writing to a String");
        }
        write!(
            text,
            "\n  Sign in as         {}\n  with the password  {}\n\n  Data folder        {}{}\n  Ctrl-C ends it.",
            self.user.email,
            self.user.password.0.expose(),
            folder.path().display(),
            if folder.is_temporary() { " (goes with this process; keep one with --data DIR)" } else { "" },
        )
        .expect("writing to a String");
        text
    }
}

/// Moves a default port that somebody else holds to a free one, and says whether it did. A port that was asked for stays.
fn step_aside(settings: &mut Settings) -> bool {
    let default = |key: &str| {
        let text =
            crate::config::SETTINGS.iter().find(|setting| setting.key == key).and_then(|setting| setting.default);
        text.and_then(|text| text.parse::<SocketAddr>().ok())
    };
    let taken =
        |at: SocketAddr| std::net::TcpListener::bind(at).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    let asked = (settings.listen, settings.internal_listen);
    let free = settings.listen.port() == 0;
    if Some(settings.listen) == default("listen") && taken(settings.listen) {
        settings.listen.set_port(0);
    }
    if Some(settings.internal_listen) == default("internal_listen") && (free || taken(settings.internal_listen)) {
        settings.internal_listen.set_port(0);
    }
    asked != (settings.listen, settings.internal_listen)
}

/// A socket of this machine, and its origin by bare address: `127.0.0.1` shares no cookies with `localhost`.
async fn beside() -> anyhow::Result<(TcpListener, PublicUrl)> {
    let (socket, address) = serve::bind("dev", SocketAddr::from((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))).await?;
    Ok((socket, format!("http://{address}").parse().context("a loopback address")?))
}

/// One developer's browsers need no more.
fn few(settings: &Settings) -> Limits {
    Limits { connections: 64, ..settings.limits.limits() }
}

fn frame(routes: Routes, origin: &PublicUrl, ambient: &Ambient, limits: Limits) -> Arc<Frame> {
    Arc::new(Frame::new(FrameOptions {
        public_url: origin.clone(),
        any_host: false,
        proxies: TrustedProxies::new(Vec::new(), ForwardedHeader::default()),
        limits,
        clock: Arc::clone(&ambient.clock),
        entropy: Arc::clone(&ambient.entropy),
        realms: None,
        routes: routes.merge(crate::server::files()),
    }))
}
