-- The keys of realms, wrapped under the master key, and which master key that is.

-- tenant
create table realm_keys (
  realm_id {id} not null,
  id {id} not null,
  purpose {text} not null,
  number {int} not null,
  kid {text},
  state {text} not null,
  soon {bool} not null,
  published_at {time} not null,
  active_at {time},
  retiring_at {time},
  removed_at {time},
  master_id {bytes} not null,
  wrapped {bytes} not null,
  primary key (realm_id, id)
) {table};

create unique index realm_keys_number on realm_keys (realm_id, purpose, number);
-- Two runners cannot both rotate: the second meets one of these.
create unique index realm_keys_active on realm_keys (realm_id, purpose) where state = 'active';
create unique index realm_keys_pending on realm_keys (realm_id, purpose) where state = 'pending';
create index realm_keys_master on realm_keys (realm_id, master_id, id);

-- shared
create table master_keys (
  id {bytes} not null primary key,
  state {text} not null,
  proof {bytes} not null,
  created_at {time} not null,
  left_at {time}
) {table};

create unique index master_keys_current on master_keys (state) where state = 'current';
