//! What a thief of the database finds.

use claviger_crypto::hex;
use claviger_oauth::token::TokenRequest;
use claviger_storage::scratch::{Engine, run};

use super::house::{House, SECRET};

/// The token of the text form without its prefix: whatever part of it stood in the file would be enough.
fn body(token: &str) -> &str {
    token.split_once('_').map_or(token, |(_, body)| body)
}

#[test]
fn a071_a_dump_of_the_database_holds_no_secret_that_works() {
    run(Engine::Sqlite, async |scratch| {
        let house = House::open(scratch).await;
        house.client("app", |_| {}).await;
        let pending = house.code("app", &[]).await;
        let code = house.code("app", &[]).await;
        let tokens = house.exchange("app", &code).await.unwrap();
        let machine = TokenRequest { grant_type: Some("client_credentials".to_owned()), ..TokenRequest::default() };
        let machine = house.token("app", &machine).await.unwrap();
        let file = house.scratch.file().unwrap().to_owned();
        let mut dump = std::fs::read(&file).unwrap();
        dump.extend(std::fs::read(file.with_extension("db-wal")).unwrap_or_default());
        dump.extend(std::fs::read(format!("{}-wal", file.display())).unwrap_or_default());
        let holds = |needle: &[u8]| dump.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"ada@example.com"), "the dump is read at all");
        let refresh = tokens.refresh_token.unwrap();
        let secrets = [
            SECRET,
            body(&pending),
            body(&code),
            body(refresh.expose()),
            tokens.access_token.expose(),
            machine.access_token.expose(),
        ];
        for secret in secrets {
            assert!(!holds(secret.as_bytes()));
            assert!(!holds(hex(secret.as_bytes()).as_bytes()));
        }
        assert!(!holds(b"PRIVATE KEY"), "private keys are wrapped");
    });
}
