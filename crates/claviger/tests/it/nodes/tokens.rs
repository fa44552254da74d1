//! Codes, forms and refresh tokens that come to several nodes at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::runtime::Runtime;

use super::cluster::{Nodes, until};
use super::people::{PASSWORD, Person, Tokens, code_in, patiently};
use super::wire::{Ask, claims};

const ADA: &str = "ada@example.com";
/// How soon another node refuses what has ended, on a machine that has much else to do; F41 says how soon it should.
const AT_ALL: Duration = Duration::from_secs(30);

/// What the access tokens of one use of a refresh token have in common.
fn identity(tokens: &Tokens) -> (String, String, i64) {
    let claims = claims(&tokens.access);
    let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
    (tokens.refresh.clone(), text("jti"), claims["iat"].as_i64().expect("a time"))
}

#[test]
fn a018_of_fifty_parallel_redemptions_of_one_code_over_three_nodes_one_succeeds() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(0, ADA).await;
        let app = nodes.public_app(1).await;
        let mut ada = nodes.sign_in(&[0, 1], ADA).await;
        let code = nodes.code(&[2, 0], &mut ada, &app).await;
        let tries = (0..50).map(|number| {
            let (nodes, app, code) = (&nodes, &app, &code);
            patiently(async move || nodes.redeem(number % 3, app, code).await)
        });
        let mut won = 0;
        for (answer, _) in join_all(tries).await {
            match answer.status {
                200 => won += 1,
                _ => assert_eq!((answer.status, answer.code().as_deref()), (400, Some("invalid_grant")), "{answer:?}"),
            }
        }
        assert_eq!(won, 1, "of fifty that redeem one code one succeeds");
    });
}

#[test]
fn a077_of_fifty_parallel_refreshes_over_three_nodes_eleven_get_the_one_successor_and_the_family_lives() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(0, ADA).await;
        let app = nodes.public_app(1).await;
        let mut ada = nodes.sign_in(&[2], ADA).await;
        let first = nodes.tokens(&[0, 1, 2], &mut ada, &app).await;
        let tries = (0..50).map(|number| {
            let (nodes, app, token) = (&nodes, &app, &first.refresh);
            patiently(async move || nodes.refresh(number % 3, app, token).await)
        });
        let (mut successors, mut told_to_wait, mut unsure) = (Vec::new(), 0, false);
        for (answer, waited) in join_all(tries).await {
            unsure |= waited;
            match answer.status {
                200 => successors.push(Tokens::of(&answer)),
                429 => {
                    assert!(answer.header("retry-after").is_some(), "{answer:?}");
                    told_to_wait += 1;
                }
                _ => panic!("{answer:?}"),
            }
        }
        // The first use and ten repeats of it; who was asked to come back may have been counted already.
        let got = successors.len();
        assert!(got == 11 || (unsure && (1..11).contains(&got)), "{got} successors, {told_to_wait} told to wait");
        assert_eq!(got + told_to_wait, 50);
        let leaf = identity(&successors[0]);
        assert!(successors.iter().all(|tokens| identity(tokens) == leaf), "one successor, not a branch for each");
        // The family lives: its one leaf is good on every node, one after the other.
        let mut present = successors.remove(0);
        for node in 0..3 {
            assert_eq!(nodes.userinfo(node, &present.access).await.unwrap().status, 200);
            present = Tokens::of(&nodes.refresh(node, &app, &present.refresh).await.unwrap());
        }
    });
}

