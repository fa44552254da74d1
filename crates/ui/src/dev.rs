//! What `claviger dev` shows beside the product's own pages: its welcome page, the inbox of captured mail, the gallery
//! of pages, and the small demo application.

use crate::page::page;

/// The first page of `claviger dev`. Addresses are whole, as in its ready line.
#[derive(Clone, Default, Debug)]
pub struct Welcome {
    /// The demo application.
    pub demo_url: String,
    /// The inbox of captured mail.
    pub inbox_url: String,
    /// The sign-in page.
    pub sign_in_url: String,
    /// The one-time set-up link, as long as there is no administrator.
    pub setup_url: Option<String>,
    /// The gallery.
    pub gallery_url: String,
    /// The seeded user's address.
    pub user_email: String,
    /// The seeded user's password; known to everybody, good for this process alone.
    pub user_password: String,
}

page!(Welcome, "dev/welcome.html", |_, c| c.texts.dev_welcome_title());

/// A captured message in the list.
#[derive(Clone, Default, Debug)]
pub struct InboxEntry {
    /// Where it is shown.
    pub href: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was sent, in words or RFC 3339.
    pub sent: String,
}

/// The captured mail, newest first.
#[derive(Clone, Default, Debug)]
pub struct Inbox {
    /// The messages.
    pub messages: Vec<InboxEntry>,
}

page!(Inbox, "dev/inbox.html", |_, c| c.texts.dev_inbox_title());

/// One captured message, as its plain text; addresses in it are links.
#[derive(Clone, Default, Debug)]
pub struct InboxMessage {
    /// Where the list is.
    pub inbox: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When it was sent, in words or RFC 3339.
    pub sent: String,
    /// The text part.
    pub text: String,
}

page!(InboxMessage, "dev/inbox_message.html", |p, _| std::borrow::Cow::from(p.subject.as_str()));

impl InboxMessage {
    /// The text in pieces: what lies between addresses, and the addresses.
    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
            let (before, from) = rest.split_at(start);
            let end =
                from.find(|letter: char| letter.is_whitespace() || "<>\"'".contains(letter)).unwrap_or(from.len());
            let address = from[..end].trim_end_matches(['.', ',', ')', ';', ':', '!', '?']);
            pieces.push(Piece { text: before, link: false });
            pieces.push(Piece { text: address, link: true });
            rest = &from[address.len()..];
        }
        pieces.push(Piece { text: rest, link: false });
        pieces
    }
}

/// A part of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece<'a> {
    text: &'a str,
    link: bool,
}

/// The list of every page in every state.
#[derive(Clone, Default, Debug)]
pub struct GalleryIndex {
    /// Name and address of each, in order.
    pub pages: Vec<(String, String)>,
}

page!(GalleryIndex, "dev/gallery.html", |_, c| c.texts.dev_gallery_title());

/// The demo application's front page; the application's name is the chrome's place.
#[derive(Clone, Default, Debug)]
pub struct DemoHome {
    /// Where the sign-in begins.
    pub sign_in: String,
    /// What the server answered, if the last sign-in failed.
    pub refusal: Option<String>,
}

page!(DemoHome, "dev/demo_home.html", |_, c| std::borrow::Cow::from(c.place.as_str()));

/// The demo application, signed in: who, and the tokens decoded. Posts to `refresh` and `sign_out`.
#[derive(Clone, Default, Debug)]
pub struct DemoTokens {
    /// The person's name, or address.
    pub person: String,
    /// Where the refresh button posts.
    pub refresh: String,
    /// Where the sign-out button posts.
    pub sign_out: String,
    /// The tokens were just refreshed.
    pub refreshed: bool,
    /// What the server answered, if the last refresh failed.
    pub refusal: Option<String>,
    /// The ID token's claims, as indented JSON.
    pub id_token: String,
    /// The access token's claims, as indented JSON.
    pub access_token: String,
    /// The userinfo answer, as indented JSON.
    pub userinfo: String,
}

page!(DemoTokens, "dev/demo_tokens.html", |p, c| c.texts.landing_title(&p.person));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_message_become_links_and_nothing_is_lost() {
        let message = InboxMessage {
            text: "Open (https://id.test/verify?x=1&y=2). Or http://localhost:1/\"><script>\nEnd".into(),
            ..InboxMessage::default()
        };
        let pieces = message.pieces();
        assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), message.text);
        let links: Vec<_> = pieces.iter().filter(|piece| piece.link).map(|piece| piece.text).collect();
        assert_eq!(links, ["https://id.test/verify?x=1&y=2", "http://localhost:1/"]);
    }
}
