use serde_json::json;

use super::*;

fn paths(result: Result<RealmSettings, SettingsError>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|each| each.path).collect()
}

#[test]
fn the_defaults_are_those_of_the_catalogue_and_within_their_own_bounds() {
    let settings = RealmSettings::default();
    settings.check().unwrap();
    assert_eq!((settings.tokens.access, settings.tokens.id), (minutes(5), minutes(5)));
    assert_eq!((settings.tokens.refresh_idle, settings.tokens.refresh_absolute), (days(14), days(30)));
    assert_eq!((settings.sessions.idle, settings.sessions.absolute), (hours(1), hours(24)));
    assert_eq!((settings.flows.code, settings.flows.sign_in), (seconds(60), minutes(30)));
    assert_eq!((settings.flows.verification, settings.flows.reset), (hours(24), minutes(30)));
    assert_eq!((settings.keys.rotation, settings.keys.publish_ahead), (days(90), hours(24)));
    assert_eq!(settings.passwords.minimum, 15);
    assert_eq!(settings.longest_token_life(), minutes(15));
}

#[test]
fn the_reference_lists_every_setting_with_text_and_default() {
    let rules = RealmSettings::rules();
    let document = RealmSettings::default().document();
    let stored: usize = document.values().map(|section| section.as_object().map_or(1, Map::len)).sum();
    assert_eq!(rules.len(), stored);
    assert!(rules.iter().all(|rule| !rule.text.is_empty() && !rule.default.is_empty()));
    let access = rules.iter().find(|rule| rule.path == "tokens.access").unwrap();
    assert_eq!((access.default.as_str(), access.bounds.clone()), ("5m", Some(("5s".to_owned(), "1d".to_owned()))));
}

#[test]
fn a_patch_changes_what_it_names_and_null_returns_to_the_default() {
    let changed = RealmSettings::default()
        .patched(&json!({ "tokens": { "access": "10m" }, "sign_up": { "open": false }, "languages": ["de", "en"] }))
        .unwrap();
    assert_eq!((changed.tokens.access, changed.sign_up.open), (minutes(10), false));
    assert_eq!(changed.sessions, SessionSettings::default());
    assert_eq!(
        RealmSettings::default().differing(&changed),
        ["languages".to_owned(), "sign_up.open".to_owned(), "tokens.access".to_owned()]
    );
    let back = changed.patched(&json!({ "tokens": { "access": null }, "sign_up": null, "languages": null })).unwrap();
    assert_eq!(back, RealmSettings::default());
}

#[test]
fn an_unknown_or_malformed_setting_is_refused_and_named() {
    let settings = RealmSettings::default();
    assert_eq!(paths(settings.patched(&json!({ "tokens": { "acess": "5m" } }))), ["tokens.acess"]);
    assert_eq!(paths(settings.patched(&json!({ "token": {} }))), ["token"]);
    assert_eq!(paths(settings.patched(&json!({ "tokens": { "access": 300 } }))), ["tokens.access"]);
    assert_eq!(paths(settings.patched(&json!({ "sign_up": { "open": "yes" } }))), ["sign_up.open"]);
    assert_eq!(paths(settings.patched(&json!(["tokens"]))), [""]);
}

#[test]
fn values_out_of_bounds_are_all_named_at_once() {
    let patch = json!({ "tokens": { "access": "1s" }, "passwords": { "minimum": 7 }, "languages": ["english"] });
    assert_eq!(
        paths(RealmSettings::default().patched(&patch)),
        ["tokens.access".to_owned(), "passwords.minimum".to_owned(), "languages".to_owned()]
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (patch, path) in [
        (json!({ "tokens": { "access": "20m" } }), "tokens.access"),
        (json!({ "tokens": { "refresh_idle": "31d" } }), "tokens.refresh_idle"),
        (json!({ "sessions": { "idle": "25h" } }), "sessions.idle"),
        (json!({ "keys": { "publish_ahead": "19m" } }), "keys.publish_ahead"),
        (json!({ "keys": { "rotation": "24h" } }), "keys.rotation"),
        (json!({ "languages": [] }), "languages"),
        (json!({ "languages": ["en", "en"] }), "languages"),
    ] {
        assert_eq!(paths(RealmSettings::default().patched(&patch)), [path], "{patch}");
    }
}

#[test]
fn a_row_of_a_newer_version_is_read_and_keeps_what_this_version_does_not_know() {
    let row = r#"{"tokens":{"access":"10m","future":"1h"},"later":{"a":1}}"#;
    let settings = RealmSettings::stored(row).unwrap();
    assert_eq!((settings.tokens.access, settings.tokens.id), (minutes(10), minutes(5)));
    let written: Value = serde_json::from_str(&settings.to_stored(Some(row))).unwrap();
    assert_eq!((&written["tokens"]["future"], &written["later"]["a"]), (&json!("1h"), &json!(1)));
    assert_eq!(RealmSettings::stored(&settings.to_stored(Some(row))).unwrap(), settings);
}

#[test]
fn a_damaged_row_is_refused_and_not_replaced_by_defaults() {
    for row in ["", "[]", "{\"tokens\":{\"access\":\"soon\"}}", "{\"sessions\":7}"] {
        assert!(RealmSettings::stored(row).is_err(), "{row}");
    }
}
