//! Lists: pages of rows in the order of a sort key, read on from where the page before ended.
//!
//! A list declares its filters and sort keys with [`list!`](macro@crate::list); the declaration makes one statement for each
//! filter × sort, so that the statement suite sees them all and none is put together while the server runs. Pages go by
//! keyset, never by offset: a row that comes or goes between two pages moves no other.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use claviger_kernel::{RealmId, Unavailable};

use crate::{ColumnError, Row, Sql, Store, Value};

/// The most rows of one page.
pub const LARGEST_PAGE: u32 = 200;

/// A filter or a sort key of a list.
pub trait Choice: Copy + Eq + fmt::Debug + 'static {
    /// Every choice, by the name that it bears on the wire.
    const ALL: &'static [(&'static str, Self)];

    /// The choice of this name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, choice)| *choice)
    }

    /// Its place among all.
    fn place(self) -> usize {
        Self::ALL.iter().position(|(_, choice)| *choice == self).unwrap_or(0)
    }
}

/// What a row of a list is read into.
pub trait Listed: Sized + Send + 'static {
    /// Reads a row. The list's own columns begin at [`FIRST_COLUMN`].
    fn read(row: &Row<'_>) -> Result<Self, ColumnError>;
}

/// The first column that a list's declaration names; those before it carry the cursor.
pub const FIRST_COLUMN: usize = 2;

/// A declared list. Made by [`list!`](macro@crate::list) alone.
#[derive(Debug)]
pub struct List<F, S> {
    statements: &'static [&'static [&'static Sql]],
    descends: &'static [bool],
    choices: PhantomData<(F, S)>,
}

/// What of a list is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<F, S> {
    /// Which rows.
    pub filter: F,
    /// In which order.
    pub sort: S,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// How many rows, 1 to [`LARGEST_PAGE`].
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; nothing on the last one.
    pub next: Option<Cursor>,
}

/// A place in a list. On the wire it is a text that means nothing to whoever carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    sort: u8,
    key: i64,
    id: [u8; 16],
}

/// The text is no cursor, or one of another order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not where a page of this list ended")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u128::from_be_bytes(self.id);
        write!(f, "{:02x}{:016x}{id:032x}", self.sort, self.key.cast_unsigned())
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let plain = text.len() == 50 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !plain {
            return Err(BadCursor);
        }
        let sort = u8::from_str_radix(&text[..2], 16).map_err(|_| BadCursor)?;
        let key = u64::from_str_radix(&text[2..18], 16).map_err(|_| BadCursor)?.cast_signed();
        let id = u128::from_str_radix(&text[18..], 16).map_err(|_| BadCursor)?.to_be_bytes();
        Ok(Self { sort, key, id })
    }
}

