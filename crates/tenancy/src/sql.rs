//! Statements over `realms`. The table belongs to no realm: it says which realms there are.

claviger_storage::statements! {
    /// A page of every realm, by id, for the view.
    pub(crate) REALMS: shared("lists the realms themselves, for the complete view")
        "select id, name, display_name, status, settings, longest_token_life, version, created_at, updated_at \
         from realms where id > $1 order by id limit 500";
    /// A new realm.
    pub(crate) INSERT: shared("makes the realm itself")
        "insert into realms \
         (id, name, display_name, status, settings, longest_token_life, version, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, 1, $7, $7)";
    /// A change of a realm, if it is still the one that was read.
    pub(crate) UPDATE: shared("changes the realm itself")
        "update realms set display_name = $3, status = $4, settings = $5, longest_token_life = $6, \
         version = version + 1, updated_at = $7 where id = $1 and version = $2";
}
