-- Applications, their secrets, and the APIs that they call.

-- tenant keyed
create table clients (
  realm_id {id} not null,
  id {id} not null,
  client_id {text} not null,
  name {text} not null,
  kind {text} not null,
  status {text} not null,
  epoch {int} not null,
  settings {text} not null,
  created_at {time} not null,
  updated_at {time} not null,
  primary key (realm_id, id),
  unique (realm_id, client_id)
) {keyed};

-- tenant keyed
create table client_secrets (
  realm_id {id} not null,
  id {id} not null,
  client_id {id} not null,
  hash {bytes} not null,
  created_at {time} not null,
  expires_at {time},
  primary key (realm_id, id)
) {keyed};

create index client_secrets_client on client_secrets (realm_id, client_id);

-- tenant keyed
create table resource_servers (
  realm_id {id} not null,
  id {id} not null,
  audience {text} not null,
  name {text} not null,
  scopes {text} not null,
  access_life {int},
  created_at {time} not null,
  updated_at {time} not null,
  primary key (realm_id, id),
  unique (realm_id, audience)
) {keyed};
