-- Accounts of which something suggests that a stranger holds a token, and what a message says beside its template.

-- tenant keyed
create table user_risks (
  realm_id {id} not null,
  user_id {id} not null,
  cause {text} not null,
  evidence {text} not null,
  marked_at {time} not null,
  last_at {time} not null,
  times {int} not null,
  told_at {time},
  primary key (realm_id, user_id)
) {keyed};

alter table outbox add column parameters {text};
