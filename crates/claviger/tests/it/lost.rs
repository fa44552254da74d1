//! Killed between the commit and the answer (`kill -9`): the client asks again, and nobody has to sign in anew.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use base64::Engine as _;
use claviger_storage::{SqliteOptions, Store};
use serde_json::Value;

use super::browser::{ADA, Browser};
use super::process::{Server, claviger, free_address, get};

const PASSWORD: &str = "marmalade tide 47 lanterns";
const CALLBACK: &str = "https://app.test/callback";
/// 43 characters, and its SHA-256 in base64url.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ROUNDS: usize = 6;

mod sql {
    claviger_storage::statements! {
        /// Counts what a code or a token was used for, each use once.
        pub(super) USES: shared("a test looks at everything") "select \
            (select count(*) from audit_events where name = 'authorization_code_redeemed'), \
            (select count(*) from audit_events where name = 'token_refreshed' and fields like '%\"repeat\":false%'), \
            (select count(*) from token_families where revoked_at is null), \
            (select count(*) from sessions where ended_at is null)";
    }
}

/// What stands in the store of a server that does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kept {
    redeemed: i64,
    rotated: i64,
    living_families: i64,
    living_sessions: i64,
}

fn kept(folder: &Path) -> Kept {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteOptions { path: folder.join("data/claviger.db"), readers: 1 };
        let store = Store::open_sqlite(options).await.unwrap();
        let read = |row: &claviger_storage::Row<'_>| {
            Ok(Kept {
                redeemed: row.get(0)?,
                rotated: row.get(1)?,
                living_families: row.get(2)?,
                living_sessions: row.get(3)?,
            })
        };
        let kept = store.get(&sql::USES, Vec::new(), read).await.unwrap().unwrap();
        store.close().await;
        kept
    })
}

