//! The messages of one language, parsed once and kept for the life of the process.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use crate::pseudo;

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// The language that is complete by definition, and stands in where another has a gap.
const SOURCE: &str = "en";

/// The way a language is written; the value of the `dir` attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

impl Direction {
    /// The value of HTML's `dir` attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

/// What a message takes: a piece of text as it is, or a number, which chooses the plural form.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// Text, put in unchanged.
    Text(&'a str),
    /// A whole number.
    Number(u32),
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Arg<'a> {
    fn from(text: &'a T) -> Self {
        Self::Text(text.as_ref())
    }
}
impl From<u32> for Arg<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

/// The messages of one language. Every message is a method named after its key; see `messages/en`.
pub struct Texts {
    tag: LanguageIdentifier,
    name: String,
    bundle: FluentBundle<FluentResource>,
    pseudo: bool,
    direction: Direction,
}

static SHIPPED: LazyLock<Vec<Texts>> =
    LazyLock::new(|| FILES.iter().map(|(tag, files)| Texts::parse(tag, tag, files, None)).collect());
static PSEUDO: LazyLock<Texts> = LazyLock::new(|| Texts::parse("en-XA", SOURCE, source_files(), Some(Direction::Ltr)));
static PSEUDO_RTL: LazyLock<Texts> =
    LazyLock::new(|| Texts::parse("ar-XB", SOURCE, source_files(), Some(Direction::Rtl)));

fn source_files() -> &'static [&'static str] {
    FILES.iter().find(|(tag, _)| *tag == SOURCE).map(|(_, files)| *files).expect("English is shipped")
}

impl Texts {
    fn parse(tag: &str, plurals: &str, files: &[&str], pseudo: Option<Direction>) -> Self {
        let tag: LanguageIdentifier = tag.parse().expect("a message folder bears a language tag");
        let direction = pseudo.unwrap_or(match tag.character_direction() {
            CharacterDirection::RTL => Direction::Rtl,
            _ => Direction::Ltr,
        });
        let mut bundle = FluentBundle::new_concurrent(vec![plurals.parse().expect("a language tag")]);
        for file in files {
            let resource = FluentResource::try_new((*file).to_owned()).expect("message files are well-formed");
            bundle.add_resource(resource).expect("a key stands once");
        }
        // Isolation marks keep a Latin name from turning a right-to-left sentence around. A left-to-right page goes
        // without: the marks would stand invisibly in everything that people copy and programs compare.
        bundle.set_use_isolating(direction == Direction::Rtl);
        if pseudo.is_some() {
            bundle.set_transform(Some(pseudo::accent));
        }
        let mut texts = Self { tag, name: String::new(), bundle, pseudo: pseudo.is_some(), direction };
        texts.name = texts.language_name().into_owned();
        texts
    }

