-- What an API's access tokens look like, and whether it learns of revocations.

alter table resource_servers add column token_format {text} not null default 'jwt';
alter table resource_servers add column revocation_aware {bool} not null default false;
