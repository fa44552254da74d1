//! A client that behaves as a browser: keeps cookies, says from where it comes, follows redirects, fills forms in.

use bytes::Bytes;
use claviger_kernel::ManualClock;
use http::{Method, Request};

use crate::html::text_of;
use crate::jar::Jar;
use crate::{Answer, Client, Form};

/// The most redirects that are followed in a row.
const MOST: usize = 10;

/// What a person sees in a browser: the last answer, and where it came from.
#[derive(Clone, Debug)]
pub struct Page {
    answer: Answer,
    url: String,
}

impl core::ops::Deref for Page {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl Page {
    /// The whole address. On an address of another origin the browser has not gone there: it would have to leave us.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of the address, without query.
    pub fn path(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("/", |start| &after_scheme[start..]);
        path.split(['?', '#']).next().unwrap_or(path)
    }

    /// The value of a parameter in the address's query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let query = self.url.split_once('?')?.1.split('#').next()?;
        form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The form that bears `id`, or in which an element bears it, such as its button.
    ///
    /// # Panics
    /// If the page has no such form.
    pub fn form(&self, id: &str) -> Form {
        let found = self.find_form(id);
        found.unwrap_or_else(|| panic!("no form {id} at {} ({}): {}", self.url, self.status(), self.text()))
    }

    /// The form that bears `id` or in which an element bears it, if the page has one.
    pub fn find_form(&self, id: &str) -> Option<Form> {
        let found = Form::all(self.text()).into_iter().find(|(ids, _)| ids.iter().any(|known| known == id));
        found.map(|(_, form)| form)
    }

    /// The only form of the page.
    ///
    /// # Panics
    /// If there is none or more than one.
    pub fn only_form(&self) -> Form {
        let mut forms = Form::all(self.text());
        assert_eq!(forms.len(), 1, "forms at {} ({}): {}", self.url, self.status(), self.text());
        forms.remove(0).1
    }

    /// The text of the element that bears `id`.
    pub fn text_of(&self, id: &str) -> Option<String> {
        text_of(self.text(), id)
    }

    /// Where the link of this id leads.
    pub fn link(&self, id: &str) -> Option<String> {
        let pieces = crate::html::pieces(self.text());
        pieces.iter().find(|piece| piece.attribute("id") == Some(id))?.attribute("href").map(str::to_owned)
    }
}

/// A browser with a cookie jar of its own.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    jar: Jar,
    agent: String,
}

/// Who started a request.
#[derive(Clone, Copy)]
enum From<'a> {
    /// The person, by typing or a bookmark.
    Person,
    /// A page of ours.
    Us,
    /// A page of this other origin.
    Other(&'a str),
}

impl Browser {
    pub(crate) fn new(client: Client, clock: ManualClock) -> Self {
        let jar = Jar::new(clock, client.public_url().starts_with("https://"));
        Self { client, jar, agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned() }
    }

    /// Another name of the program.
    #[must_use]
    pub fn agent(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// Opens an address by hand and follows redirects as long as they stay here.
    pub async fn open(&mut self, address: &str) -> Page {
        let page = self.visit(address, From::Person).await;
        self.follow(page).await
    }

    /// Opens an address by a link of ours, without following redirects.
    pub async fn open_once(&mut self, address: &str) -> Page {
        self.visit(address, From::Us).await
    }

    /// Opens an address by a link on a page of another origin, and follows redirects.
    pub async fn arrive_from(&mut self, origin: &str, address: &str) -> Page {
        let page = self.visit(address, From::Other(origin)).await;
        self.follow(page).await
    }

    /// Submits a form of `page` by its first button, and follows redirects.
    pub async fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let answer = self.submit_once(page, form, None).await;
        self.follow(answer).await
    }

    /// Submits a form by the button of this id, and follows redirects.
    pub async fn press(&mut self, page: &Page, form: &Form, button: &str) -> Page {
        let answer = self.submit_once(page, form, Some(button)).await;
        self.follow(answer).await
    }

    /// Submits a form without following redirects.
    pub async fn submit_once(&mut self, page: &Page, form: &Form, button: Option<&str>) -> Page {
        let target = resolve(page.url(), if form.action.is_empty() { page.url() } else { &form.action });
        let fields = form.submission(button);
        if form.method == "post" {
            return self.send(Method::POST, &target, &fields, From::Us).await;
        }
        let base = target.split('?').next().unwrap_or(&target).to_owned();
        self.visit(&format!("{base}?{}", encode(&fields)), From::Us).await
    }

    /// Posts fields as a form on a page of another origin would.
    pub async fn post_from(&mut self, origin: &str, address: &str, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.send(Method::POST, &self.absolute(address), &fields, From::Other(origin)).await
    }

