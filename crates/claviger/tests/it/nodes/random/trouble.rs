//! What goes wrong while people act.

use claviger_storage::scratch::Way;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::sync::watch;

use super::plan::{Dice, Trouble};
use super::world::{NODES, World};
use crate::it::nodes::wire::Ask;

/// At most so many requests are sent before it begins.
const FIRST: usize = 12;

/// Makes trouble somewhere in a round; `over` says when everybody has done what they wanted.
pub(super) async fn make(world: &World, trouble: Trouble, dice: Dice, mut over: watch::Receiver<bool>) {
    tokio::select! {
        () = world.after_requests(dice.of(0, FIRST)) => {}
        _ = over.wait_for(|over| *over) => {}
    }
    let node = dice.of(1, NODES);
    world.note(format!("trouble: {trouble:?} at {node}"));
    match trouble {
        Trouble::Nothing | Trouble::Restore => {}
        Trouble::Kill => world.kill(node).await,
        Trouble::KillAll => drop(join_all((0..NODES).map(|node| world.kill(node))).await),
        Trouble::Cut | Trouble::Silence => {
            world.part(node, if trouble == Trouble::Cut { Way::Cut } else { Way::Silent });
            let _ = over.wait_for(|over| *over).await;
            world.heal(node);
        }
        Trouble::Flush => world.redis.flush().await,
        Trouble::Hold => world.hold().await,
        Trouble::Rotate => {
            let purpose = ["es256", "opaque", "es256", "seal"][dice.of(2, 4)];
            let ask = Ask::json(Method::POST, "/api/v1/keys/rotations", &json!({ "purpose": purpose }));
            let what = format!("{purpose} is rotated");
            let reply = world.insist(node, &what, async |node| world.nodes.operator(node, ask.clone()).await).await;
            assert!(matches!(reply.answer.status, 200 | 409), "{what}: {:?}", reply.answer);
        }
    }
}

impl World {
    async fn kill(&self, node: usize) {
        self.nodes.kill(node).await;
        self.nodes.restart(node).await;
        self.note(format!("node {node} is back"));
    }
}
