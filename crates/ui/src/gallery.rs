//! Every page in every state, made with the real page structs: shown by `claviger dev`, checked by the tests, and
//! photographed.

use crate::dev::{DemoHome, DemoTokens, GalleryIndex, Inbox, InboxEntry, InboxMessage, Welcome};
use crate::{
    Application, ChangePassword, CheckMail, Chrome, CodeFor, CodeProblem, Consent, DeviceEntry, Devices, DevicesDone,
    Done, EmailProblem, ErrorKind, ErrorPage, FormPost, Landing, LastUse, LogoutConfirm, NameProblem,
    NewPasswordProblem, Notice, Page, PasswordProblem, Problem, RecoverPassword, RecoverRequest, RequestedScope, Setup,
    SetupClosed, SignIn, SignUp, SignedOut, WebAddress,
};

/// A page in one state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Specimen {
    /// Page and state: `sign-in.refused`. Lower case, fit for a file name and a path.
    pub name: &'static str,
    /// The document.
    pub html: String,
}

/// What people and applications bring along, to be shown on pages.
#[derive(Clone, Debug)]
pub struct Samples {
    /// A person's name.
    pub person: String,
    /// An address.
    pub email: String,
    /// An application's name.
    pub application: String,
    /// A device as people name it.
    pub device: String,
    /// A host name.
    pub host: String,
    /// What a resource server says of its scope.
    pub scope: String,
    /// The subject of a message.
    pub subject: String,
    /// A technical detail, a refusal.
    pub line: String,
    /// A message's text, a token's claims.
    pub text: String,
    /// An opaque value in a form.
    pub token: String,
    /// A request's id.
    pub reference: String,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            person: "Ada Lovelace".into(),
            email: "ada@example.com".into(),
            application: "Acme Notes".into(),
            device: "Firefox on Linux".into(),
            host: "notes.example.com".into(),
            scope: "Read and change your notes".into(),
            subject: "Confirm your email address for Acme Notes".into(),
            line: "invalid_request: redirect_uri is not registered for this client".into(),
            text: "{\n  \"iss\": \"http://localhost:4000\",\n  \"sub\": \"u_5Yk2mJx1\",\n  \"email\": \"ada@example.com\"\n}".into(),
            token: "8fj2Lq0s".into(),
            reference: "req_01k9xq5m2v7e3t8w4y6z0a1b2c".into(),
        }
    }
}

impl Samples {
    /// Values as long as they come, to see where a page breaks.
    pub fn long() -> Self {
        Self {
            person: "Wolfeschlegelsteinhausenbergerdorff von und zu Hohenlohe-Waldenburg-Schillingsfürst".into(),
            email: "maximiliane.wolfeschlegelsteinhausenbergerdorff+newsletters@subdomain.department.example.org"
                .into(),
            application: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk Notes for Enterprise".into(),
            device: "An application whose makers gave it a name that fills more than one line of any telephone".into(),
            host: "login.staging.eu-central-1.department.subdomain.customer-portal.example.org".into(),
            subject: "Confirm your email address for Donaudampfschifffahrtselektrizitätenhauptbetriebswerk Notes"
                .into(),
            scope: "Read, change, share, export and delete all notes of yourself and of everybody in the \
                    organizations that you belong to, including those that were archived"
                .into(),
            ..Self::default()
        }
    }
}

const MIN: u32 = 15;

/// Every page in every state, in the order in which a person meets them.
pub fn gallery(chrome: &Chrome, samples: &Samples) -> Vec<Specimen> {
    let mut shown = Shown { chrome, specimens: Vec::new() };
    sign_in(&mut shown, samples);
    sign_up(&mut shown, samples);
    codes(&mut shown, samples);
    applications(&mut shown, samples);
    account(&mut shown, samples);
    errors(&mut shown, samples);
    development(&mut shown, samples);
    shown.specimens
}

struct Shown<'a> {
    chrome: &'a Chrome,
    specimens: Vec<Specimen>,
}

