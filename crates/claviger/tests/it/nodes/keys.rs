//! Signing keys that rotate on schedule under several nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::cluster::Nodes;
use super::people::Tokens;
use super::wire::Ask;

/// How long two rotations of a few seconds may take, on a machine that has much else to do.
const LONG: Duration = Duration::from_mins(1);

/// The keys of a purpose, oldest first: number and state.
async fn keys(nodes: &Nodes, purpose: &str) -> Vec<(u64, String)> {
    let all = nodes.command(0, Ask::get("/api/v1/keys")).await;
    let of = all["items"].as_array().expect("keys").iter().filter(|key| key["purpose"] == purpose);
    let mut of: Vec<_> = of
        .map(|key| (key["number"].as_u64().expect("a number"), key["state"].as_str().expect("a state").to_owned()))
        .collect();
    of.sort_unstable();
    of
}

/// The `kid` in the head of a token.
fn kid(token: &str) -> String {
    let head = claviger_crypto::base64url_decode(token.split('.').next().expect("a head")).expect("base64url");
    let head: Value = serde_json::from_slice(&head).expect("a head is JSON");
    head["kid"].as_str().expect("a kid").to_owned()
}

#[test]
fn keys_rotate_once_for_all_nodes_and_every_node_signs_and_verifies_across_it() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(0, "ada@example.com").await;
        let app = nodes.confidential_app(0).await;
        let mut person = nodes.sign_in(&[0], "ada@example.com").await;
        let mut tokens = nodes.tokens(&[0], &mut person, &app).await;
        let spans =
            json!({ "settings": { "keys": { "rotation": "6s", "publish_ahead": "3s", "jwks_max_age": "1s" } } });
        // Under the new spans a next key may be due at once.
        let first = keys(&nodes, "es256").await.last().expect("a key").0;
        nodes.command(1, Ask::json(Method::PATCH, "/api/v1/realms/main", &spans)).await;
        let mut signed_under = BTreeSet::new();
        let start = Instant::now();
        let mut turn = 0;
        loop {
            turn += 1;
            let node = turn % 3;
            tokens = Tokens::of(&nodes.refresh(node, &app, &tokens.refresh).await.unwrap());
            signed_under.insert(kid(&tokens.access));
            for other in 0..3 {
                assert!(nodes.is_active(other, &app, &tokens.access).await, "signed by {node}, refused by {other}");
            }
            let now = keys(&nodes, "es256").await;
            let in_state = |state: &str| now.iter().filter(|(_, known)| known == state).count();
            assert_eq!(in_state("active"), 1, "{now:?}");
            assert!(in_state("pending") <= 1, "one rotator makes one key: {now:?}");
            let numbers: BTreeSet<u64> = now.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers.len(), now.len(), "{now:?}");
            let last = now.last().expect("a key").0;
            if signed_under.len() >= 3 {
                // Two rotations: two further keys, and the third may be on its way.
                assert!((2..=3).contains(&(last - first)), "{now:?}");
                break;
            }
            assert!(start.elapsed() < LONG, "two rotations within {LONG:?}: {now:?}");
        }
    });
}
