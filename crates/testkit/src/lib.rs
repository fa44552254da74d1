//! For tests only: a whole server in a line, on either engine, with a clock moved by hand and a client that behaves as a
//! browser does.
//!
//! A test declared with [`tests!`] gets a [`TestServer`] of its own. Its public address is `https://id.test` over a plain
//! listener: the scheme of the public address, not of the connection, decides how cookies look. [`Browser`] keeps
//! cookies, follows redirects and fills forms in; [`Client`] only asks. No crate of ours but `spec` uses this one.

mod answer;
mod bare;
mod browser;
mod client;
mod forms;
mod html;
mod jar;
mod keys;
mod raw;
mod server;
mod statements;

pub use answer::Answer;
pub use bare::BareServer;
pub use browser::{Browser, Page};
pub use client::{Client, Wire};
pub use forms::Form;
pub use raw::Raw;
pub use server::{Options, PUBLIC_URL, TestServer};
pub use statements::{statement_problems, statements};

pub use claviger_crypto::jose;
pub use claviger_http::base as http_base;
pub use claviger_kernel as kernel;
pub use claviger_storage::scratch::{Engine, Hasty, LONG, Link, ScratchRedis, Way};

/// Runs a test against a fresh server on `engine`; what [`tests!`] expands to.
///
/// # Panics
/// As the test does.
pub fn run<F: Future<Output = ()>>(engine: Engine, options: Options, test: impl FnOnce(TestServer) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime for the test").block_on(async {
        let server = TestServer::start(engine, options).await;
        test(server).await;
    });
}

/// Declares tests that run on both engines, as `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// tests! {
///     async fn the_process_lives(t: TestServer) {
///         assert_eq!(t.client().get("/livez").await.status(), 200);
///     }
///     async fn the_header_is_bounded(t: TestServer, Options::default().set("limits.header_bytes", "8192")) { /* … */ }
/// }
/// ```
#[macro_export]
macro_rules! tests {
    ($($(#[$attribute:meta])* async fn $name:ident($($server:ident)+: TestServer $(, $options:expr)?) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its surroundings")]
            use super::*;

            async fn test($($server)+: $crate::TestServer) $body

            fn options() -> $crate::Options {
                #[allow(unused_mut, unused_assignments, reason = "most tests want the ordinary server")]
                let mut options = $crate::Options::default();
                $(options = $options;)?
                options
            }

            $(#[$attribute])*
            #[test]
            fn sqlite() {
                $crate::run($crate::Engine::Sqlite, options(), test);
            }

            $(#[$attribute])*
            #[test]
            fn postgres() {
                $crate::run($crate::Engine::Postgres, options(), test);
            }
        })*
    };
}