impl Shown<'_> {
    fn add(&mut self, name: &'static str, page: &impl Page) {
        self.specimens.push(Specimen { name, html: page.render(self.chrome) });
    }

    /// Takes the script out of the last page, which would leave before anybody has seen it.
    fn still(&mut self) {
        let last = self.specimens.last_mut().expect("a page precedes");
        let (start, end) = (last.html.find("<script"), last.html.find("</body>"));
        last.html.replace_range(start.expect("a script")..end.expect("an end"), "");
    }

    /// The last page again, while its button waits: what the page's script makes of it.
    fn waiting(&mut self, name: &'static str, button: &str) {
        let last = self.specimens.last().expect("a page precedes");
        let html = last.html.replace(&format!("id=\"{button}\""), &format!("id=\"{button}\" aria-busy=\"true\""));
        self.specimens.push(Specimen { name, html });
    }
}

fn sign_in(shown: &mut Shown<'_>, s: &Samples) {
    let page = SignIn { application: Some(s.application.clone()), flow: Some(s.token.clone()), ..SignIn::default() };
    shown.add("sign-in", &page);
    shown.add("sign-in.realm", &SignIn::default());
    shown.add("sign-in.closed", &SignIn { sign_up_closed: true, ..SignIn::default() });
    let typed = SignIn { email: s.email.clone(), ..page.clone() };
    shown.add("sign-in.typed", &typed);
    shown.waiting("sign-in.waiting", "sign-in");
    for (name, problem) in [
        ("sign-in.refused", Problem::SignInRefused),
        ("sign-in.too-many", Problem::TooMany { minutes: 5 }),
        ("sign-in.busy", Problem::Busy),
        ("sign-in.form-expired", Problem::FormExpired),
    ] {
        shown.add(name, &SignIn { problem: Some(problem), ..typed.clone() });
    }
    let missing = SignIn {
        email_problem: Some(EmailProblem::Missing),
        password_problem: Some(PasswordProblem::Missing),
        ..page.clone()
    };
    shown.add("sign-in.missing", &missing);
    shown.add("sign-in.malformed", &SignIn { email_problem: Some(EmailProblem::Malformed), ..typed });
    for (name, notice) in [
        ("sign-in.password-changed", Notice::PasswordChanged),
        ("sign-in.email-verified", Notice::EmailVerified),
        ("sign-in.signed-out", Notice::SignedOut),
        ("sign-in.session-ended", Notice::SessionEnded),
    ] {
        shown.add(name, &SignIn { notice: Some(notice), ..page.clone() });
    }
}

fn sign_up(shown: &mut Shown<'_>, s: &Samples) {
    let page = SignUp {
        application: Some(s.application.clone()),
        flow: Some(s.token.clone()),
        password_min: MIN,
        ..SignUp::default()
    };
    shown.add("sign-up", &page);
    let typed = SignUp { name: s.person.clone(), email: s.email.clone(), ..page.clone() };
    for (name, problem) in [
        ("sign-up.too-short", NewPasswordProblem::TooShort { min: MIN }),
        ("sign-up.too-long", NewPasswordProblem::TooLong { max: 128 }),
        ("sign-up.common", NewPasswordProblem::Common),
        ("sign-up.contextual", NewPasswordProblem::Contextual),
    ] {
        shown.add(name, &SignUp { password_problem: Some(problem), ..typed.clone() });
    }
    let missing = SignUp {
        name_problem: Some(NameProblem::TooLong),
        email_problem: Some(EmailProblem::Missing),
        password_problem: Some(NewPasswordProblem::Missing),
        ..page
    };
    shown.add("sign-up.missing", &missing);
    shown.add("sign-up.busy", &SignUp { problem: Some(Problem::Busy), ..typed });
}