/// A server that keeps its address when it is started again: its address is its issuer.
struct House {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: Server,
    client_id: String,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let server = start(folder.path(), address);
        let command = |arguments: &[&str]| {
            let made = claviger(folder.path()).args(arguments).args(["--data", "data", "--json"]).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            serde_json::from_slice::<Value>(&made.stdout).unwrap()
        };
        // A busy machine starts a server in half a minute, and that is how long a token may be repeated ordinarily.
        let long = r#"{"tokens": {"refresh_retry_window": "60s"}, "flows": {"code": "10m"}}"#;
        command(&["realm", "update", "main", "--settings", long]);
        command(&["user", "create", ADA, "--verified", "--password-file", "password"]);
        let more = r#"{"token_endpoint_auth_method": "none", "id_token_signed_response_alg": "ES256"}"#;
        let client = ["client", "create", "Notes", "--public", "--first-party", "--redirect-uri", CALLBACK];
        let client = command(&[&client[..], &["--settings", more]].concat());
        let client_id = client["client_id"].as_str().unwrap().to_owned();
        Self { folder, address, server, client_id }
    }

    fn restart(&mut self) {
        self.server = start(self.folder.path(), self.address);
    }

    /// Sends the signed-in browser through the authorization endpoint, which asks nothing.
    fn code(&self, browser: &mut Browser) -> String {
        let address = format!(
            "/oauth2/authorize?response_type=code&client_id={}&redirect_uri=https%3A%2F%2Fapp.test%2Fcallback&scope=openid\
             &code_challenge={CHALLENGE}&code_challenge_method=S256",
            self.client_id
        );
        let answer = browser.ask("GET", &address, &[]).unwrap();
        let place = answer.text.find("code=").unwrap_or_else(|| panic!("no silent code: {}", answer.text));
        let end = answer.text[place..].find(['&', '\r', '\n']).unwrap();
        answer.text[place + 5..place + end].to_owned()
    }

    /// Nothing, if the server died over it.
    fn token(&self, fields: &[(&str, &str)]) -> Option<(u16, Value)> {
        let fields = [fields, &[("client_id", self.client_id.as_str())]].concat();
        let answer = Browser::new(&self.server).ask("POST", "/oauth2/token", &fields)?;
        let body = answer.text.split_once("\r\n\r\n")?.1;
        Some((answer.status, serde_json::from_str(body).ok()?))
    }

    fn redeem(&self, code: &str) -> Option<(u16, Value)> {
        let grant = [("grant_type", "authorization_code"), ("code", code)];
        self.token(&[&grant[..], &[("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]].concat())
    }

    fn refresh(&self, token: &str) -> Option<(u16, Value)> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// Kills the server `part` of the way through `request`, or as soon as the answer has arrived. Gives the answer, which
    /// the client is then supposed to have lost.
    fn kill_within(
        &mut self,
        part: usize,
        length: usize,
        request: impl Fn(&Self) -> Option<(u16, Value)> + Sync,
    ) -> Option<(u16, Value)> {
        let answer = thread::scope(|scope| {
            let house = &*self;
            let asked = scope.spawn(|| request(house));
            if part < ROUNDS - 2 {
                for _ in 0..length * part / (ROUNDS - 2) {
                    get(house.server.address("url"), "/livez");
                }
                kill(house.server.id());
            }
            asked.join().unwrap()
        });
        self.server.kill();
        answer
    }

    /// How many times the server answers `/livez` during a request: a measure of time that needs no clock.
    fn length(&self, request: impl Fn(&Self) -> Option<(u16, Value)> + Sync) -> (usize, Value) {
        thread::scope(|scope| {
            let asked = scope.spawn(|| request(self));
            let mut answers = 1;
            while !asked.is_finished() {
                get(self.server.address("url"), "/livez");
                answers += 1;
            }
            let (status, body) = asked.join().unwrap().unwrap();
            assert_eq!(status, 200, "{body}");
            (answers, body)
        })
    }
}

fn start(folder: &Path, address: SocketAddr) -> Server {
    Server::start_at(folder, address, &[("CLAVIGER_LOG__LEVEL", "error")])
}

fn kill(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

fn member(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}")).to_owned()
}

/// What names the answer to a use: the refresh token, and `jti` and `iat` of the access token.
fn names(tokens: &Value) -> (String, Value, Value) {
    let access = member(tokens, "access_token");
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    (member(tokens, "refresh_token"), claims["jti"].clone(), claims["iat"].clone())
}

fn is_live(house: &House, tokens: &Value) -> bool {
    let mut browser = Browser::new(&house.server);
    browser.ask_as(&member(tokens, "access_token"), "GET", "/oauth2/userinfo").unwrap().status == 200
}

#[test]
fn f02_a_refresh_whose_answer_is_lost_to_a_kill_is_asked_for_again() {
    let mut house = House::open();
    let mut browser = Browser::sign_in(&house.server, PASSWORD).unwrap();
    let code = house.code(&mut browser);
    let (_, first) = house.redeem(&code).unwrap();
    let mut token = member(&first, "refresh_token");
    let (length, tokens) = house.length(|house| house.refresh(&token));
    token = member(&tokens, "refresh_token");
    let mut lost = 0;
    for round in 0..ROUNDS {
        let before = token.clone();
        let answer = house.kill_within(round, length, |house| house.refresh(&before));
        let committed = kept(house.folder.path()).rotated > 1 + i64::try_from(round).unwrap();
        house.restart();
        let retries = [(); 3].map(|()| {
            let (status, tokens) = house.refresh(&before).unwrap();
            assert_eq!(status, 200, "round {round}: a forced sign-in: {tokens}");
            tokens
        });
        let retry = names(&retries[0]);
        assert!(retries.iter().all(|tokens| names(tokens) == retry), "round {round}");
        if let Some((status, tokens)) = &answer {
            assert_eq!(*status, 200, "{tokens}");
            assert!(committed, "round {round}: answered before it was durable");
            assert_eq!(names(tokens), retry, "round {round}: the answer that was lost, and the one to the retry");
            lost += 1;
        }
        token = retry.0;
    }
    assert!(lost >= 1, "the answer of the last rounds arrives before the kill");
    house.server.kill();
    let kept = kept(house.folder.path());
    assert_eq!(kept.rotated, 1 + i64::try_from(ROUNDS).unwrap(), "one leaf: each token was used once");
    assert_eq!((kept.living_families, kept.living_sessions), (1, 1));
}

#[test]
fn f03_a_code_whose_answer_is_lost_to_a_kill_leaves_no_orphan_and_its_user_passes_silently() {
    let mut house = House::open();
    let mut browser = Browser::sign_in(&house.server, PASSWORD).unwrap();
    let code = house.code(&mut browser);
    let (length, tokens) = house.length(|house| house.redeem(&code));
    assert!(is_live(&house, &tokens));
    let mut redeemed = 1;
    let (mut lost, mut revoked) = (0, 0);
    for round in 0..ROUNDS {
        let code = house.code(&mut browser);
        let answer = house.kill_within(round, length, |house| house.redeem(&code));
        let committed = kept(house.folder.path()).redeemed > redeemed;
        house.restart();
        browser = browser.at(&house.server);
        let (status, retry) = house.redeem(&code).unwrap();
        if committed {
            assert_eq!((status, &retry["error"]), (400, &Value::from("invalid_grant")), "round {round}");
            revoked += 1;
        } else {
            assert_eq!((status, &answer), (200, &None), "round {round}: {retry}");
        }
        if let Some((status, tokens)) = &answer {
            assert_eq!(*status, 200, "{tokens}");
            assert!(!is_live(&house, tokens), "round {round}: the first tokens are revoked");
            assert_eq!(house.refresh(&member(tokens, "refresh_token")).unwrap().0, 400, "round {round}");
            lost += 1;
        }
        let code = house.code(&mut browser);
        let (status, tokens) = house.redeem(&code).unwrap();
        assert_eq!(status, 200, "round {round}: without signing in again: {tokens}");
        assert!(is_live(&house, &tokens));
        redeemed += 2;
    }
    assert!(lost >= 1, "the answer of the last rounds arrives before the kill");
    house.server.kill();
    let kept = kept(house.folder.path());
    assert_eq!((kept.redeemed, kept.living_sessions), (redeemed, 1), "no session but the browser's");
    assert_eq!(kept.living_families, redeemed - revoked, "no family of an answer that was lost lives on");
}
