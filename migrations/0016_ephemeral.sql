-- Short-lived state on Redis, with the database behind it.

-- A row that was taken while Redis may hold another copy stays, so that nobody takes the copy.
alter table ephemerals add column taken {bool} not null default false;

-- When the database last stood in for Redis, and which filling of Redis every node has agreed upon. One row.
-- shared
create table ephemeral_turns (
  slot {int} not null primary key,
  filling {text} not null,
  began_at {time} not null,
  ends_at {time} not null
) {keyed};
