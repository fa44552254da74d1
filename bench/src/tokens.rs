//! Client credentials: a secret checked, one signature, no durable write but a minute's count.

use std::time::Duration;

use bytes::Bytes;

use crate::Found;
use crate::figure::{Comparison, Goal, Rate};
use crate::load::{Ask, Caller, Program};

/// Connections, each with one request under way.
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
/// An ES256 token endpoint without a store, served on one core of a quiet machine.
const KNOWN: f64 = 38_974.0;

pub(crate) async fn row() -> anyhow::Result<Vec<Found>> {
    let bare = Program::start("bare-tokens").await?;
    let ours = Program::start("ours-tokens").await?;
    let mut found = Comparison {
        title: format!("client credentials, ES256, {CONNECTIONS} connections, median of {ROUNDS} rounds"),
        rate: Rate::Cpu,
        bare: Vec::new(),
        ours: Vec::new(),
        known: Some(KNOWN),
        goal: Some(Goal::Ratio(0.65)),
    };
    for _ in 0..ROUNDS {
        found.bare.push(bare.round(vec![Machine; CONNECTIONS], ROUND).await?.0);
        found.ours.push(ours.round(vec![Machine; CONNECTIONS], ROUND).await?.0);
    }
    Ok(vec![Found::comparison(&found)])
}

/// A machine that asks for a token of its own, again and again.
#[derive(Clone)]
struct Machine;

impl Caller for Machine {
    fn ask(&mut self) -> Ask {
        let form = concat!(
            "grant_type=client_credentials&client_id=bench&scope=notes:read",
            "&client_secret=a-secret-for-the-benchmark-and-nothing-else"
        );
        Ask { path: "/oauth2/token", authorization: None, form: Bytes::from_static(form.as_bytes()) }
    }

    fn answered(&mut self, _body: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }
}
