-- Who changed what: one row per event, written in the transaction of the change.

-- tenant
create table audit_events (
  realm_id {id} not null,
  id {id} not null,
  unit_id {id} not null,
  at {time} not null,
  actor {text} not null,
  request_id {id} not null,
  source {text},
  name {text} not null,
  subject {text} not null,
  fields {text} not null,
  content_hash {bytes} not null,
  primary key (realm_id, id)
) {keyed};

create index audit_events_unit on audit_events (realm_id, unit_id);