    /// Every language that we ship, by tag.
    pub fn shipped() -> &'static [Self] {
        &SHIPPED
    }

    /// English: complete by definition.
    pub fn english() -> &'static Self {
        Self::of(SOURCE).expect("English is shipped")
    }

    /// The language of this tag (`de`, `pt-BR`), or the nearest one that we ship (`en` for `en-GB`).
    pub fn of(tag: &str) -> Option<&'static Self> {
        let asked: LanguageIdentifier = tag.parse().ok()?;
        let exact = SHIPPED.iter().find(|texts| texts.tag == asked);
        exact.or_else(|| SHIPPED.iter().find(|texts| texts.tag.language == asked.language))
    }

    /// The first language of `tags` that we ship, or English. `tags` is in order of preference: see [`crate::wanted`].
    pub fn negotiate<'a>(tags: impl IntoIterator<Item = &'a str>) -> &'static Self {
        tags.into_iter().find_map(Self::of).unwrap_or_else(Self::english)
    }

    /// A language made from English for tests: accented, bracketed, a third longer. Text on a page that is not in
    /// brackets did not come from a message file. Never offered to a visitor.
    pub fn pseudo(direction: Direction) -> &'static Self {
        match direction {
            Direction::Ltr => &PSEUDO,
            Direction::Rtl => &PSEUDO_RTL,
        }
    }

    /// The tag, as in HTML's `lang` attribute.
    pub fn tag(&self) -> String {
        self.tag.to_string()
    }

    /// The language's own name for itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The way this language is written.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The message `key` with its variables, for a key that comes as data; code calls the method of that name instead.
    /// A key that this language lacks is taken from English; one that nobody has comes back itself.
    pub fn get(&self, key: &str, args: &[(&str, Arg<'_>)]) -> Cow<'_, str> {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            let english = Self::english();
            return if core::ptr::eq(self, english) {
                Cow::Owned(key.to_owned())
            } else {
                Cow::Owned(english.get(key, args).into_owned())
            };
        };
        let mut values = FluentArgs::with_capacity(args.len());
        for (name, arg) in args {
            match arg {
                Arg::Text(text) => values.set(*name, FluentValue::from(*text)),
                Arg::Number(number) => values.set(*name, FluentValue::from(*number)),
            }
        }
        // A variable that is missing shows as `{$name}`; the methods cannot forget one.
        let text = self.bundle.format_pattern(pattern, Some(&values), &mut Vec::new());
        if self.pseudo { Cow::Owned(pseudo::bracket(&text)) } else { Cow::Owned(text.into_owned()) }
    }
}

impl core::fmt::Debug for Texts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Texts({})", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_language_has_every_message_with_the_same_variables() {
        for (tag, files) in FILES {
            let texts = Texts::of(tag).unwrap();
            for key in KEYS {
                assert!(texts.bundle.has_message(key), "{tag} lacks {key}");
            }
            let all = files.concat();
            for line in all.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())) {
                let key = line.split_once('=').unwrap().0.trim();
                assert!(KEYS.contains(&key), "{tag} has {key}, which English does not know");
            }
            assert_eq!(variables(&all), variables(&source_files().concat()), "{tag}: variables differ from English");
        }
    }

    fn variables(files: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut key = "";
        for line in files.lines() {
            if line.starts_with(|first: char| first.is_ascii_lowercase()) {
                key = line.split_once('=').unwrap().0.trim();
            }
            for rest in line.split('$').skip(1) {
                let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len());
                found.insert(format!("{key} ${}", &rest[..end]));
            }
        }
        found
    }

    #[test]
    fn no_message_is_unused() {
        let mut sources = String::new();
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for package in fs::read_dir(crates).unwrap() {
            let package = package.unwrap().path();
            for folder in ["src", "templates"] {
                gather(&package.join(folder), &mut sources);
            }
        }
        let quoted = |text: &str| sources.contains(&format!("\"{text}\""));
        // A message is asked for by its method, by its key, or, in mail, by `mail-{template}-{part}`.
        let composed =
            |rest: &str| rest.match_indices('-').any(|(at, _)| quoted(&rest[..at]) && quoted(&rest[at + 1..]));
        let unused: Vec<_> = KEYS
            .iter()
            .filter(|key| !sources.contains(&format!(".{}(", key.replace('-', "_"))))
            .filter(|key| !quoted(key) && !key.strip_prefix("mail-").is_some_and(composed))
            .collect();
        assert!(unused.is_empty(), "no page and no mail uses {unused:?}");
    }

    fn gather(folder: &Path, into: &mut String) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, into);
            } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "html" || kind == "txt") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn numbers_choose_the_plural_form() {
        let texts = Texts::english();
        assert_eq!(texts.problem_too_many(1), "Too many attempts. Try again in 1 minute.");
        assert_eq!(texts.problem_too_many(5), "Too many attempts. Try again in 5 minutes.");
    }

    #[test]
    fn values_are_put_in_as_they_are() {
        let text = Texts::english().sign_in_title("<b>{ $x } \u{202e}");
        assert_eq!(text, "Sign in to <b>{ $x } \u{202e}");
    }

    #[test]
    fn the_pseudo_language_is_bracketed_accented_and_longer() {
        let english = Texts::english().sign_in_button();
        let pseudo = Texts::pseudo(Direction::Ltr).sign_in_button();
        assert!(pseudo.starts_with('⟦') && pseudo.ends_with('⟧'), "{pseudo}");
        assert!(!pseudo.contains("Sign in"), "{pseudo}");
        assert!(pseudo.chars().count() * 10 >= english.chars().count() * 13, "{pseudo}");
    }

    #[test]
    fn right_to_left_text_isolates_what_is_put_in() {
        let rtl = Texts::pseudo(Direction::Rtl);
        assert_eq!(rtl.direction().as_str(), "rtl");
        assert!(rtl.sign_in_title("Acme").contains("\u{2068}Acme\u{2069}"));
        assert!(!Texts::english().sign_in_title("Acme").contains('\u{2068}'));
    }

    #[test]
    fn an_unknown_key_comes_back_itself() {
        assert_eq!(Texts::english().get("no-such-text", &[]), "no-such-text");
        assert_eq!(Texts::pseudo(Direction::Ltr).get("no-such-text", &[]), "no-such-text");
    }

    #[test]
    fn the_nearest_language_answers_and_nonsense_gets_english() {
        assert_eq!(Texts::of("en-GB").unwrap().tag(), "en");
        assert!(Texts::of("tlh").is_none());
        assert!(Texts::of("../../etc").is_none());
        assert_eq!(Texts::negotiate(["tlh", "en-AU"]).tag(), "en");
        assert_eq!(Texts::negotiate([]).tag(), "en");
        assert!(Texts::shipped().iter().all(|texts| !texts.pseudo), "the pseudo language is never offered");
    }
}
