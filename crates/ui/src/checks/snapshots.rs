//! The main pages as they are written, without drawings, scripts and the hash of the stylesheet.

use super::pages;
use crate::assets;

const KEPT: [&str; 21] = [
    "sign-in",
    "sign-in.refused",
    "sign-in.missing",
    "sign-up",
    "sign-up.common",
    "verify",
    "verify.refused",
    "recover",
    "recover-password",
    "consent",
    "consent.unverified",
    "sign-out",
    "signed-out.application",
    "account",
    "devices",
    "change-password.wrong",
    "done.password-set",
    "setup",
    "error.client",
    "dev.welcome",
    "dev.message",
];

#[test]
fn pages_are_written_like_this() {
    let pages = pages();
    for name in KEPT {
        let page = pages.iter().find(|page| page.name == name).unwrap();
        let html = page.html.replace(assets()[0].path, "[stylesheet]");
        let html = without(&html, "<svg", "</svg>", "[icon]");
        let html = without(&html, "<script", "</script>", "[script]");
        let html = without(&html, "data:image/svg+xml,", "%3C/svg%3E", "[mark]");
        let lines: Vec<_> = html.lines().filter(|line| !line.trim().is_empty()).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}

fn without(html: &str, start: &str, end: &str, instead: &str) -> String {
    let mut kept = String::new();
    let mut rest = html;
    while let Some(from) = rest.find(start) {
        kept.push_str(&rest[..from]);
        kept.push_str(instead);
        let to = from + rest[from..].find(end).expect("what starts ends") + end.len();
        rest = &rest[to..];
    }
    kept + rest
}
