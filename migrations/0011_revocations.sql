-- What has been revoked: written with the change that revokes, never altered, dropped when the last token that it
-- concerns has died by itself. `subject` is an id, or the name as UTF-8; `name` is how tokens name it where an id is not.

-- tenant keyed
create table revocations (
  realm_id {id} not null,
  unit_id {id} not null,
  kind {text} not null,
  subject {bytes} not null,
  name {text},
  epoch {int} not null,
  at {time} not null,
  primary key (realm_id, unit_id, kind, subject)
) {keyed};

create index revocations_age on revocations (realm_id, at, unit_id, kind, subject);
create index change_log_age on change_log (at);
