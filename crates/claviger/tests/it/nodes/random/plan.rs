//! What happens in each round. The plan depends on the seed and on nothing else: neither on time nor on any answer.

use claviger_kernel::{Entropy as _, SeededEntropy};

/// How many people take part; each does one thing in a round, all at the same time.
pub(super) const PEOPLE: usize = 5;

/// What a person, an application on a person's device, or an operator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// Tokens for an application, by an authorization code.
    GetTokens,
    /// An ordinary refresh.
    Refresh,
    /// Two tabs refresh at the same moment, on two nodes.
    TwoTabs,
    /// The answer to a refresh is lost; the application asks again with the token that it still has.
    LostAnswer,
    /// The connection breaks before there is an answer.
    Cutoff,
    /// The person sends the sign-in form twice at the same moment, to two nodes.
    SignInTwice,
    /// The person signs out.
    SignOut,
    /// An operator ends everything that the user is signed in to.
    SignOutEverywhere,
    /// An operator disables the user; what the person does next begins with being enabled.
    Disable,
    /// An operator sets another password.
    SetPassword,
    /// What the user has allowed an application is taken back.
    Withdraw,
    /// Everything that was issued to the application is voided.
    VoidClient,
    /// A refresh token comes back that was used long ago.
    Reuse,
    /// A code is redeemed twice.
    RedeemTwice,
    /// The application gives a token back.
    Revoke,
    /// One token is revoked by a transaction that began early and commits late.
    RevokeLate,
    /// A client gets another secret, and the one before ends.
    NewSecret,
    /// An account is made.
    NewUser,
    /// A client is registered.
    NewClient,
}

/// How often each comes in a deck.
const ACTS: [(Act, usize); 19] = [
    (Act::GetTokens, 10),
    (Act::Refresh, 12),
    (Act::TwoTabs, 6),
    (Act::LostAnswer, 8),
    (Act::Cutoff, 6),
    (Act::SignInTwice, 4),
    (Act::SignOut, 5),
    (Act::SignOutEverywhere, 3),
    (Act::Disable, 4),
    (Act::SetPassword, 1),
    (Act::Withdraw, 3),
    (Act::VoidClient, 3),
    (Act::Reuse, 4),
    (Act::RedeemTwice, 3),
    (Act::Revoke, 4),
    (Act::RevokeLate, 4),
    (Act::NewSecret, 3),
    (Act::NewUser, 4),
    (Act::NewClient, 4),
];

/// What goes wrong around them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    Nothing,
    /// One node is killed and started again.
    Kill,
    /// All are.
    KillAll,
    /// One node has no way to the database.
    Cut,
    /// One node's way to the database carries nothing, and its connections stand.
    Silence,
    /// Redis forgets everything.
    Flush,
    /// Nobody reaches Redis.
    Away,
    /// A transaction that has nothing to do with us stays open for some rounds.
    Hold,
    /// A key is replaced.
    Rotate,
    /// A key is replaced while one node, which lives, has no way to the database.
    RotateUnseen,
    /// The database is restored elsewhere, where the numbers of transactions begin anew.
    Restore,
    /// The files of the database's cluster are put back to an earlier moment.
    PutBack,
}

const TROUBLES: [(Trouble, usize); 12] = [
    (Trouble::Nothing, 2),
    (Trouble::Kill, 6),
    (Trouble::KillAll, 1),
    (Trouble::Cut, 3),
    (Trouble::Silence, 1),
    (Trouble::Flush, 2),
    (Trouble::Away, 1),
    (Trouble::Hold, 2),
    (Trouble::Rotate, 3),
    (Trouble::RotateUnseen, 1),
    (Trouble::Restore, 1),
    (Trouble::PutBack, 1),
];

/// Chance for one act: which node, which family, and so on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice([u8; 8]);

impl Dice {
    /// One of `0..count`, as the die of this number has fallen.
    pub(super) fn of(self, die: usize, count: usize) -> usize {
        usize::from(self.0[die]) % count
    }
}

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) trouble: (Trouble, Dice),
    pub(super) acts: Vec<(Act, Dice)>,
}

/// Every round, in order, without an end.
pub(super) struct Plan {
    chance: SeededEntropy,
    acts: Vec<Act>,
    troubles: Vec<Trouble>,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: SeededEntropy::new(seed), acts: Vec::new(), troubles: Vec::new() }
    }

    /// The next card of a deck; everything in it comes before anything comes again.
    fn draw<T: Copy>(chance: &SeededEntropy, deck: &mut Vec<T>, of: &[(T, usize)]) -> T {
        if deck.is_empty() {
            deck.extend(of.iter().flat_map(|(card, count)| std::iter::repeat_n(*card, *count)));
        }
        let mut bytes = [0; 4];
        chance.fill(&mut bytes);
        deck.swap_remove(u32::from_be_bytes(bytes) as usize % deck.len())
    }

    fn dice(&self) -> Dice {
        let mut bytes = [0; 8];
        self.chance.fill(&mut bytes);
        Dice(bytes)
    }
}

impl Iterator for Plan {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let trouble = (Self::draw(&self.chance, &mut self.troubles, &TROUBLES), self.dice());
        let mut acts = Vec::new();
        for _ in 0..PEOPLE {
            acts.push((Self::draw(&self.chance, &mut self.acts, &ACTS), self.dice()));
        }
        Some(Round { trouble, acts })
    }
}
