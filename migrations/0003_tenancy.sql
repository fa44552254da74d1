-- Realms: isolated identity spaces. The table says which realms there are, so it belongs to none.

-- shared
create table realms (
  id {id} not null primary key,
  name {text} not null unique,
  display_name {text} not null,
  status {text} not null,
  settings {text} not null,
  longest_token_life {int} not null,
  version {int} not null,
  created_at {time} not null,
  updated_at {time} not null
) {keyed};
