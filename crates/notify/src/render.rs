//! Putting a message into words: a plain text, and HTML that carries the same and loads nothing.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use claviger_i18n::{Arg, Texts};
use claviger_kernel::{Secret, Timestamp};

use crate::{Mail, Template};

/// What fills a template.
pub(crate) struct Filling<'a> {
    pub(crate) template: Template,
    pub(crate) to: &'a str,
    /// The realm's name as people know it.
    pub(crate) place: &'a str,
    /// The realm's issuer URL, without a slash at the end: links begin with it.
    pub(crate) issuer: &'a str,
    pub(crate) code: Option<&'a Secret<String>>,
    pub(crate) facts: &'a BTreeMap<String, String>,
    pub(crate) minutes: u32,
    pub(crate) queued_at: Timestamp,
}

/// One part of a message.
enum Part {
    Title(String),
    Words(String),
    Code(String),
    Link { label: String, url: String },
}

pub(crate) fn render(texts: &Texts, filling: &Filling<'_>) -> Mail {
    let name = filling.template.as_str();
    // To the minute, as a person would note it.
    let at = format!("{} UTC", filling.queued_at.to_string()[..16].replace('T', " "));
    let mut named = vec![("place", Arg::from(filling.place)), ("time", Arg::from(at.as_str()))];
    let facts: Vec<(&str, String)> = filling.facts.iter().map(|(name, text)| (name.as_str(), plain(text))).collect();
    named.extend(facts.iter().map(|(name, text)| (*name, Arg::from(text))));
    let say = |key: &str| texts.get(key, &named).into_owned();
    let own = |part: &str| say(&format!("mail-{name}-{part}"));
    let link = |part: &str, path: &str| Part::Link { label: own(part), url: format!("{}{path}", filling.issuer) };
    let mut parts = vec![Part::Title(own("title")), Part::Words(own("lead"))];
    match filling.template {
        Template::Verify | Template::Reset => {
            if let Some(code) = filling.code {
                let digits = code.expose();
                let (left, right) = digits.split_at_checked(4).unwrap_or((digits, ""));
                parts.push(Part::Words(say("mail-code-intro")));
                parts.push(Part::Code(format!("{left} {right}")));
                let lasts = if filling.minutes >= 60 && filling.minutes.is_multiple_of(60) {
                    texts.get("mail-code-lasts-hours", &[("hours", Arg::from(filling.minutes / 60))])
                } else {
                    texts.get("mail-code-lasts", &[("minutes", Arg::from(filling.minutes))])
                };
                parts.push(Part::Words(lasts.into_owned()));
            }
            parts.push(Part::Words(own("ignore")));
        }
        Template::AlreadyRegistered => {
            parts.push(link("sign-in", "/login"));
            parts.push(link("reset", "/recover"));
            parts.push(Part::Words(own("ignore")));
        }
        Template::NoAccount => {
            parts.push(link("sign-up", "/signup"));
            parts.push(Part::Words(own("ignore")));
        }
        Template::PasswordChanged => {
            parts.push(Part::Words(own("act")));
            parts.push(link("link", "/recover"));
        }
        Template::SignInReused => {
            parts.push(Part::Words(own("where")));
            parts.push(Part::Words(own("done")));
            parts.push(Part::Words(own("act")));
            parts.push(link("change", "/account/password"));
            parts.push(link("reset", "/recover"));
        }
    }
    let foot = say("mail-footer");
    Mail {
        to: filling.to.to_owned(),
        subject: own("subject"),
        text: text(&parts, &foot),
        html: html(texts, &parts, &foot),
        queued_at: filling.queued_at,
    }
}

fn text(parts: &[Part], foot: &str) -> String {
    let mut out = String::new();
    for part in parts {
        let written = match part {
            Part::Title(words) | Part::Words(words) => write!(out, "{words}\n\n"),
            Part::Code(code) => write!(out, "    {code}\n\n"),
            Part::Link { label, url } => write!(out, "{label}:\n{url}\n\n"),
        };
        written.expect("text grows without fail");
    }
    let _ = write!(out, "-- \n{foot}\n");
    out
}

/// Mail programs know no stylesheets worth the name, so the few styles stand on the elements.
fn html(texts: &Texts, parts: &[Part], foot: &str) -> String {
    let mut body = String::new();
    for part in parts {
        let written = match part {
            Part::Title(words) => {
                write!(body, "<h1 style=\"margin:0 0 16px;font-size:20px;line-height:1.2\">{}</h1>", escaped(words))
            }
            Part::Words(words) => write!(body, "<p style=\"margin:0 0 16px\">{}</p>", escaped(words)),
            Part::Code(code) => write!(
                body,
                "<p style=\"margin:0 0 16px;font:600 28px/1.2 ui-monospace,monospace;letter-spacing:2px\">{}</p>",
                escaped(code)
            ),
            Part::Link { label, url } => write!(
                body,
                "<p style=\"margin:0 0 16px\"><a href=\"{}\" style=\"color:#0f766e\">{}</a></p>",
                escaped(url),
                escaped(label)
            ),
        };
        written.expect("text grows without fail");
    }
    format!(
        "<!doctype html><html lang=\"{}\" dir=\"{}\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif\">\
         <div style=\"max-width:480px;margin:0 auto\">{body}\
         <p style=\"margin:24px 0 0;font-size:12px;opacity:.7\">{}</p></div></body></html>",
        escaped(&texts.tag()),
        texts.direction().as_str(),
        escaped(foot)
    )
}

