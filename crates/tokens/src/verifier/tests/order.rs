//! In which order the checks run, and what each type must bear.

use super::*;

#[test]
fn a_token_is_called_expired_only_if_nothing_else_is_wrong_with_it() {
    let late = NOW.plus(60 * MINUTE);
    let token = with_payload(&payload());
    assert_eq!(verify_at(&token, &api(), late), Err(Refusal::Expired));
    let revoked = RevocationSet::new();
    revoked.insert(Revocation::Session("ses_1"), late);
    let keys = keys_of(ISSUER);
    let verdict = Verifier::new(&keys, &revoked).verify(&token, &api(), late);
    assert_eq!(verdict, Err(Refusal::Revoked(RevokedBy::Session)));
    for (token, expected) in [
        (with_payload(&changed("iss", json!("x"))), Refusal::Issuer),
        (with_payload(&changed("aud", json!("x"))), Refusal::Audience),
        (with_payload(&changed("nbf", json!(late.seconds() + 61))), Refusal::NotYet),
        (with_payload(&without("jti")), Refusal::Missing("jti")),
        (token[..token.len() - 4].to_owned() + "AAAA", Refusal::Signature),
    ] {
        let refused = verify_at(&token, &api(), late).unwrap_err();
        assert_eq!(refused, expected);
        assert!(!refused.is_expired());
    }
}

#[test]
fn every_revocation_reaches_the_token_and_a_later_epoch_frees_the_next() {
    let keys = keys_of(ISSUER);
    let token = with_payload(&payload());
    for (revocation, by) in [
        (Revocation::Token("t1"), RevokedBy::Token),
        (Revocation::Session("ses_1"), RevokedBy::Session),
        (Revocation::Family("fam_1"), RevokedBy::Family),
        (Revocation::User { sub: "usr_1", epoch: 4 }, RevokedBy::User),
        (Revocation::Client { client_id: CLIENT, epoch: 3 }, RevokedBy::Client),
        (Revocation::Organization { org_id: "org_1", epoch: 2 }, RevokedBy::Organization),
    ] {
        let revoked = RevocationSet::new();
        revoked.insert(revocation, NOW.plus(5 * MINUTE));
        let verdict = Verifier::new(&keys, &revoked).verify(&token, &api(), NOW);
        assert_eq!(verdict, Err(Refusal::Revoked(by)));
    }
    let revoked = RevocationSet::new();
    revoked.insert(Revocation::User { sub: "usr_1", epoch: 3 }, NOW.plus(5 * MINUTE));
    assert!(Verifier::new(&keys, &revoked).verify(&token, &api(), NOW).is_ok());
}

#[test]
fn a_sealed_token_stands_every_check_that_a_signed_one_does() {
    let token = an_access_token();
    let late = NOW.plus(5 * MINUTE);
    for (token, now, refused) in [
        (AccessToken { iss: "https://id.test/realms/other", ..token.clone() }, NOW, Refusal::Issuer),
        (AccessToken { aud: "https://other.test", ..token.clone() }, NOW, Refusal::Audience),
        (AccessToken { aud: "", ..token.clone() }, NOW, Refusal::Audience),
        (AccessToken { iat: late, exp: late.plus(MINUTE), ..token.clone() }, NOW, Refusal::NotYet),
        (token.clone(), late, Refusal::Expired),
    ] {
        let sealed = token.seal(&ring());
        assert_eq!(verify_sealed_at(sealed.expose(), &api(), now), Err(refused));
        assert_eq!(verify_at(&token.sign(es256()).unwrap(), &api(), now), Err(refused), "as for a signed one");
    }
    let (keys, sealed) = (keys_of(ISSUER), token.seal(&ring()));
    let revoked = RevocationSet::new();
    revoked.insert(Revocation::Token(token.jti), NOW.plus(5 * MINUTE));
    let verdict = Verifier::new(&keys, &revoked).verify_sealed(&ring(), sealed.expose(), &api(), NOW);
    assert_eq!(verdict, Err(Refusal::Revoked(RevokedBy::Token)));
    let other = opaque::OpaqueKeys::new(2, MacKey::new(&Secret::new([8; 32])));
    for (text, ring, refused) in [
        (sealed.expose().clone(), &other, Refusal::Key),
        ("cvat_!".to_owned(), &other, Refusal::Shape),
        ("x".repeat(20_000), &other, Refusal::Size),
    ] {
        let verdict = Verifier::new(&keys, &revoked).verify_sealed(ring, &text, &api(), NOW);
        assert_eq!(verdict, Err(refused));
    }
}