#[test]
fn a075_a_used_token_that_comes_back_to_any_node_ends_the_family_on_all_and_its_user_is_told_once() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        let user = nodes.user(0, ADA).await;
        let app = nodes.public_app(1).await;
        let mut ada = nodes.sign_in(&[2], ADA).await;
        let other = nodes.tokens(&[0], &mut ada, &app).await;
        let mut chain = vec![nodes.tokens(&[0, 1, 2], &mut ada, &app).await];
        for node in [1, 2] {
            let token = &chain.last().unwrap().refresh;
            chain.push(Tokens::of(&nodes.refresh(node, &app, token).await.unwrap()));
        }
        let present = chain.last().unwrap();
        for node in 0..3 {
            assert_eq!(nodes.userinfo(node, &present.access).await.unwrap().status, 200, "node {node}");
        }
        // To every node at once: one of them ends the family, and each refuses.
        let reuses = (0..3).map(|node| {
            let (nodes, app, first) = (&nodes, &app, &chain[0].refresh);
            patiently(async move || nodes.refresh(node, app, first).await)
        });
        for (answer, _) in join_all(reuses).await {
            assert_eq!((answer.status, answer.code().as_deref()), (400, Some("invalid_grant")), "{answer:?}");
        }
        for node in 0..3 {
            let (answer, _) = patiently(async || nodes.refresh(node, &app, &present.refresh).await).await;
            assert_eq!(answer.code().as_deref(), Some("invalid_grant"), "node {node}: {answer:?}");
            for tokens in &chain {
                until(AT_ALL, &format!("node {node} knows that the family has ended"), async || {
                    nodes.userinfo(node, &tokens.access).await.unwrap().status == 401
                })
                .await;
            }
            assert_eq!(nodes.userinfo(node, &other.access).await.unwrap().status, 200, "another device goes on");
            let risk = nodes.command(node, Ask::get(format!("/api/v1/users/{}", user.id))).await["at_risk"].clone();
            assert_eq!((&risk["cause"], &risk["times"]), (&json!("refresh_token_reused"), &json!(1)), "node {node}");
        }
        let owner = nodes.scratch().database().unwrap().owner().await.unwrap();
        let told = "select count(*) from outbox where template = 'sign-in-reused' and recipient = $1";
        assert_eq!(owner.query_one(told, &[&ADA]).await.unwrap().get::<_, i64>(0), 1);
    });
}

#[test]
fn what_a_form_answers_once_it_answers_once_over_all_nodes() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(0, ADA).await;
        let app = nodes.public_app(0).await;
        // One sign-in, begun by an application, submitted to every node at once: the flow is taken by one of them.
        let mut ada = Person::new();
        let page = nodes.authorize(&[0, 1, 2], &mut ada, &app).await.unwrap();
        let field = |name: &str| page.field(name).unwrap_or_else(|| panic!("no {name}: {page:?}"));
        let fields = [
            ("email", ADA.to_owned()),
            ("password", PASSWORD.to_owned()),
            ("csrf", field("csrf")),
            ("flow", field("flow")),
        ];
        let tries = join_all((0..12).map(|number| {
            let (mut browser, ask, nodes) = (ada.clone(), Ask::post("/login", &fields), &nodes);
            async move {
                let answer = browser.ask(nodes, number % 3, ask).await.expect("the node answers");
                (browser, answer)
            }
        }));
        let (mut signed_in, mut unsure) = (0, false);
        for (mut browser, answer) in tries.await {
            assert!(answer.status < 500 || answer.is_busy(), "{answer:?}");
            // A node that is busy may have taken the flow, and then told its bearer to come back.
            unsure |= answer.is_busy();
            if nodes.is_signed_in(0, &mut browser).await {
                signed_in += 1;
            }
        }
        assert!(signed_in == 1 || (unsure && signed_in == 0), "one form, one session: {signed_in}");
    });
}

#[test]
fn without_sticky_sessions_a_walk_goes_from_node_to_node() {
    Runtime::new().unwrap().block_on(async {
        let nodes = Nodes::start(3).await;
        nodes.user(2, ADA).await;
        let app = nodes.confidential_app(1).await;
        let mut ada = Person::new();
        // The application sends the browser to one node, the next shows the form, the third takes it.
        let page = nodes.authorize(&[0, 1], &mut ada, &app).await.unwrap();
        let field = |name: &str| page.field(name).unwrap_or_else(|| panic!("no {name}: {page:?}"));
        let fields = [
            ("email", ADA.to_owned()),
            ("password", PASSWORD.to_owned()),
            ("csrf", field("csrf")),
            ("flow", field("flow")),
        ];
        let mut answer = ada.ask(&nodes, 2, Ask::post("/login", &fields)).await.unwrap();
        for node in [0, 1, 2, 0, 1, 2] {
            if code_in(&answer).is_some() {
                break;
            }
            let here = answer.header("location").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
            answer = ada.ask(&nodes, node, Ask::get(here.trim_start_matches("https://id.test"))).await.unwrap();
        }
        let code = code_in(&answer).unwrap_or_else(|| panic!("no code: {answer:?}"));
        let mut tokens = Tokens::of(&nodes.redeem(1, &app, &code).await.unwrap());
        for node in [2, 0, 1] {
            assert!(nodes.is_signed_in(node, &mut ada).await, "node {node}");
            assert_eq!(nodes.userinfo(node, &tokens.access).await.unwrap().status, 200, "node {node}");
            tokens = Tokens::of(&nodes.refresh(node, &app, &tokens.refresh).await.unwrap());
        }
    });
}
