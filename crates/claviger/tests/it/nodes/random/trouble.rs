//! What goes wrong while people act.

use std::time::Duration;

use claviger_storage::scratch::Way;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::{Dice, Trouble};
use super::world::{NODES, World, breathe};
use crate::it::nodes::wire::Ask;

/// Somewhat longer than a key is published ahead.
const UNSEEN: Duration = Duration::from_millis(2_500);
/// At most so many requests are sent before it begins.
const FIRST: usize = 12;

/// Makes trouble somewhere in a round; `over` says when everybody has done what they wanted. `meanwhile` is what
/// somebody does while it lasts.
pub(super) async fn make(
    world: &World,
    trouble: Trouble,
    dice: Dice,
    mut over: watch::Receiver<bool>,
    meanwhile: impl Future<Output = ()>,
) {
    tokio::select! {
        () = world.after_requests(dice.of(0, FIRST)) => {}
        _ = over.wait_for(|over| *over) => {}
    }
    let node = dice.of(1, NODES);
    world.note(format!("trouble: {trouble:?} at {node}"));
    match trouble {
        Trouble::Nothing | Trouble::Restore | Trouble::PutBack => {}
        Trouble::Kill => world.kill(node).await,
        Trouble::KillAll => drop(join_all((0..NODES).map(|node| world.kill(node))).await),
        Trouble::Cut | Trouble::Silence => {
            world.part(node, if trouble == Trouble::Cut { Way::Cut } else { Way::Silent });
            let _ = over.wait_for(|over| *over).await;
            world.heal(node).await;
        }
        Trouble::Flush => world.redis.flush().await,
        Trouble::Away => {
            world.to_redis.set(if dice.of(2, 2) == 0 { Way::Cut } else { Way::Silent });
            let _ = over.wait_for(|over| *over).await;
            meanwhile.await;
            world.to_redis.set(Way::Open);
        }
        Trouble::Hold => world.hold().await,
        Trouble::RotateUnseen => {
            world.part(node, Way::Cut);
            let start = Instant::now();
            // Asked again, a key that was asked for takes over as soon as it may.
            while start.elapsed() < UNSEEN {
                rotate(world, (node + 1) % NODES, "es256").await;
                breathe().await;
            }
            meanwhile.await;
            world.heal(node).await;
        }
        Trouble::Rotate => {
            let purpose = ["es256", "opaque", "es256", "seal"][dice.of(2, 4)];
            rotate(world, node, purpose).await;
        }
    }
}

async fn rotate(world: &World, node: usize, purpose: &str) {
    let ask = Ask::json(Method::POST, "/api/v1/keys/rotations", &json!({ "purpose": purpose }));
    let what = format!("{purpose} is rotated");
    let reply = world.insist(node, &what, async |node| world.nodes.operator(node, ask.clone()).await).await;
    assert!(matches!(reply.answer.status, 200 | 409), "{what}: {:?}", reply.answer);
}

impl World {
    async fn kill(&self, node: usize) {
        self.nodes.kill(node).await;
        self.nodes.restart(node).await;
        self.note(format!("node {node} is back"));
    }
}
