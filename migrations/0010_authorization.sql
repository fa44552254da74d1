-- Who holds which role, and whether the first administrator has been made.

-- tenant keyed
create table role_assignments (
  realm_id {id} not null,
  user_id {id} not null,
  role {text} not null,
  created_at {time} not null,
  primary key (realm_id, user_id, role)
) {keyed};

create index role_assignments_role on role_assignments (realm_id, role);

-- tenant keyed
create table set_ups (
  realm_id {id} not null,
  secret_hash {bytes} not null,
  created_at {time} not null,
  expires_at {time} not null,
  used_at {time},
  primary key (realm_id)
) {keyed};
