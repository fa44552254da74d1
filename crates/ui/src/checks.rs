//! What must hold of every page in every state.

mod colours;
mod contract;
mod scan;
mod snapshots;

use std::collections::BTreeSet;

use claviger_i18n::{Direction, Texts};

use crate::{Chrome, FormPost, Page, Samples, Specimen, WebAddress, assets, gallery};
use scan::{Piece, elements, readable, scan, text_of};

const NONCE: &str = "n0nce";
const CSRF: &str = "t0ken";

fn chrome() -> Chrome {
    let mut chrome = Chrome::new("Acme");
    chrome.nonce = NONCE.to_owned();
    chrome.csrf = CSRF.to_owned();
    chrome.help = WebAddress::parse("https://notes.example.com/help");
    chrome.privacy = WebAddress::parse("https://notes.example.com/privacy");
    chrome
}

fn pages() -> Vec<Specimen> {
    gallery(&chrome(), &Samples::default())
}

/// Samples of which every text that people or applications bring along is `text`.
fn samples_of(text: &str) -> Samples {
    Samples {
        person: text.to_owned(),
        email: text.to_owned(),
        application: text.to_owned(),
        device: text.to_owned(),
        host: text.to_owned(),
        scope: text.to_owned(),
        subject: text.to_owned(),
        line: text.to_owned(),
        text: text.to_owned(),
        token: text.to_owned(),
        reference: text.to_owned(),
    }
}

#[test]
fn every_page_is_well_formed_with_one_heading_one_main_part_and_a_title() {
    for Specimen { name, html } in pages() {
        let elements = elements(&html);
        for once in ["html", "head", "title", "body", "main", "h1"] {
            assert_eq!(elements.iter().filter(|element| element.name == once).count(), 1, "{name}: {once}");
        }
        assert_eq!(elements[0].get("lang"), Some("en"), "{name}");
        assert_eq!(elements[0].get("dir"), Some("ltr"), "{name}");
        assert!(text_of(&html, "title").contains("Acme"), "{name}");
        assert!(!text_of(&html, "h1").trim().is_empty(), "{name}");
        let ids: Vec<_> = elements.iter().filter_map(|element| element.get("id")).collect();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{name}: an id stands twice in {ids:?}");
        for element in &elements {
            for reference in ["for", "aria-describedby", "aria-labelledby", "aria-controls"] {
                for id in element.get(reference).unwrap_or_default().split(' ').filter(|id| !id.is_empty()) {
                    assert!(ids.contains(&id), "{name}: {reference} speaks of {id}, which is not there");
                }
            }
        }
    }
}

#[test]
fn every_visible_field_has_a_label_and_every_button_a_name() {
    for Specimen { name, html } in pages() {
        let pieces = scan(&html);
        let elements = elements(&html);
        let labelled: Vec<_> = elements.iter().filter_map(|element| element.get("for")).collect();
        for field in elements.iter().filter(|element| element.name == "input" && !hidden(element)) {
            assert!(labelled.contains(&field.get("id").unwrap()), "{name}: {field:?} has no label");
        }
        for (place, piece) in pieces.iter().enumerate() {
            if matches!(piece, Piece::Open(element) if element.name == "button" || element.name == "a") {
                let says = pieces[place..]
                    .iter()
                    .take_while(|piece| !matches!(piece, Piece::Close(name) if name == "button" || name == "a"));
                assert!(
                    says.into_iter().any(|piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty())),
                    "{name}: {piece:?}"
                );
            }
        }
    }
}

fn hidden(element: &scan::Element) -> bool {
    element.get("type") == Some("hidden") || element.has("hidden")
}

/// The pages that the gallery shows within a flow, and those of their states that it shows without.
const IN_FLOW: [&str; 9] =
    ["sign-in", "sign-up", "verify", "recover", "recover-code", "recover-password", "consent", "sign-out", "setup"];
const OUT_OF_FLOW: [&str; 2] = ["sign-in.realm", "sign-in.closed"];

