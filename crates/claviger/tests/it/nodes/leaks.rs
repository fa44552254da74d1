//! A signing key that leaked and is taken away on one node: its successor is good everywhere, and it is good nowhere.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_storage::scratch::Way;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::cluster::{Nodes, until};
use super::people::{Tokens, patiently};
use super::wire::Ask;

/// How soon every node refuses a key that was taken away, on a machine that has much else to do; F50 says how soon it
/// should.
const REFUSED: Duration = Duration::from_secs(30);

impl Nodes {
    async fn published(&self, node: usize) -> BTreeSet<String> {
        let answer = self.get(node, "/.well-known/jwks.json").await.expect("the node answers");
        let keys = answer.json()["keys"].as_array().expect("a list").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    }

    /// Takes the key away that signs access tokens; another takes its place. Gives its `kid`.
    async fn leak(&self, node: usize) -> String {
        let listed = self.command(node, Ask::get("/api/v1/keys")).await;
        let keys = listed["items"].as_array().expect("a list");
        let signs = |key: &&Value| key["purpose"] == "es256" && key["state"] == "active";
        let key = keys.iter().find(signs).expect("a key that signs");
        let path = format!("/api/v1/keys/{}?force=true", key["id"].as_str().expect("an id"));
        self.command(node, Ask::delete(path)).await;
        key["kid"].as_str().expect("a kid").to_owned()
    }

    async fn status(&self, node: usize, access: &str) -> u16 {
        self.userinfo(node, access).await.expect("the node answers").status
    }
}

fn kid(token: &str) -> String {
    let header = claviger_crypto::base64url_decode(token.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("a header is JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

#[test]
fn f50_a_leaked_key_is_replaced_at_once_and_refused_by_every_node_within_seconds() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(0, "ada@example.com").await;
        let app = nodes.public_app(0).await;
        let mut ada = nodes.sign_in(&[0, 1, 2], "ada@example.com").await;
        let mut tokens = nodes.tokens(&[0], &mut ada, &app).await;
        for _ in 0..3 {
            for node in 0..3 {
                assert_eq!(nodes.status(node, &tokens.access).await, 200);
            }
            let leaked = nodes.leak(1).await;
            assert_eq!(kid(&tokens.access), leaked);
            // Whatever its successor signs from now on is known everywhere at the next request.
            let fresh = Tokens::of(&nodes.refresh(1, &app, &tokens.refresh).await.expect("the node answers"));
            for node in [0, 2] {
                assert_eq!(nodes.status(node, &fresh.access).await, 200, "a key is looked for before it is unknown");
            }
            for node in 0..3 {
                until(REFUSED, "the leaked key is refused", async || {
                    let published = nodes.published(node).await;
                    nodes.status(node, &tokens.access).await == 401 && !published.contains(&leaked)
                })
                .await;
                assert!(nodes.published(node).await.contains(&kid(&fresh.access)));
            }
            tokens = fresh;
        }
    });
}

#[test]
fn f32_a_node_that_cannot_look_for_an_unknown_key_calls_no_token_bad() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(2).await;
        nodes.user(0, "ada@example.com").await;
        let app = nodes.public_app(0).await;
        let mut ada = nodes.sign_in(&[0, 1], "ada@example.com").await;
        let before = nodes.tokens(&[0], &mut ada, &app).await;
        nodes.link(1).set(Way::Cut);
        nodes.leak(0).await;
        let after = Tokens::of(&nodes.refresh(0, &app, &before.refresh).await.expect("the node answers"));
        let alone = nodes.userinfo(1, &after.access).await.expect("the node answers");
        assert!(alone.is_busy(), "{alone:?}");
        nodes.link(1).set(Way::Open);
        let (back, _) = patiently(async || nodes.userinfo(1, &after.access).await).await;
        assert_eq!(back.status, 200, "{back:?}");
        // Now the node knows which keys there are.
        let (gone, _) = patiently(async || nodes.userinfo(1, &before.access).await).await;
        assert_eq!(gone.status, 401, "{gone:?}");
    });
}
