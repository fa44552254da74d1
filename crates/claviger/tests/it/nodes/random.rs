//! A run in which everything happens at once, by chance: people, applications, operators, and all that goes wrong.
//!
//! In each round everybody does one thing while something goes wrong around them, and whoever gets no answer asks again.
//! After it, all that has been ended is shown to the nodes, and all that has not. What is done in which order is a pure
//! function of the seed; what processes make of it is not. The book's page on tests tells more.

mod checks;
mod cluster;
mod database;
mod people;
mod plan;
mod trouble;
mod world;

use claviger_kernel::FamilyId;
use claviger_storage::scratch::ScratchRedis;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::checks::Graves;
use self::people::Somebody;
use self::plan::{PEOPLE, Plan, Round, Trouble};
use self::world::{EVERYWHERE, NODES, World, breathe, pass};
use super::cluster::Nodes;
use super::people::App;
use super::wire::Ask;

/// How many rounds; `xtask long` asks for more than a run in passing does.
const ROUNDS: &str = "CLAVIGER_ROUNDS";
/// What chance begins with; `xtask long` names another in each run.
const SEED: &str = "CLAVIGER_SEED";

fn asked_for(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

/// Tells where a run stood that fails.
struct Told<'a> {
    world: &'a World,
    seed: u64,
    round: u64,
}

impl Drop for Told<'_> {
    #[allow(clippy::print_stdout, reason = "a test that fails tells where it stood")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}, round {}; what happened last:\n{}", self.seed, self.round, self.world.journal());
        }
    }
}

/// Three nodes with short lifetimes of keys, and people who have not signed in yet.
async fn set_up() -> (World, Vec<Somebody>) {
    let redis = ScratchRedis::take().await;
    // One of them is told nothing by the others, and tells them nothing.
    let own = [vec![], vec![], vec![("CLAVIGER_DATABASE__NOTIFY", "false")]];
    let (to_redis, url) = redis.linked().await;
    let nodes = Nodes::start_each(&[("CLAVIGER_EPHEMERAL__URL", url.expose())], &own).await;
    let settings = json!({ "settings": {
        "tokens": { "access": "15m", "refresh_retry_window": "60s", "refresh_retries": 100 },
        // Whoever stands by signs in every two dozen rounds, and shall never have too many.
        "sessions": { "limit": 1000 },
        "keys": { "rotation": "30s", "publish_ahead": "2s", "jwks_max_age": "1s" },
    } });
    nodes.command(0, Ask::json(Method::PATCH, "/api/v1/realms/main", &settings)).await;
    let shared = nodes.confidential_app(0).await;
    offline(&nodes, &shared).await;
    let mut people = Vec::new();
    // One more than act: a bystander, whom nothing ends but what the test does.
    for number in 0..=PEOPLE {
        let user = nodes.user(number % NODES, &format!("person{number}@example.com")).await;
        let own = nodes.public_app(number % NODES).await;
        offline(&nodes, &own).await;
        let secretive = nodes.confidential_app(number % NODES).await;
        people.push(Somebody::new(user, [own, shared.clone()], secretive));
    }
    let world = World::new(nodes, redis, to_redis).await;
    world.age().await;
    (world, people)
}

/// Lets an application hold tokens that outlive the session.
async fn offline(nodes: &Nodes, app: &App) {
    let settings = json!({ "settings": { "scopes": "openid email offline_access" } });
    nodes.command(0, Ask::json(Method::PATCH, format!("/api/v1/clients/{}", app.client_id), &settings)).await;
}

async fn round(world: &World, graves: &Graves, people: &mut [Somebody], round: &Round) {
    let (trouble, dice) = round.trouble;
    if matches!(trouble, Trouble::Restore | Trouble::PutBack) {
        let lost = people[PEOPLE].give_up(world, dice).await;
        // The cluster of all tests stays as it is.
        let shared = world.home.lock().is_none();
        if trouble == Trouble::Restore || shared {
            world.restore(lost[0].token()).await;
        } else {
            world.put_back(lost[0].token()).await;
        }
        graves.bury(world, "a token was revoked where the database was restored", None, lost).await;
        // While these nodes are those that have lived through it: whoever starts knows everything.
        pass(EVERYWHERE).await;
        graves.visit(world).await;
    }
    let (over, told) = watch::channel(false);
    let (acting, bystander) = people.split_at_mut(PEOPLE);
    let meanwhile = bystander[0].stands_by(world, trouble, dice);
    let everybody = async {
        let acts = acting.iter_mut().zip(&round.acts);
        join_all(acts.map(|(somebody, (act, dice))| somebody.act(world, graves, *act, *dice))).await;
        over.send_replace(true);
    };
    tokio::join!(everybody, trouble::make(world, trouble, dice, told, meanwhile));
    graves.visit(world).await;
    join_all(people.iter().map(|somebody| somebody.is_accepted(world, dice.of(3, NODES)))).await;
}

async fn finish(world: &World, graves: &Graves, people: &mut [Somebody]) {
    while graves.wait() {
        graves.visit(world).await;
        breathe().await;
    }
    join_all(people.iter_mut().map(|somebody| somebody.goes_on(world))).await;
    for device in people.iter().flat_map(|somebody| &somebody.devices) {
        let family: FamilyId = device.family.parse().expect("an id");
        let generation = world.generation(*family.as_bytes()).await;
        assert_eq!(
            generation,
            Some(device.generation()),
            "{}: one leaf, moved on as often as answers say",
            device.family
        );
    }
    let promises: Vec<_> = people.iter().flat_map(|somebody| somebody.promises.clone()).collect();
    world.kept(&promises).await;
    world.end().await;
}

#[test]
fn f02_f41_f44_f45_whatever_happens_the_revoked_stay_out_the_promised_stays_and_nobody_else_is_signed_out() {
    let (rounds, seed) = (asked_for(ROUNDS, 24), asked_for(SEED, 1));
    Runtime::new().unwrap().block_on(async {
        let (world, mut people) = set_up().await;
        let graves = Graves::default();
        let mut told = Told { world: &world, seed, round: 0 };
        for (number, plan) in (0..rounds).zip(Plan::new(seed)) {
            told.round = number;
            world.note(format!("round {number}: {:?}", plan.trouble.0));
            round(&world, &graves, &mut people, &plan).await;
        }
        finish(&world, &graves, &mut people).await;
        drop(told);
    });
}
