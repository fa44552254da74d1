-- The processes that serve on this database. Every time in here is the database's own.

-- shared
create table nodes (
  id {id} not null primary key,
  version {text} not null,
  started_at {time} not null,
  seen_at {time} not null,
  views_at {time} not null
) {keyed};

create index nodes_seen on nodes (seen_at);
