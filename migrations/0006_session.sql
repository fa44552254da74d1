-- Signed-in browsers, and the chains of refresh tokens of each grant on each device.

-- tenant keyed
create table sessions (
  realm_id {id} not null,
  id {id} not null,
  user_id {id} not null,
  user_epoch {int} not null,
  generation {int} not null,
  secret_hash {bytes} not null,
  acr {text} not null,
  proofs {text} not null,
  authenticated_at {time} not null,
  created_at {time} not null,
  seen_at {time} not null,
  idle_expires_at {time} not null,
  expires_at {time} not null,
  device {text} not null,
  source {text},
  ended_at {time},
  end_reason {text},
  primary key (realm_id, id)
) {keyed};

create index sessions_user on sessions (realm_id, user_id);
create index sessions_expiry on sessions (realm_id, expires_at);

-- tenant keyed
create table token_families (
  realm_id {id} not null,
  id {id} not null,
  user_id {id} not null,
  user_epoch {int} not null,
  client_id {id} not null,
  client_epoch {int} not null,
  grant_id {id} not null,
  session_id {id},
  audience {text} not null,
  scope {text} not null,
  nonce_claim {text},
  acr {text} not null,
  amr {text} not null,
  authenticated_at {time} not null,
  generation {int} not null,
  secret_hash {bytes} not null,
  parent_hash {bytes},
  rotation_nonce {bytes} not null,
  rotation_key {int} not null,
  parent_used_at {time},
  repeats {int} not null,
  confirmation {text},
  device {text} not null,
  created_at {time} not null,
  used_at {time} not null,
  idle_expires_at {time} not null,
  expires_at {time} not null,
  revoked_at {time},
  revoke_reason {text},
  primary key (realm_id, id)
) {keyed};

create index token_families_user on token_families (realm_id, user_id);
create index token_families_session on token_families (realm_id, session_id);
create index token_families_grant on token_families (realm_id, grant_id);
create index token_families_expiry on token_families (realm_id, expires_at);
