-- Messages on their way to people. What is secret in one is sealed, and erased once it is delivered or given up.

-- tenant
create table outbox (
  realm_id {id} not null,
  id {id} not null,
  template {text} not null,
  language {text} not null,
  recipient {text} not null,
  sealed {bytes},
  created_at {time} not null,
  expires_at {time} not null,
  next_at {time} not null,
  attempts {int} not null,
  finished_at {time},
  outcome {text},
  primary key (realm_id, id)
) {keyed};

create index outbox_due on outbox (realm_id, next_at) where finished_at is null;
create index outbox_done on outbox (realm_id, finished_at) where finished_at is not null;
