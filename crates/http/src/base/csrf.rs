//! The guard against requests that another site starts in our visitor's name.
//!
//! Fetch metadata first, the origin where a browser does not send it; the session-bound token in forms is the second
//! wall and stands in the pages. Routes that read no cookie are exempt: there is nothing to ride on.

use claviger_kernel::ErrorClass;
use claviger_tenancy::PublicUrl;
use claviger_ui::ErrorKind;
use http::HeaderMap;
use http::header::{HeaderName, ORIGIN, REFERER};

use super::Refusal;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a state-changing request pass: where a route is for applications of the same site, from this site; elsewhere from
/// this origin alone.
pub(super) fn guard(same_site: bool, headers: &HeaderMap, public: &PublicUrl) -> Result<(), Refusal> {
    if same_site { this_site(headers) } else { same_origin(headers, public) }
}

fn refused() -> Refusal {
    Refusal::new(
        ErrorClass::Denied,
        "cross_site_request",
        "The request was started by another site. Open the page here and try again.",
    )
    .page_kind(ErrorKind::FormExpired)
}

/// Lets a request pass that this site or the person started. An origin that stands in it is for the handler to judge.
fn this_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let site = one(headers, &FETCH_SITE).map_err(|()| refused())?;
    let origin = one(headers, &ORIGIN).map_err(|()| refused())?;
    match site {
        // A browser names the origin of whatever such a script sends; without one there is nothing to judge.
        Some("same-site") if origin.is_none() => Err(refused()),
        None | Some("same-origin" | "same-site" | "none") => Ok(()),
        Some(_) => Err(refused()),
    }
}

/// Lets a request pass that this origin or the person started.
fn same_origin(headers: &HeaderMap, public: &PublicUrl) -> Result<(), Refusal> {
    if let Some(site) = one(headers, &FETCH_SITE).map_err(|()| refused())? {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(refused()) };
    }
    if let Some(origin) = one(headers, &ORIGIN).map_err(|()| refused())? {
        return if origin == public.as_str() { Ok(()) } else { Err(refused()) };
    }
    match one(headers, &REFERER).map_err(|()| refused())? {
        // No browser of the last years sends a form without any of the three, and other programs carry no cookie jar
        // that a site could ride on.
        None => Ok(()),
        Some(referer) => {
            let rest = referer.strip_prefix(public.as_str()).ok_or_else(refused)?;
            if rest.is_empty() || rest.starts_with('/') { Ok(()) } else { Err(refused()) }
        }
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    first.map(|value| value.to_str().map_err(|_| ())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(lines: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        same_origin(&headers, &"https://id.test".parse().unwrap()).is_ok()
    }

    #[test]
    fn a_request_that_another_site_started_is_refused() {
        for lines in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://id.test")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "SAME-ORIGIN")],
            &[("origin", "https://evil.tld")],
            &[("origin", "https://id.test.evil.tld")],
            &[("origin", "http://id.test")],
            &[("origin", "null")],
            &[("origin", "https://id.test"), ("origin", "https://evil.tld")],
            &[("referer", "https://evil.tld/https://id.test")],
            &[("referer", "https://id.test.evil.tld/")],
        ] {
            assert!(!passes(lines), "{lines:?}");
        }
    }

    #[test]
    fn where_applications_of_this_site_may_call_another_site_may_not() {
        let passes = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            guard(true, &headers, &"https://id.test".parse().unwrap()).is_ok()
        };
        for lines in [
            &[("sec-fetch-site", "cross-site"), ("origin", "https://app.test")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "Same-Site"), ("origin", "https://app.id.test")],
            &[("sec-fetch-site", "same-site"), ("sec-fetch-site", "same-site"), ("origin", "https://app.id.test")],
            &[("origin", "https://app.id.test"), ("origin", "https://evil.tld")],
        ] {
            assert!(!passes(lines), "{lines:?}");
        }
        for lines in [
            &[("sec-fetch-site", "same-site"), ("origin", "https://app.id.test")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://id.test")],
            &[("origin", "https://app.id.test")],
            &[],
        ] {
            assert!(passes(lines), "{lines:?}");
        }
    }

    #[test]
    fn our_own_pages_and_the_person_pass() {
        for lines in [
            &[("sec-fetch-site", "same-origin"), ("origin", "https://id.test")][..],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://id.test")],
            &[("referer", "https://id.test/login")],
            &[],
        ] {
            assert!(passes(lines), "{lines:?}");
        }
    }
}
