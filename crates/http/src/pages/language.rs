//! Which language a page speaks.

use claviger_i18n::{Texts, wanted};
use claviger_tenancy::Realm;
use http::header::ACCEPT_LANGUAGE;

use crate::base::Request;

/// The first language that is wanted, first by the application and then by the browser, and that the realm speaks; else
/// the realm's first.
pub(super) fn texts(request: &Request, ui_locales: Option<&str>) -> &'static Texts {
    let header = request.header(&ACCEPT_LANGUAGE).ok().flatten();
    let realm = request.realm();
    let asked = ui_locales.into_iter().chain(header).flat_map(wanted);
    asked.filter_map(Texts::of).find(|texts| speaks(realm, texts)).unwrap_or_else(|| first(realm))
}

/// The language of this tag if it is shipped, else the realm's first: for a flow that has settled on one.
pub(super) fn settled(request: &Request, tag: &str) -> &'static Texts {
    Texts::of(tag).unwrap_or_else(|| first(request.realm()))
}

fn speaks(realm: &Realm, texts: &Texts) -> bool {
    let tag = texts.tag();
    realm.settings.languages.iter().filter_map(|known| Texts::of(known)).any(|known| known.tag() == tag)
}

fn first(realm: &Realm) -> &'static Texts {
    realm.settings.languages.iter().find_map(|tag| Texts::of(tag)).unwrap_or_else(Texts::english)
}
