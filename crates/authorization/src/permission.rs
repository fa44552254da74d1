//! Permissions of the server's own surfaces.

use core::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// `resource:action`, as the management surface knows them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `resource:action`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

permissions! {
    /// See realms and their settings.
    RealmsRead = "realms:read";
    /// Make realms and change their settings.
    RealmsWrite = "realms:write";
    /// See clients, never their secrets.
    ClientsRead = "clients:read";
    /// Make, change and remove clients and their secrets.
    ClientsWrite = "clients:write";
    /// See resource servers.
    ResourceServersRead = "resource_servers:read";
    /// Make, change and remove resource servers.
    ResourceServersWrite = "resource_servers:write";
    /// See signing keys and their states.
    KeysRead = "keys:read";
    /// Rotate and retire signing keys, and rewrap them.
    KeysWrite = "keys:write";
    /// See users.
    UsersRead = "users:read";
    /// Make, change, disable and enable users.
    UsersWrite = "users:write";
    /// See where users are signed in.
    SessionsRead = "sessions:read";
    /// End users' sessions.
    SessionsWrite = "sessions:write";
    /// See who holds which role.
    RolesRead = "roles:read";
    /// Give and take roles.
    RolesWrite = "roles:write";
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
