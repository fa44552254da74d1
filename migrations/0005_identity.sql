-- Who people are, where they can be reached, and what proves them.

-- tenant keyed
create table users (
  realm_id {id} not null,
  id {id} not null,
  subject {text} not null,
  status {text} not null,
  epoch {int} not null,
  claims {text} not null,
  created_at {time} not null,
  updated_at {time} not null,
  primary key (realm_id, id),
  unique (realm_id, subject)
) {keyed};

-- tenant keyed
create table emails (
  realm_id {id} not null,
  id {id} not null,
  user_id {id} not null,
  address {text} not null,
  folded {text} not null,
  verified_at {time},
  main {bool} not null,
  created_at {time} not null,
  primary key (realm_id, id),
  unique (realm_id, folded)
) {keyed};

create index emails_user on emails (realm_id, user_id);

-- tenant keyed
create table passwords (
  realm_id {id} not null,
  user_id {id} not null,
  hash {text} not null,
  version {int} not null,
  changed_at {time} not null,
  primary key (realm_id, user_id)
) {keyed};

-- tenant keyed
create table attempts (
  realm_id {id} not null,
  kind {text} not null,
  subject {bytes} not null,
  failures {int} not null,
  wait {int} not null,
  next_at {time} not null,
  last_at {time} not null,
  primary key (realm_id, kind, subject)
) {keyed};

create index attempts_age on attempts (realm_id, kind, last_at);
