//! Statements: SQL text written once for both engines, under a name, with the tenancy that it keeps.

/// Whose rows a statement may touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Rows of one realm: the text constrains `realm_id`.
    Tenant,
    /// Rows of no realm, or of any; the text says why that is right.
    Shared(&'static str),
}

/// One SQL statement. Parameters are `$1`, `$2`, …; the text is in the subset that SQLite and PostgreSQL share.
#[derive(Debug)]
pub struct Sql {
    /// `crate::path::NAME`, for logs and metrics.
    pub name: &'static str,
    /// The statement's text.
    pub text: &'static str,
    /// Whose rows it may touch.
    pub scope: Scope,
}

impl Sql {
    /// Whether the statement only reads.
    pub fn reads(&self) -> bool {
        self.text.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
    }
}

/// Declares a folder's statements and `ALL`, the list of them that the statement suite walks.
///
/// ```ignore
/// statements! {
///     /// One user.
///     pub(crate) USER: "select id, status from users where realm_id = $1 and id = $2";
///     /// A realm is looked up before any realm is known.
///     pub(crate) REALM: shared("finds the realm itself") "select id from realms where name = $1";
/// }
/// ```
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $vis:vis $name:ident : $(shared($reason:literal))? $text:literal;)*) => {
        $(
            $(#[$doc])*
            $vis static $name: $crate::Sql = $crate::Sql {
                name: concat!(module_path!(), "::", stringify!($name)),
                text: $text,
                scope: $crate::statements!(@scope $($reason)?),
            };
        )*
        /// Every statement declared here.
        #[allow(unreachable_pub, dead_code, reason = "most lists are re-exported by their crate, those of tests are not")]
        pub static ALL: &[&$crate::Sql] = &[$(&$name),*];
    };
    (@scope) => { $crate::Scope::Tenant };
    (@scope $reason:literal) => { $crate::Scope::Shared($reason) };
}
