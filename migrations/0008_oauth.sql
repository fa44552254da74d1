-- What users have allowed, and the codes on their way to clients.

-- tenant keyed
create table grants (
  realm_id {id} not null,
  id {id} not null,
  user_id {id} not null,
  client_id {id} not null,
  scope {text} not null,
  created_at {time} not null,
  updated_at {time} not null,
  revoked_at {time},
  primary key (realm_id, id),
  unique (realm_id, user_id, client_id)
) {keyed};

-- tenant keyed
create table authorization_codes (
  realm_id {id} not null,
  id {id} not null,
  secret_hash {bytes} not null,
  client_id {id} not null,
  client_epoch {int} not null,
  user_id {id} not null,
  user_epoch {int} not null,
  session_id {id} not null,
  grant_id {id} not null,
  family_id {id} not null,
  redirect_uri {text} not null,
  audience {text} not null,
  scope {text} not null,
  nonce {text},
  code_challenge {text},
  acr {text} not null,
  amr {text} not null,
  authenticated_at {time} not null,
  device {text} not null,
  created_at {time} not null,
  expires_at {time} not null,
  used_at {time},
  primary key (realm_id, id)
) {keyed};

create index authorization_codes_expiry on authorization_codes (realm_id, expires_at);
