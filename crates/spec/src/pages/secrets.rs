//! What a thief of the database holds in hand.

use base64::Engine as _;
use claviger_testkit::tests;

use crate::people::{
    ADA, PASSWORD, app, logged, peer, public_app, set_up_link, sign_in_at, sign_up, signed_in, text, user,
};

/// The forms in which a secret could stand in a dump: as it is, decoded, its random part alone, and each in hexadecimal.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.as_bytes().to_vec()];
    let body = secret.split_once('_').map_or(secret, |(_, body)| body);
    if let Ok(bytes) = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body)
        && bytes.len() >= 57
    {
        forms.push(bytes[25..57].to_vec());
        forms.push(bytes);
    }
    let hex =
        |bytes: &Vec<u8>| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")).into_bytes();
    let in_hex: Vec<_> = forms.iter().map(hex).collect();
    forms.into_iter().chain(in_hex).collect()
}

fn holds(dump: &[u8], needle: &[u8]) -> bool {
    dump.windows(needle.len()).any(|window| window == needle)
}

tests! {
    async fn a071_a_stolen_database_holds_no_secret_that_works(t: TestServer) {
        user(&t, ADA).await;
        let link = set_up_link(&t).await;
        let (confidential, public) = (app(&t).await, public_app(&t).await);
        let mut browser = signed_in(&t, ADA).await;
        let code = public.code(&mut browser, &[]).await;
        let tokens = public.tokens(&t, &mut browser).await;
        let mut newcomer = t.browser();
        sign_up(&mut newcomer, "", "bob@example.com").await;
        let waiting = t.stolen().await;
        let digits = crate::people::code(&t, "main", "bob@example.com").await;
        assert!(!holds(&waiting, digits.as_bytes()), "a code that waits for its mail is sealed");
        let mut secrets = vec![PASSWORD.to_owned(), digits, code, confidential.secret.clone().unwrap()];
        secrets.push(link.split_once("token=").unwrap().1.to_owned());
        secrets.extend(["__Host-sid", "__Host-known", "__Host-flow"].map(|name| browser.cookie(name).unwrap().to_owned()));
        secrets.extend(["access_token", "refresh_token", "id_token"].map(|name| text(&tokens, name)));
        let dump = t.stolen().await;
        assert!(holds(&dump, ADA.as_bytes()), "the dump is one");
        for secret in secrets {
            for form in forms(&secret) {
                assert!(!holds(&dump, &form), "{secret} stands in the database");
            }
        }
        assert!(!holds(&dump, b"PRIVATE KEY"));
    }

    async fn a202_no_secret_of_a_sign_in_reaches_the_log(t: TestServer) {
        user(&t, ADA).await;
        let app = public_app(&t).await;
        let client = t.client_at(peer("192.0.2.7"));
        let mut browser = t.browser_at(peer("192.0.2.7"));
        let ((code, tokens), log) = logged(async {
            sign_in_at(&mut browser, "", ADA, "not the password at all").await;
            sign_in_at(&mut browser, "", ADA, PASSWORD).await;
            let code = app.code(&mut browser, &[]).await;
            let tokens: serde_json::Value = app.redeem(&client, &code).await.json();
            app.userinfo(&client, &text(&tokens, "access_token")).await;
            (code, tokens)
        })
        .await;
        assert!(log.contains("claviger::access"), "the log is one");
        let cookies = ["__Host-sid", "__Host-known", "__Host-flow"].map(|name| browser.cookie(name).unwrap().to_owned());
        let tokens = ["access_token", "refresh_token", "id_token"].map(|name| text(&tokens, name));
        let typed = [PASSWORD.to_owned(), "not the password at all".to_owned(), code];
        for secret in typed.into_iter().chain(cookies).chain(tokens) {
            assert!(!log.contains(&secret), "{secret} stands in the log");
        }
    }
}
