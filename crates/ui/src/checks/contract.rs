//! What password managers, other people's tests and scripts hold on to: addresses, ids, names, `autocomplete`.

use super::pages;
use super::scan::{Element, elements};

/// Page; where its first form posts; its fields as `id autocomplete`, the name being the id; its buttons' ids.
const CONTRACT: &[(&str, &str, &[&str], &[&str])] = &[
    ("sign-in", "/login", &["email username", "password current-password"], &["sign-in"]),
    ("sign-up", "/signup", &["name name", "email email", "password new-password"], &["sign-up"]),
    ("verify", "/verify", &["code one-time-code"], &["verify", "resend"]),
    ("recover", "/recover", &["email username"], &["recover"]),
    ("recover-code", "/recover", &["code one-time-code"], &["verify", "resend"]),
    ("recover-password", "/recover", &["password new-password"], &["set-password"]),
    ("consent", "/consent", &[], &["deny", "allow"]),
    ("sign-out", "/logout", &[], &["sign-out"]),
    ("account", "/logout", &[], &["sign-out"]),
    ("devices", "/account/sessions", &[], &["end-ses_2", "end-ses_3", "end-others"]),
    (
        "change-password",
        "/account/password",
        &["current_password current-password", "password new-password"],
        &["change-password"],
    ),
    ("setup", "/setup", &["name name", "email email", "password new-password"], &["set-up"]),
    ("form-post", "https://notes.example.com/callback", &[], &["continue"]),
];

#[test]
fn addresses_fields_and_buttons_are_what_others_rely_on() {
    let pages = pages();
    for (name, action, fields, buttons) in CONTRACT {
        let page = pages.iter().find(|page| page.name == *name).unwrap();
        let elements = elements(&page.html);
        let form = elements.iter().find(|element| element.name == "form").unwrap();
        assert_eq!(form.get("action"), Some(*action), "{name}");
        let visible = |element: &&Element| {
            element.name == "input" && element.get("type") != Some("hidden") && !element.has("hidden")
        };
        let found: Vec<_> = elements
            .iter()
            .filter(visible)
            .map(|field| {
                assert_eq!(field.get("id"), field.get("name"), "{name}");
                format!("{} {}", field.get("id").unwrap(), field.get("autocomplete").unwrap())
            })
            .collect();
        assert_eq!(found, *fields, "{name}");
        let found: Vec<_> = elements
            .iter()
            .filter(|element| element.name == "button" && element.get("type") == Some("submit"))
            .map(|button| button.get("id").unwrap())
            .collect();
        assert_eq!(found, *buttons, "{name}");
    }
}

#[test]
fn the_states_of_a_page_post_the_same_fields() {
    let pages = pages();
    for page in &pages {
        let Some((name, ..)) = CONTRACT.iter().find(|(name, ..)| page.name.split('.').next() == Some(name)) else {
            continue;
        };
        if matches!(page.name, "setup.closed" | "devices.alone") {
            continue;
        }
        let first = pages.iter().find(|page| page.name == *name).unwrap();
        let names = |html: &str| {
            elements(html)
                .iter()
                .filter_map(|element| element.get("name").map(str::to_owned))
                .filter(|name| name != "flow")
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&page.html), names(&first.html), "{}", page.name);
    }
}

#[test]
fn consent_posts_a_decision() {
    let pages = pages();
    let page = pages.iter().find(|page| page.name == "consent").unwrap();
    let decisions: Vec<_> = elements(&page.html)
        .into_iter()
        .filter(|element| element.get("name") == Some("decision"))
        .map(|element| (element.get("id").unwrap().to_owned(), element.get("value").unwrap().to_owned()))
        .collect();
    assert_eq!(decisions, [("deny".to_owned(), "deny".to_owned()), ("allow".to_owned(), "allow".to_owned())]);
}

#[test]
fn codes_take_the_whole_code_by_paste_and_autofill() {
    let pages = pages();
    let page = pages.iter().find(|page| page.name == "verify").unwrap();
    let code = elements(&page.html).into_iter().find(|element| element.get("id") == Some("code")).unwrap();
    assert_eq!(code.get("inputmode"), Some("numeric"));
    // A pasted code may bring spaces along: no limit that would cut it.
    assert!(!code.has("maxlength") && !code.has("pattern"));
}
