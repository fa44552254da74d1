-- What the engine itself keeps: the change log, the traces of quiet units, jobs, leases, short-lived state.

-- The log's own identity, new with every database: a follower's position means nothing in another log.
-- shared
create table log_identity (
  slot {int} not null primary key,
  id {id} not null
) {table};

-- only sqlite
insert into log_identity (slot, id) values (1, randomblob(16));
-- end
-- only postgres
insert into log_identity (slot, id) values (1, decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));
-- end

-- Followers read it across realms. The transaction tells where late commits may still appear below a position.
-- only sqlite
-- shared
create table change_log (
  position integer primary key autoincrement,
  realm_id {id} not null,
  kind {text} not null,
  subject {bytes} not null,
  unit_id {id} not null,
  at {time} not null
) {table};
-- end
-- only postgres
-- shared
create table change_log (
  position bigint generated always as identity primary key,
  txid bigint not null default (pg_current_xact_id()::text::bigint),
  realm_id {id} not null,
  kind {text} not null,
  subject {bytes} not null,
  unit_id {id} not null,
  at {time} not null
) {table};
create index change_log_txid on change_log (txid, position);
-- end

-- shared
create table quiet_units (
  realm_id {id} not null,
  id {id} not null,
  at {time} not null,
  primary key (realm_id, id)
) {keyed};

create index quiet_units_age on quiet_units (at);

-- A claim pushes run_at to the end of its time, so that a runner that dies leaves its jobs due again.
-- shared
create table jobs (
  realm_id {id} not null,
  id {id} not null,
  name {text} not null,
  key {text} not null,
  payload {text} not null,
  run_at {time} not null,
  attempts {int} not null,
  created_at {time} not null,
  claim {id},
  again {bool} not null default false,
  last_error {text},
  primary key (realm_id, id),
  unique (realm_id, name, key)
) {keyed};

create index jobs_due on jobs (name, run_at);

-- shared
create table dead_jobs (
  realm_id {id} not null,
  id {id} not null,
  name {text} not null,
  key {text} not null,
  payload {text} not null,
  attempts {int} not null,
  created_at {time} not null,
  died_at {time} not null,
  last_error {text} not null,
  primary key (realm_id, id)
) {keyed};

create index dead_jobs_age on dead_jobs (name, died_at);

-- Times in here are the database's own.
-- shared
create table leases (
  name {text} not null primary key,
  holder {id} not null,
  fence {int} not null,
  expires_at {time} not null
) {keyed};

-- shared
create table ephemerals (
  realm_id {id} not null,
  kind {text} not null,
  key {bytes} not null,
  value {bytes} not null,
  count {int} not null,
  expires_at {time} not null,
  primary key (realm_id, kind, key)
) {keyed};

create index ephemerals_expiry on ephemerals (expires_at);
