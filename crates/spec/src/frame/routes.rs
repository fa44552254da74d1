//! Sweeps over every declared route. Whoever adds a route is in them without knowing.

use claviger_testkit::http_base::{Access, Kind, Route};
use claviger_testkit::{TestServer, tests};
use http::Method;

/// Every declared route.
pub(super) fn each(t: &TestServer) -> Vec<Route> {
    let routes = t.routes().to_vec();
    assert!(routes.len() > 2, "the sweep must see the routes");
    routes
}

/// A path that the route's pattern matches.
pub(crate) fn sample_path(pattern: &str) -> String {
    pattern.split('/').map(|part| if part.starts_with('{') { "sample" } else { part }).collect::<Vec<_>>().join("/")
}

/// The table as it is checked in: one line for each route.
fn table(routes: &[Route]) -> String {
    let mut lines: Vec<String> = routes
        .iter()
        .map(|route| {
            let yes = |flag: bool, word: &str| if flag { format!(" {word}") } else { String::new() };
            format!(
                "{} {} {:?} {:?} {:?}{}{}{}{}{}{}",
                route.path,
                route.method,
                route.kind,
                route.access,
                route.body,
                yes(route.reads_cookie, "cookie"),
                yes(route.same_site, "same-site"),
                yes(route.changes_state, "changes"),
                yes(route.server_wide, "server-wide"),
                yes(route.any_host, "any-host"),
                yes(route.cross_origin, "cross-origin"),
            )
        })
        .filter(|line| !line.starts_with("/assets/"))
        .collect();
    lines.sort();
    lines.join("\n") + "\n"
}

tests! {
    async fn a188_every_route_stands_in_the_reviewed_table(t: TestServer) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/frame/routes.txt");
        let now = table(&each(&t));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let reviewed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(now == reviewed, "the routes have changed; read the difference, then run with UPDATE=1:\n{now}");
    }

    async fn a188_what_changes_state_is_not_open_to_anybody_by_accident(t: TestServer) {
        for route in each(&t).into_iter().filter(|route| route.changes_state) {
            assert_ne!(route.kind, Kind::Asset, "{}", route.path);
            // A public route that changes state is a page or a protocol step with checks of its own, never the API's.
            assert!(!(route.access == Access::Public && route.path.starts_with("/api/v1/") && !route.path.starts_with("/api/v1/auth/")), "{}", route.path);
            if matches!(route.access, Access::Session) {
                assert!(route.reads_cookie, "{} asks for a session and sees no cookie", route.path);
            }
        }
    }

    async fn a096_no_get_or_head_changes_anything(t: TestServer) {
        let before = t.durable_rows().await;
        // As anybody, and as the operator, whom no permission stops short of the handler.
        for client in [t.client(), t.operator()] {
            for route in each(&t).into_iter().filter(|route| route.method == Method::GET) {
                for method in [Method::GET, Method::HEAD] {
                    let request = client.request(method, &sample_path(route.path));
                    client.send(request.body(bytes::Bytes::new()).unwrap()).await;
                }
            }
        }
        assert_eq!(t.durable_rows().await, before);
    }

    async fn a_method_that_a_route_does_not_take_is_refused_and_the_others_are_named(t: TestServer) {
        let client = t.client();
        let answer = client.send(client.request(Method::DELETE, "/livez").body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        let answer = client.send(client.request(Method::OPTIONS, "/livez").body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!((answer.status(), answer.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
        for head in ["CONNECT id.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "BREW / HTTP/1.1"] {
            let mut raw = t.raw().await;
            raw.write(format!("{head}\r\nHost: id.test\r\nConnection: close\r\n\r\n")).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{head}: {answer}");
        }
    }
}
