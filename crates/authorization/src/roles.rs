//! Roles and who holds them.

use claviger_audit::{Cx, Event, Unit};
use claviger_kernel::{Unavailable, UserId};
use claviger_storage::args;

use crate::Permission;

pub(crate) mod sql {
    use claviger_storage::{ColumnError, Row};

    claviger_storage::statements! {
        /// The roles of a user.
        pub(crate) OF_USER: "select role from role_assignments where realm_id = $1 and user_id = $2 order by role";
        /// One more; holding it already changes nothing.
        pub(crate) ASSIGN: "insert into role_assignments (realm_id, user_id, role, created_at) values ($1, $2, $3, $4) \
            on conflict (realm_id, user_id, role) do nothing";
        /// One less.
        pub(crate) UNASSIGN: "delete from role_assignments where realm_id = $1 and user_id = $2 and role = $3";
        /// Somebody else who may sign in still holds the role.
        pub(crate) OTHER_HOLDER: "select 1 from role_assignments r \
            join users u on u.realm_id = r.realm_id and u.id = r.user_id \
            where r.realm_id = $1 and r.role = $2 and r.user_id <> $3 and u.status = 'active' limit 1";
    }

    pub(crate) fn name(row: &Row<'_>) -> Result<String, ColumnError> {
        row.get(0)
    }
}

/// A named set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Everything in the realm.
    Admin,
}

impl Role {
    /// Every built-in role.
    pub const ALL: [Self; 1] = [Self::Admin];

    /// The role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What it permits.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Admin => Permission::ALL,
        }
    }
}

/// Gives a user a role.
pub fn assign(unit: &mut Unit, user: UserId, role: Role) {
    unit.record(Event::new("role_assigned", user).with("role", role.as_str()));
    unit.any("role", &sql::ASSIGN, args![unit.realm(), user, role.as_str(), unit.now()]);
    unit.changed("user", user.as_bytes());
}

/// Takes a role from a user. Conflicts: `role` if the user does not hold it, `last_holder` if no other active user does: a
/// realm keeps an administrator (A186).
pub fn unassign(unit: &mut Unit, user: UserId, role: Role) {
    unit.record(Event::new("role_unassigned", user).with("role", role.as_str()));
    unit.one("role", &sql::UNASSIGN, args![unit.realm(), user, role.as_str()]);
    require_other_holder(unit, user, role);
    unit.changed("user", user.as_bytes());
}

/// Makes the commit depend on somebody else, who may sign in, holding the role: conflict `last_holder` (A186).
pub fn require_other_holder(unit: &mut Unit, user: UserId, role: Role) {
    unit.require("last_holder", &sql::OTHER_HOLDER, args![unit.realm(), role.as_str(), user]);
}

/// The roles of a user. One list read.
pub async fn of_user(cx: &Cx, user: UserId) -> Result<Vec<Role>, Unavailable> {
    let names = cx.db.list(cx.realm(), &sql::OF_USER, args![cx.realm(), user], sql::name).await?;
    Ok(names.iter().filter_map(|name| Role::named(name)).collect())
}