#[test]
fn a_hint_may_be_old_or_of_an_ended_session_but_must_be_ours() {
    let keys = keys_of(ISSUER);
    let revoked = RevocationSet::new();
    revoked.insert(Revocation::Session(&SessionId::from_bytes([1; 16]).to_string()), NOW.plus(60 * MINUTE));
    let verifier = Verifier::new(&keys, &revoked);
    let hint = an_id_token(&ExtraClaims::default(), CLIENT);
    let told = verifier.verify_hint(&hint, NOW.plus(60 * MINUTE)).unwrap();
    assert_eq!((told.claims().sub.as_deref(), told.claims().aud.as_slice()), (Some("usr_1"), &[CLIENT.to_owned()][..]));
    let expect = Expectation::id_token(CLIENT).unwrap();
    assert_eq!(verifier.verify(&hint, &expect, NOW), Err(Refusal::Revoked(RevokedBy::Session)));
    let foreign = keys_of("https://id.test/realms/other");
    assert_eq!(Verifier::new(&foreign, &revoked).verify_hint(&hint, NOW), Err(Refusal::Issuer));
}

#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    let token = with_payload(&changed("cnf", json!({"jkt": "thumbprint"})));
    assert_eq!(refusal(&token), Refusal::Binding);
    let verified = verify_at(&token, &Expectation::access_token_at_issuer(), NOW).unwrap();
    assert_eq!(verified.claims().cnf, Some(json!({"jkt": "thumbprint"})));
}

#[test]
fn each_type_bears_what_its_standard_demands() {
    for name in ["sub", "jti", "client_id"] {
        assert_eq!(refusal(&with_payload(&without(name))), Refusal::Missing(name));
    }
    let logout = |payload: &Value| {
        let token = signed(es256(), &header("ES256", "logout+jwt").to_string(), &payload.to_string());
        verify_at(&token, &Expectation::logout_token(API).unwrap(), NOW).map(drop)
    };
    let mut good = payload();
    good["events"] = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(logout(&good), Ok(()));
    assert_eq!(logout(&payload()), Err(Refusal::Missing("events")));
    let mut answering = good.clone();
    answering["nonce"] = json!("n");
    assert_eq!(logout(&answering), Err(Refusal::Claims));
    let (mut nobody, members) = (good.clone(), ["sub", "sid"]);
    for member in members {
        nobody.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(logout(&nobody), Err(Refusal::Missing("sub")));
    let id = signed(es256(), &header("ES256", "JWT").to_string(), &without("sub").to_string());
    assert_eq!(verify_at(&id, &Expectation::id_token(API).unwrap(), NOW), Err(Refusal::Missing("sub")));
}

proptest! {
    #[test]
    fn a064_every_changed_character_of_a_token_is_refused(at: usize, to in 0..64usize) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let token = with_payload(&payload());
        let mut changed = token.clone().into_bytes();
        let at = at % changed.len();
        prop_assume!(changed[at] != ALPHABET[to]);
        changed[at] = ALPHABET[to];
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(!matches!(verify_at(&changed, &api(), NOW), Ok(_) | Err(Refusal::Expired)));
        prop_assert!(verify_at(&token[..at], &api(), NOW).is_err());
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text: String, header: Vec<u8>, payload: Vec<u8>) {
        prop_assert!(verify_at(&text, &api(), NOW).is_err());
        let token = format!("{}.{}.AA", base64url(&header), base64url(&payload));
        prop_assert!(verify_at(&token, &api(), NOW).is_err());
    }
}
