//! The first administrator: made once, by whoever holds the one-time link that the server printed. There is no default
//! login, and the page stays closed for good afterwards, whatever becomes of that administrator (A118).

use claviger_audit::{Cx, Event};
use claviger_authorization::{Role, roles};
use claviger_crypto::opaque;
use claviger_identity::emails::{EmailError, EmailKey};
use claviger_identity::newcomers;
use claviger_identity::passwords::{NewPasswordError, PasswordRefusal};
use claviger_identity::users::{Claims, NewUser};
use claviger_kernel::{Secret, Unavailable, UserId};
use claviger_storage::{CommitError, args};

use crate::Accounts;

pub(crate) mod sql {
    use claviger_kernel::Timestamp;
    use claviger_storage::{ColumnError, Row};

    claviger_storage::statements! {
        /// A link, in place of one that nobody used.
        pub(crate) OPEN: "insert into set_ups (realm_id, secret_hash, created_at, expires_at) values ($1, $2, $3, $4) \
            on conflict (realm_id) do update set secret_hash = excluded.secret_hash, created_at = excluded.created_at, \
            expires_at = excluded.expires_at where set_ups.used_at is null";
        /// The realm's link.
        pub(crate) OF_REALM: "select secret_hash, expires_at, used_at from set_ups where realm_id = $1";
        /// It is used.
        pub(crate) USE: "update set_ups set used_at = $3 \
            where realm_id = $1 and secret_hash = $2 and used_at is null and expires_at > $3";
    }

    pub(crate) struct SetUp {
        pub(crate) secret_hash: [u8; 32],
        pub(crate) expires_at: Timestamp,
        pub(crate) used: bool,
    }

    pub(crate) fn set_up(row: &Row<'_>) -> Result<SetUp, ColumnError> {
        let used: Option<Timestamp> = row.get(2)?;
        Ok(SetUp { secret_hash: row.get(0)?, expires_at: row.get(1)?, used: used.is_some() })
    }
}

/// The first administrator was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// The link is unknown, used or expired.
    #[error("this set-up link is not good (any more)")]
    Closed,
    /// Not an address.
    #[error(transparent)]
    Address(#[from] EmailError),
    /// The name is too long or holds control characters.
    #[error("that cannot be a name")]
    Name,
    /// The password breaks the policy.
    #[error(transparent)]
    Password(PasswordRefusal),
    /// Try later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Accounts {
    /// Opens set-up and gives the link's secret, or nothing if it was used already. A link that nobody used is replaced.
    pub async fn open_set_up(&self, cx: &Cx) -> Result<Option<Secret<String>>, Unavailable> {
        if cx.db.get(&sql::OF_REALM, args![cx.realm()], sql::set_up).await?.is_some_and(|found| found.used) {
            return Ok(None);
        }
        let secret = Secret::new(cx.random::<32>());
        let hash = opaque::secret_hash(opaque::Kind::SetUpLink, &secret);
        let expires_at = cx.now().plus(self.realm(cx)?.settings.flows.invitation);
        let mut unit = claviger_audit::unit(cx, Event::new("set_up_opened", cx.realm()));
        unit.one("set_up", &sql::OPEN, args![cx.realm(), hash, unit.now(), expires_at]);
        match cx.commit(unit).await {
            Ok(_) => Ok(Some(opaque::mint(opaque::Kind::SetUpLink, &*self.opaque(cx)?, cx.realm(), 0, &secret))),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Unavailable(fault)) => Err(fault),
        }
    }

    /// Whether this link is good now: shown before the form.
    pub async fn set_up_is_open(&self, cx: &Cx, link: &str) -> Result<bool, Unavailable> {
        Ok(self.link_hash(cx, link).await?.is_some())
    }

    async fn link_hash(&self, cx: &Cx, link: &str) -> Result<Option<[u8; 32]>, Unavailable> {
        let keys = self.opaque_for(cx, link).await?;
        let Ok(opaque) = opaque::parse(opaque::Kind::SetUpLink, link, &keys) else { return Ok(None) };
        let hash = opaque.hash();
        let found = cx.db.get(&sql::OF_REALM, args![cx.realm()], sql::set_up).await?;
        let good = found.is_some_and(|found| {
            !found.used && cx.now() < found.expires_at && claviger_kernel::constant_time_eq(&found.secret_hash, &hash)
        });
        Ok(good.then_some(hash))
    }

    /// Makes the first administrator and closes set-up for good.
    pub async fn set_up(
        &self,
        cx: &Cx,
        link: &str,
        name: &str,
        email: &str,
        password: &Secret<String>,
    ) -> Result<UserId, SetUpError> {
        let hash = self.link_hash(cx, link).await?.ok_or(SetUpError::Closed)?;
        let email = EmailKey::parse(email)?;
        let mut claims = Claims::default();
        claims.set("name", name.trim().into()).map_err(|_| SetUpError::Name)?;
        let realm = self.realm(cx)?;
        let words = [email.local_part(), name.trim(), &realm.display_name];
        let chosen = match self.passwords.choose(realm.settings.passwords.minimum, password, &words).await {
            Ok(chosen) => chosen,
            Err(NewPasswordError::Refused(refusal)) => return Err(SetUpError::Password(refusal)),
            Err(NewPasswordError::Unavailable(fault)) => return Err(fault.into()),
        };
        let mut unit = claviger_audit::unit(cx, Event::new("set_up_used", cx.realm()));
        unit.one("set_up", &sql::USE, args![cx.realm(), hash, unit.now()]);
        let new = NewUser { subject: None, claims };
        let user = newcomers::by_administrator(&mut unit, cx, new, &email, true, Some(&chosen));
        roles::assign(&mut unit, user.id(), Role::Admin);
        match cx.commit(unit).await {
            Ok(_) => Ok(user.id()),
            Err(CommitError::Conflict("email")) => Err(SetUpError::Address(EmailError)),
            Err(CommitError::Conflict(_)) => Err(SetUpError::Closed),
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        }
    }
}