#[test]
fn every_form_of_ours_posts_the_csrf_token_and_the_flow() {
    for Specimen { name, html } in pages() {
        let mut form: Option<(String, BTreeSet<String>)> = None;
        for piece in scan(&html) {
            match piece {
                Piece::Open(element) if element.name == "form" => {
                    assert_eq!(element.get("method"), Some("post"), "{name}");
                    form = Some((element.get("action").unwrap().to_owned(), BTreeSet::new()));
                }
                Piece::Open(element) if element.name == "input" => {
                    if element.get("name") == Some("csrf") {
                        assert_eq!(element.get("value"), Some(CSRF), "{name}");
                    }
                    let (_, fields) = form.as_mut().expect("inputs stand in a form");
                    fields.extend(element.get("name").map(str::to_owned));
                }
                Piece::Close(tag) if tag == "form" => {
                    let (action, fields) = form.take().unwrap();
                    // The one form that leaves the house carries nothing of ours.
                    assert_eq!(fields.contains("csrf"), name != "form-post", "{name}: {action}");
                    let in_flow = IN_FLOW.contains(&name.split('.').next().unwrap()) && !OUT_OF_FLOW.contains(&name);
                    assert_eq!(fields.contains("flow"), in_flow, "{name}: {action}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn nothing_needs_a_script_and_nothing_is_inline_without_the_nonce() {
    for Specimen { name, html } in pages() {
        for element in elements(&html) {
            for (attribute, _) in &element.attributes {
                assert!(!attribute.starts_with("on") && attribute != "style", "{name}: {attribute} in {element:?}");
            }
            assert_ne!(element.name, "style", "{name}");
            if element.name == "script" || element.get("rel") == Some("stylesheet") {
                assert_eq!(element.get("nonce"), Some(NONCE), "{name}: {element:?}");
            }
            // What only a script can move is not shown without one.
            if element.name == "button" && element.get("type") != Some("submit") {
                assert!(element.has("hidden"), "{name}: {element:?}");
            }
        }
    }
}

#[test]
fn a094_pages_load_nothing_from_elsewhere_and_name_no_secret_in_the_title() {
    let samples = Samples { token: "s3cret-value".into(), ..Samples::default() };
    for Specimen { name, html } in gallery(&chrome(), &samples) {
        let mut loaded = Vec::new();
        for element in elements(&html) {
            assert!(!element.has("src"), "{name}: {element:?}");
            if element.name == "link" {
                let href = element.get("href").unwrap().to_owned();
                if !href.starts_with("data:") {
                    loaded.push(href);
                }
            }
        }
        assert_eq!(loaded, [assets()[0].path], "{name}");
        let title = text_of(&html, "title");
        assert!(!title.contains("s3cret-value") && !title.contains("12345678"), "{name}: {title}");
    }
}

#[test]
fn links_and_forms_stay_in_their_realm() {
    let mut chrome = chrome();
    chrome.base = "/realms/acme".to_owned();
    for Specimen { name, html } in gallery(&chrome, &Samples::default()) {
        if name.starts_with("dev.") {
            continue;
        }
        for element in elements(&html).iter().filter(|element| element.name == "a" || element.name == "form") {
            let target = element.get("href").or_else(|| element.get("action")).unwrap();
            let outside = target.starts_with("https://notes.example.com/");
            assert!(target.starts_with("/realms/acme/") || target.starts_with('#') || outside, "{name}: {target}");
        }
    }
}

#[test]
fn passwords_never_come_back() {
    let mut seen = 0;
    for Specimen { name, html } in pages() {
        for field in elements(&html).iter().filter(|element| element.get("type") == Some("password")) {
            assert!(!field.has("value"), "{name}: {field:?}");
            seen += 1;
        }
    }
    assert!(seen > 20);
}

#[test]
fn a_form_in_trouble_names_it_on_top_and_under_the_field() {
    for Specimen { name, html } in pages() {
        let elements = elements(&html);
        let invalid: Vec<_> = elements.iter().filter(|element| element.get("aria-invalid") == Some("true")).collect();
        let summary = elements.iter().find(|element| element.get("id") == Some("summary"));
        if let Some(summary) = summary {
            assert!(summary.has("autofocus") && summary.get("role") == Some("alert"), "{name}");
        }
        for field in invalid {
            let id = field.get("id").unwrap();
            assert!(summary.is_some(), "{name}");
            assert!(field.get("aria-describedby").unwrap().contains(&format!("{id}-fault")), "{name}");
            assert!(elements.iter().any(|element| element.get("href") == Some(&format!("#{id}"))), "{name}: {id}");
        }
    }
}

/// What an attacker types: it ends attributes, elements, comments and template expressions.
const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;{{7*7}}{% x %}<!-- ]]>\u{0}\u{202e}";

#[test]
fn a199_hostile_values_are_text_and_nothing_else() {
    let harmless = gallery(&chrome(), &samples_of("harmless"));
    let hostile = gallery(&chrome(), &samples_of(HOSTILE));
    assert_eq!(harmless.len(), hostile.len());
    let shape = |html: &str| {
        elements(html)
            .into_iter()
            .map(|element| (element.name, element.attributes.into_iter().map(|(name, _)| name).collect::<Vec<_>>()))
            .collect::<Vec<_>>()
    };
    for (harmless, hostile) in harmless.iter().zip(&hostile) {
        assert_eq!(shape(&harmless.html), shape(&hostile.html), "{}", hostile.name);
        let shown = readable(&hostile.html).concat().contains(HOSTILE);
        let expected = readable(&harmless.html).concat().contains("harmless");
        assert_eq!(shown, expected, "{}: shown as it was typed", hostile.name);
    }
}

#[test]
fn a199_hostile_surroundings_are_text_too() {
    let mut chrome = chrome();
    chrome.place = HOSTILE.to_owned();
    chrome.csrf = HOSTILE.to_owned();
    for Specimen { name, html } in gallery(&chrome, &Samples::default()) {
        assert_eq!(
            elements(&html).iter().filter(|element| element.name == "script").count(),
            usize::from(name != "form-post"),
            "{name}"
        );
        assert!(!elements(&html).iter().any(|element| element.name == "img"), "{name}");
    }
}

#[test]
fn a023_a_form_post_answer_carries_hostile_values_as_values() {
    let page = FormPost {
        action: WebAddress::parse("https://app.example/cb?x=\"><script>alert(1)</script>").unwrap(),
        fields: vec![("state".into(), HOSTILE.into()), (HOSTILE.into(), "x".into())],
        client: HOSTILE.into(),
    };
    let html = page.render(&chrome());
    let elements = elements(&html);
    assert_eq!(elements.iter().filter(|element| element.name == "script").count(), 1);
    let form = elements.iter().find(|element| element.name == "form").unwrap();
    assert_eq!(form.get("action"), Some("https://app.example/cb?x=\"><script>alert(1)</script>"));
    let fields: Vec<_> = elements.iter().filter(|element| element.name == "input").collect();
    assert_eq!((fields[0].get("name"), fields[0].get("value")), (Some("state"), Some(HOSTILE)));
    assert_eq!((fields[1].get("name"), fields[1].get("value")), (Some(HOSTILE), Some("x")));
    assert_eq!(fields.len(), 2);
    assert!(elements.iter().any(|element| element.get("id") == Some("continue") && element.name == "button"));
    assert!(!html.contains(CSRF));
}

#[test]
fn no_text_stands_beside_the_message_files() {
    const DATA: &str = "\u{1f511}";
    for direction in [Direction::Ltr, Direction::Rtl] {
        let mut chrome = chrome();
        chrome.place = DATA.to_owned();
        chrome.texts = Texts::pseudo(direction);
        for Specimen { name, html } in gallery(&chrome, &samples_of(DATA)) {
            // What the gallery itself brings along: a time, a code, an address, a page's name.
            let html = html.replace("09:41", "").replace(">sign-in<", "><").replace("12345678", "");
            let html = html.replace("http://localhost:4000/verify?flow=1", "").replace("2026-03-02T09:30:00Z", "");
            // A message may be split around an emphasised value, so brackets are matched over the whole document.
            let mut depth = 0i32;
            for text in readable(&html) {
                for letter in text.chars() {
                    match letter {
                        '⟦' => depth += 1,
                        '⟧' => depth -= 1,
                        letter if letter.is_alphanumeric() => assert!(depth > 0, "{name}: stray text {text:?}"),
                        _ => {}
                    }
                }
            }
            assert_eq!(depth, 0, "{name}");
        }
    }
}

#[test]
fn a_sign_in_page_weighs_less_than_30_kb_with_its_stylesheet() {
    let style = assets().iter().map(|asset| asset.bytes.len()).sum::<usize>();
    for Specimen { name, html } in pages() {
        assert!(html.len() + style < 30_000, "{name}: {} and {style} bytes", html.len());
    }
}

#[test]
fn the_stylesheet_is_named_after_its_content_and_loads_nothing() {
    let [style] = assets() else { panic!("one stylesheet") };
    let hash = style.path.strip_prefix("/assets/claviger.").and_then(|rest| rest.strip_suffix(".css")).unwrap();
    assert!(hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{hash}");
    let css = std::str::from_utf8(style.bytes).unwrap();
    assert!(css.starts_with("@layer reset,tokens,elements,components,pages;"));
    for loading in ["url(", "@import", "@font-face", "http"] {
        assert!(!css.contains(loading), "{loading}");
    }
}

#[test]
fn every_class_on_a_page_has_a_style_and_every_style_a_page() {
    let css = std::str::from_utf8(assets()[0].bytes).unwrap();
    let mut worn = BTreeSet::new();
    for Specimen { html, .. } in pages() {
        for element in elements(&html) {
            worn.extend(element.get("class").unwrap_or_default().split_whitespace().map(str::to_owned));
        }
    }
    let mut styled = BTreeSet::new();
    for rule in css.split('}') {
        let selector = rule.rsplit_once('{').map_or(rule, |(selector, _)| selector);
        for rest in selector.split('.').skip(1) {
            let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-').unwrap_or(rest.len());
            if end > 0 {
                styled.insert(rest[..end].to_owned());
            }
        }
    }
    assert_eq!(worn, styled);
}