/// A name that somebody chose, for a sentence of ours (A127). Mail programs make links of whatever looks like an address,
/// and whoever holds a stolen password names the device of a sign-in: a space of no width breaks what they look for.
/// Marks that turn the direction of writing around are left out.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '.' | ':' | '/' | '@' => out.extend([letter, '\u{200b}']),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            other => out.push(other),
        }
    }
    out
}

/// Names come from people and must stay text (A127).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(template: Template, place: &str) -> Mail {
        lasting(template, place, 30)
    }

    fn lasting(template: Template, place: &str, minutes: u32) -> Mail {
        render(
            Texts::english(),
            &Filling {
                template,
                to: "ada@example.com",
                place,
                issuer: "https://id.test",
                code: Some(&Secret::from("12345678")),
                facts: &BTreeMap::from(
                    [("client", "Notes <b>"), ("device", "Firefox on Linux")]
                        .map(|(name, text)| (name.to_owned(), text.to_owned())),
                ),
                minutes,
                queued_at: Timestamp::default(),
            },
        )
    }

    #[test]
    fn every_message_is_put_into_words() {
        for template in Template::ALL {
            let mail = mail(template, "Acme");
            for part in [&mail.subject, &mail.text, &mail.html] {
                assert!(part.contains("Acme"), "{part}");
                assert!(!part.contains("mail-"), "a key without a message: {part}");
            }
            let coded = matches!(template, Template::Verify | Template::Reset);
            assert_eq!(mail.text.contains("1234 5678"), coded);
            assert_eq!(mail.html.contains("1234 5678"), coded);
            assert!(!mail.subject.contains("1234"));
        }
    }

    #[test]
    fn the_notice_of_a_reused_sign_in_says_which_and_what_to_do() {
        let mail = mail(Template::SignInReused, "Acme");
        for part in ["Notes <b>", "Firefox on Linux", "1970-01-01 00:00 UTC", "/account/password", "/recover"] {
            assert!(mail.text.contains(part), "{part}: {}", mail.text);
        }
        assert!(mail.html.contains("Notes &lt;b&gt;"), "{}", mail.html);
    }

    #[test]
    fn a_code_lasts_whole_hours_or_minutes() {
        for (minutes, words) in [
            (1, "for 1 minute."),
            (30, "for 30 minutes."),
            (60, "for 1 hour."),
            (90, "for 90 minutes."),
            (1440, "for 24 hours."),
        ] {
            let text = lasting(Template::Verify, "Acme", minutes).text;
            assert!(text.contains(words), "{minutes}: {text}");
        }
    }

    #[test]
    fn a127_markup_in_a_name_stays_text() {
        let mail = mail(Template::AlreadyRegistered, "<a href=https://evil.test>Acme</a>");
        assert!(!mail.html.contains("<a href=https://evil"), "{}", mail.html);
        assert!(mail.html.contains("&lt;a href"));
    }

    #[test]
    fn a127_an_address_in_a_name_is_no_link_and_turns_no_sentence_around() {
        let device = "phone. Go to https://evil.test/x or write to help@evil.test \u{202e}drawkcab";
        let filling = Filling {
            template: Template::SignInReused,
            to: "ada@example.com",
            place: "Acme",
            issuer: "https://id.test",
            code: None,
            facts: &BTreeMap::from([
                ("client".to_owned(), "Notes".to_owned()),
                ("device".to_owned(), device.to_owned()),
            ]),
            minutes: 30,
            queued_at: Timestamp::default(),
        };
        let mail = render(Texts::english(), &filling);
        for part in [&mail.text, &mail.html] {
            // The words stay for people to read; only what mail programs look for is gone.
            assert!(part.replace('\u{200b}', "").contains("https://evil.test/x"), "{part}");
            for link in ["://evil", "evil.test", "\u{202e}"] {
                assert!(!part.contains(link), "{link:?}: {part}");
            }
        }
        assert!(mail.text.contains("https://id.test/recover"), "{}", mail.text);
    }

    #[test]
    fn a_message_loads_nothing_from_elsewhere() {
        for template in Template::ALL {
            let html = mail(template, "Acme").html;
            for word in ["<img", "<script", "<link", "url(", "@import", "src="] {
                assert!(!html.contains(word), "{word}");
            }
        }
    }
}