fn codes(shown: &mut Shown<'_>, s: &Samples) {
    let page = CheckMail { flow: Some(s.token.clone()), email: s.email.clone(), ..CheckMail::default() };
    shown.add("verify", &page);
    let typed = CheckMail { code: "12345678".into(), ..page.clone() };
    shown.add("verify.from-link", &typed);
    shown.add("verify.resent", &CheckMail { resent: true, ..page.clone() });
    shown.add("verify.refused", &CheckMail { problem: Some(Problem::CodeRefused), ..typed });
    shown.add("verify.missing", &CheckMail { code_problem: Some(CodeProblem::Missing), ..page.clone() });
    let malformed = CheckMail { code: "1234".into(), code_problem: Some(CodeProblem::Malformed), ..page.clone() };
    shown.add("verify.malformed", &malformed);

    let recover = RecoverRequest { flow: Some(s.token.clone()), ..RecoverRequest::default() };
    shown.add("recover", &recover);
    let malformed =
        RecoverRequest { email: s.email.clone(), email_problem: Some(EmailProblem::Malformed), ..recover.clone() };
    shown.add("recover.malformed", &malformed);
    shown.add("recover.too-many", &RecoverRequest { problem: Some(Problem::TooMany { minutes: 1 }), ..recover });
    shown.add("recover-code", &CheckMail { purpose: CodeFor::Recover, ..page });
    let password = RecoverPassword {
        flow: Some(s.token.clone()),
        email: s.email.clone(),
        password_min: MIN,
        ..RecoverPassword::default()
    };
    shown.add("recover-password", &password);
    let common = RecoverPassword { password_problem: Some(NewPasswordProblem::Common), ..password };
    shown.add("recover-password.common", &common);
}

fn applications(shown: &mut Shown<'_>, s: &Samples) {
    let scope = |name: &str| RequestedScope { name: name.to_owned(), description: None };
    let page = Consent {
        flow: Some(s.token.clone()),
        client: s.application.clone(),
        host: s.host.clone(),
        unverified: false,
        account: s.email.clone(),
        scopes: ["openid", "profile", "email", "offline_access"].map(scope).to_vec(),
    };
    shown.add("consent", &page);
    let mut scopes = ["openid", "address", "phone"].map(scope).to_vec();
    scopes.push(RequestedScope { name: "notes.write".into(), description: Some(s.scope.clone()) });
    scopes.push(scope(&s.token));
    shown.add("consent.unverified", &Consent { unverified: true, scopes, ..page });
    if let Some(action) = WebAddress::parse(&format!("https://{}/callback", s.host)) {
        let fields = vec![("code".to_owned(), s.token.clone()), ("state".to_owned(), s.line.clone())];
        shown.add("form-post", &FormPost { action, fields, client: s.application.clone() });
        shown.still();
    }
    shown.add("sign-out", &LogoutConfirm { flow: Some(s.token.clone()), account: s.email.clone() });
    shown.add("signed-out", &SignedOut::default());
    shown.add("signed-out.application", &SignedOut { application: application(s) });
}

fn application(s: &Samples) -> Option<Application> {
    let address = WebAddress::parse(&format!("https://{}/", s.host))?;
    Some(Application { name: s.application.clone(), address })
}

fn account(shown: &mut Shown<'_>, s: &Samples) {
    let landing = Landing { name: s.person.clone(), email: s.email.clone(), email_verified: true };
    shown.add("account", &landing);
    shown.add("account.unverified", &Landing { name: String::new(), email_verified: false, ..landing });
    devices(shown, s);
    let change = ChangePassword { email: s.email.clone(), password_min: MIN, ..ChangePassword::default() };
    shown.add("change-password", &change);
    let wrong = ChangePassword {
        current_problem: Some(PasswordProblem::Wrong),
        password_problem: Some(NewPasswordProblem::Unchanged),
        ..change
    };
    shown.add("change-password.wrong", &wrong);
    shown.add("done.password-changed", &Done::PasswordChanged);
    shown.add("done.password-set", &Done::PasswordSet);
    shown.add("done.email-verified", &Done::EmailVerified);
    let setup = Setup { flow: Some(s.token.clone()), password_min: MIN, ..Setup::default() };
    shown.add("setup", &setup);
    let missing = Setup {
        name: s.person.clone(),
        email_problem: Some(EmailProblem::Missing),
        password_problem: Some(NewPasswordProblem::TooShort { min: MIN }),
        ..setup
    };
    shown.add("setup.missing", &missing);
    shown.add("setup.closed", &SetupClosed);
}