    /// Calls the JSON surface as a script on a page of `origin` does, with cookies.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn call(&mut self, origin: &str, method: Method, path: &str, body: Option<&serde_json::Value>) -> Answer {
        let site = self.site_of(origin);
        let mut request = self
            .client
            .request(method.clone(), path)
            .header("user-agent", &self.agent)
            .header("accept-language", "en")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .header("sec-fetch-site", site);
        if site != "same-origin" || method != Method::GET {
            request = request.header("origin", origin);
        }
        if let Some(cookies) = self.jar.header(site == "cross-site") {
            request = request.header("cookie", cookies);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let answer = self.client.send(request.body(body).expect("a request")).await;
        self.arrived(&answer);
        answer
    }

    /// Keeps the cookies of an answer, which may have been on its way for a while.
    pub fn arrived(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            self.jar.take(line);
        }
    }

    /// How a browser calls the way from `origin` to us.
    fn site_of(&self, origin: &str) -> &'static str {
        let ours = self.client.public_url();
        let (scheme, host) = ours.split_once("://").unwrap_or(("", ours));
        match origin.split_once("://") {
            _ if origin == ours => "same-origin",
            Some((other, name)) if other == scheme && name.ends_with(&format!(".{host}")) => "same-site",
            _ => "cross-site",
        }
    }

    /// Follows redirects from `page` as long as they stay here.
    ///
    /// # Panics
    /// If they go in a circle.
    pub async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..MOST {
            let Some(location) = page.location().map(|location| resolve(page.url(), location)) else { return page };
            if !self.is_ours(&location) {
                page.url = location;
                return page;
            }
            page = self.visit(&location, From::Us).await;
        }
        panic!("more than {MOST} redirects, the last to {}", page.url());
    }

    /// The value of a cookie, by its full name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name)
    }

    /// Every cookie that is kept, by its full name.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.jar.all()
    }

    /// Puts a cookie beside the others, as an attacker on a neighbouring host could.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.jar.plant(name, value);
    }

    /// Forgets every cookie.
    pub fn forget(&mut self) {
        self.jar.forget();
    }

    async fn visit(&mut self, address: &str, from: From<'_>) -> Page {
        self.send(Method::GET, &self.absolute(address), &[], from).await
    }

    fn absolute(&self, address: &str) -> String {
        resolve(self.client.public_url(), address)
    }

    fn is_ours(&self, url: &str) -> bool {
        url.strip_prefix(self.client.public_url()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    async fn send(&mut self, method: Method, url: &str, fields: &[(String, String)], from: From<'_>) -> Page {
        assert!(self.is_ours(url), "{url} is not of {}", self.client.public_url());
        let path = url.strip_prefix(self.client.public_url()).unwrap_or(url).split('#').next().unwrap_or("");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let post = method == Method::POST;
        let mut request = self
            .client
            .request(method, &path)
            .header("user-agent", &self.agent)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", "en")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1")
            .header(
                "sec-fetch-site",
                match from {
                    From::Person => "none",
                    From::Us => "same-origin",
                    From::Other(_) => "cross-site",
                },
            );
        if post {
            let origin = if let From::Other(origin) = from { origin } else { self.client.public_url() };
            request = request.header("origin", origin).header("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(cookies) = self.jar.header(post && matches!(from, From::Other(_))) {
            request = request.header("cookie", cookies);
        }
        let body = if post { Bytes::from(encode(fields)) } else { Bytes::new() };
        let request: Request<Bytes> = request.body(body).expect("a request");
        let answer = self.client.send(request).await;
        self.arrived(&answer);
        Page { answer, url: url.to_owned() }
    }
}

fn encode(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// An address as seen from `base`: absolute, or a path.
fn resolve(base: &str, address: &str) -> String {
    if address.contains("://") {
        return address.to_owned();
    }
    let after_scheme = base.find("://").map_or(0, |place| place + 3);
    let host_end = base[after_scheme..].find('/').map_or(base.len(), |place| after_scheme + place);
    if address.starts_with('?') {
        let path = base.split(['?', '#']).next().unwrap_or(base);
        return format!("{path}{address}");
    }
    format!("{}{}{address}", &base[..host_end], if address.starts_with('/') { "" } else { "/" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_resolved_as_our_pages_use_them() {
        for (base, address, resolved) in [
            ("https://id.test", "/login?x=1", "https://id.test/login?x=1"),
            ("https://id.test/login?x=1", "/signup", "https://id.test/signup"),
            ("https://id.test/login?x=1", "?y=2", "https://id.test/login?y=2"),
            ("https://id.test/login", "https://app.test/cb", "https://app.test/cb"),
        ] {
            assert_eq!(resolve(base, address), resolved);
        }
    }
}