impl<F: Choice, S: Choice> List<F, S> {
    #[doc(hidden)]
    pub const fn declared(statements: &'static [&'static [&'static Sql]], descends: &'static [bool]) -> Self {
        Self { statements, descends, choices: PhantomData }
    }

    /// The page that is wanted. `args` are the list's own parameters, `$5` and on.
    ///
    /// # Errors
    /// [`Unavailable`] as [`Store::list`]; a cursor of another order begins the list anew.
    pub async fn page<T: Listed>(
        &self,
        store: &Store,
        realm: RealmId,
        wanted: &Wanted<F, S>,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Page<T>, Unavailable> {
        let sort = wanted.sort.place();
        let limit = wanted.limit.clamp(1, LARGEST_PAGE);
        let after = wanted.after.filter(|cursor| usize::from(cursor.sort) == sort);
        let (key, id) = after.map_or_else(|| before_all(self.descends[sort]), |cursor| (cursor.key, cursor.id));
        // One row more than wanted says whether there is a page after this one.
        let all: Vec<Value> =
            [realm.into(), (limit + 1).into(), key.into(), id.into()].into_iter().chain(args).collect();
        let statement = self.statements[wanted.filter.place()][sort];
        let mut rows = store.list(realm, statement, all, keyed::<T>).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|&((key, id), _)| Cursor {
            sort: u8::try_from(sort).unwrap_or(u8::MAX),
            key,
            id,
        });
        Ok(Page { items: rows.into_iter().map(|(_, item)| item).collect(), next })
    }
}

/// A place before every row. Keys are times and counts, ids are version 7: none is at the end of its range.
const fn before_all(descends: bool) -> (i64, [u8; 16]) {
    if descends { (i64::MAX, [0xff; 16]) } else { (i64::MIN, [0; 16]) }
}

fn keyed<T: Listed>(row: &Row<'_>) -> Result<((i64, [u8; 16]), T), ColumnError> {
    Ok(((row.get(0)?, row.get(1)?), T::read(row)?))
}

#[doc(hidden)]
pub const fn flat<const ALL: usize>(rows: &[&[&'static Sql]]) -> [&'static Sql; ALL] {
    let mut all = [rows[0][0]; ALL];
    let width = rows[0].len();
    let mut place = 0;
    while place < ALL {
        all[place] = rows[place / width][place % width];
        place += 1;
    }
    all
}

/// Declares a list: a module with `Filter`, `Sort`, the `LIST`, and `ALL`, its statements for the suite.
///
/// The text is put together as `select <sort key>, <id>, <columns> from <rows> <filter> …`. Parameters `$1` to `$4` are the
/// realm, the limit and the cursor; the list's own begin at `$5`. A sort key is an integer or a time that is never null.
///
/// ```ignore
/// list! {
///     /// The notes of a user.
///     pub(crate) mod of_user {
///         columns "n.id, n.title";
///         rows "notes n where n.realm_id = $1 and n.user_id = $5";
///         id "n.id";
///         filters { All = "all": "", Open = "open": "and n.closed_at is null" }
///         sorts { Newest = "newest": "n.created_at" desc, Oldest = "oldest": "n.created_at" asc }
///     }
/// }
/// ```
#[macro_export]
macro_rules! list {
    (
        $(#[$doc:meta])* $vis:vis mod $module:ident {
            columns $columns:literal;
            rows $rows:literal;
            id $id:literal;
            filters { $($(#[$filter_doc:meta])* $filter:ident = $filter_name:literal: $where:literal),+ $(,)? }
            sorts $sorts:tt
        }
    ) => {
        $(#[$doc])*
        $vis mod $module {
            $crate::list!(@choice "Which rows." Filter { $($(#[$filter_doc])* $filter = $filter_name),+ });
            $crate::list!(@sorts $sorts);

            const STATEMENTS: &[&[&$crate::Sql]] = &[$(
                $crate::list!(@row $columns, $rows, $id, $filter, $where, $sorts)
            ),+];

            /// The list.
            pub static LIST: $crate::List<Filter, Sort> = $crate::List::declared(STATEMENTS, DESCENDS);

            /// Every statement of the list: each filter × sort.
            #[allow(unreachable_pub, reason = "re-exported by the crate that has the list")]
            pub static ALL: &[&$crate::Sql] = &$crate::flat_list::<{ STATEMENTS.len() * STATEMENTS[0].len() }>(STATEMENTS);
        }
    };
    (@sorts { $($(#[$doc:meta])* $sort:ident = $name:literal: $key:literal $direction:ident),+ $(,)? }) => {
        $crate::list!(@choice "In which order." Sort { $($(#[$doc])* $sort = $name),+ });
        const DESCENDS: &[bool] = &[$($crate::list!(@descends $direction)),+];
    };
    (@choice $what:literal $type:ident { $($(#[$doc:meta])* $choice:ident = $name:literal),+ }) => {
        #[doc = $what]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $type {
            $($(#[$doc])* #[doc = concat!("`", $name, "` on the wire.")] $choice),+
        }
        impl $crate::Choice for $type {
            const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$choice)),+];
        }
    };
    (@row $columns:literal, $rows:literal, $id:literal, $filter:ident, $where:literal,
        { $($(#[$doc:meta])* $sort:ident = $name:literal: $key:literal $direction:ident),+ $(,)? }) => {
        &[$(&$crate::Sql {
            name: concat!(module_path!(), "::", stringify!($filter), "::", stringify!($sort)),
            text: concat!(
                "select ", $key, ", ", $id, ", ", $columns, " from ", $rows, " ", $where, " and (", $key, ", ", $id, ") ",
                $crate::list!(@beyond $direction), " ($3, $4) order by ", $key, " ", stringify!($direction), ", ", $id, " ",
                stringify!($direction), " limit $2"
            ),
            scope: $crate::Scope::Tenant,
        }),+]
    };
    (@descends asc) => { false };
    (@descends desc) => { true };
    (@beyond asc) => { ">" };
    (@beyond desc) => { "<" };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_wire_and_nothing_else_is_one() {
        for cursor in [
            Cursor { sort: 1, key: -1, id: [7; 16] },
            Cursor { sort: 0, key: i64::MAX, id: [0; 16] },
            Cursor { sort: 255, key: 1_700_000_000_000_000, id: [0xff; 16] },
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let whole = Cursor { sort: 1, key: 2, id: [3; 16] }.to_string();
        for wrong in
            ["", "x", &whole[1..], &whole.to_uppercase().replace('0', "G"), &format!("{whole}0"), &"é".repeat(25)]
        {
            assert_eq!(wrong.parse::<Cursor>(), Err(BadCursor), "{wrong}");
        }
    }
}