fn devices(shown: &mut Shown<'_>, s: &Samples) {
    let device = |session: &str, device: &str, last_use, current| DeviceEntry {
        session: session.to_owned(),
        device: device.to_owned(),
        last_use,
        seen_at: "2026-03-02T09:30:00Z".to_owned(),
        current,
    };
    let page = Devices {
        devices: vec![
            device("ses_1", &s.device, LastUse::Now, true),
            device("ses_2", &s.device, LastUse::Minutes(12), false),
            device("ses_3", &s.application, LastUse::Days(1), false),
        ],
        ..Devices::default()
    };
    shown.add("devices", &page);
    shown.add("devices.ended", &Devices { done: Some(DevicesDone::One), next: Some(s.token.clone()), ..page.clone() });
    let alone = Devices { devices: page.devices[..1].to_vec(), done: Some(DevicesDone::Others), ..Devices::default() };
    shown.add("devices.alone", &alone);
}

fn errors(shown: &mut Shown<'_>, s: &Samples) {
    for (name, kind) in [
        ("error.not-found", ErrorKind::NotFound),
        ("error.bad-request", ErrorKind::BadRequest),
        ("error.flow-expired", ErrorKind::FlowExpired),
        ("error.form-expired", ErrorKind::FormExpired),
        ("error.link", ErrorKind::Link),
        ("error.denied", ErrorKind::Denied),
        ("error.too-many", ErrorKind::TooMany),
        ("error.unavailable", ErrorKind::Unavailable),
        ("error.internal", ErrorKind::Internal),
    ] {
        shown.add(name, &ErrorPage { kind, reference: s.reference.clone(), detail: None, application: None });
    }
    let client = ErrorPage {
        kind: ErrorKind::Client,
        reference: s.reference.clone(),
        detail: Some(s.line.clone()),
        application: application(s),
    };
    shown.add("error.client", &client);
}

fn development(shown: &mut Shown<'_>, s: &Samples) {
    let welcome = Welcome {
        demo_url: "/demo".into(),
        inbox_url: "/inbox".into(),
        sign_in_url: "/login".into(),
        setup_url: Some(format!("/setup?token={}", s.token)),
        gallery_url: "/gallery".into(),
        user_email: s.email.clone(),
        user_password: s.token.clone(),
    };
    shown.add("dev.welcome", &welcome);
    shown.add("dev.welcome.set-up", &Welcome { setup_url: None, ..welcome });
    shown.add("dev.inbox.empty", &Inbox::default());
    let entry =
        InboxEntry { href: "/inbox/1".into(), to: s.email.clone(), subject: s.subject.clone(), sent: "09:41".into() };
    shown.add("dev.inbox", &Inbox { messages: vec![entry.clone(), entry] });
    let message = InboxMessage {
        inbox: "/inbox".into(),
        to: s.email.clone(),
        subject: s.subject.clone(),
        sent: "09:41".into(),
        text: format!("{}\n\n12345678\n\nhttp://localhost:4000/verify?flow=1\n", s.text),
    };
    shown.add("dev.message", &message);
    shown.add("dev.gallery", &GalleryIndex { pages: vec![("sign-in".into(), "/gallery/sign-in".into())] });
    shown.add("dev.demo", &DemoHome { sign_in: "/begin".into(), refusal: None });
    shown.add("dev.demo.refused", &DemoHome { sign_in: "/begin".into(), refusal: Some(s.line.clone()) });
    let tokens = DemoTokens {
        person: s.person.clone(),
        refresh: "/refresh".into(),
        sign_out: "/logout".into(),
        refreshed: false,
        refusal: None,
        id_token: s.text.clone(),
        access_token: s.text.clone(),
        userinfo: s.text.clone(),
    };
    shown.add("dev.demo.tokens", &tokens);
    shown.add("dev.demo.refreshed", &DemoTokens { refreshed: true, ..tokens.clone() });
    shown.add("dev.demo.refresh-refused", &DemoTokens { refusal: Some(s.line.clone()), ..tokens });
}
