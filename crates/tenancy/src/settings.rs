//! What a realm may differ in: every lifetime and rule, with its unit, its default and its bounds.
//!
//! A new setting is one line in a group below: rows written before it read with its default. Unknown names are refused
//! where settings are given; in stored rows they are kept, for a newer version may have written them.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wire::{self, Wire};

/// A setting as the reference shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingRule {
    /// Where it stands: `tokens.access`.
    pub path: &'static str,
    /// What it is for.
    pub text: &'static str,
    /// The default, as written.
    pub default: String,
    /// The least and the greatest value, as written, if it has bounds.
    pub bounds: Option<(String, String)>,
}

/// One thing that is wrong with the settings given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// Which setting: `tokens.access`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// The settings given are not valid; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|each| format!("{}: {}", each.path, each.problem)).collect::<Vec<_>>().join("; "))]
pub struct SettingsError(pub Vec<SettingProblem>);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
const fn minutes(count: u64) -> Duration {
    seconds(60 * count)
}
const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}
const fn days(count: u64) -> Duration {
    hours(24 * count)
}

macro_rules! group {
    ($(#[$doc:meta])* $name:ident at $section:literal {
        $($(#[doc = $text:literal])+ $field:ident: $type:ty = $default:expr $(, $range:expr)?;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $text])+
                #[doc = concat!("\n\nDefault `", stringify!($default), "`" $(, "; allowed `", stringify!($range), "`")?)]
                #[serde(with = "wire")]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        impl $name {
            fn rules(rules: &mut Vec<SettingRule>) {
                $(rules.push(SettingRule {
                    path: concat!($section, ".", stringify!($field)),
                    text: concat!($($text),+).trim_ascii(),
                    default: <$type as Wire>::show(&$default),
                    bounds: [$(($range.start().show(), $range.end().show()))?].into_iter().next(),
                });)*
            }

            fn check(&self, problems: &mut Vec<SettingProblem>) {
                let found: Vec<Option<SettingProblem>> = vec![$($(
                    (!$range.contains(&self.$field)).then(|| SettingProblem {
                        path: concat!($section, ".", stringify!($field)).to_owned(),
                        problem: format!(
                            "{} is not between {} and {}",
                            self.$field.show(), $range.start().show(), $range.end().show()
                        ),
                    }),
                )?)*];
                problems.extend(found.into_iter().flatten());
            }
        }
    };
}

group! {
    /// Lifetimes of tokens.
    TokenSettings at "tokens" {
        /// How long an access token lives where its resource server asks for nothing else.
        access: Duration = minutes(5), seconds(5)..=hours(24);
        /// The same for a resource server that learns of revocations: it asks introspection, or follows the feed. Never
        /// longer than `access_longest`.
        access_revocation_aware: Duration = minutes(15), seconds(5)..=hours(24);
        /// The longest life that a resource server may ask for.
        access_longest: Duration = minutes(15), seconds(5)..=hours(24);
        /// How long an ID token lives.
        id: Duration = minutes(5), seconds(5)..=hours(24);
        /// How long a refresh token may lie unused.
        refresh_idle: Duration = days(14), seconds(10)..=days(365);
        /// How long a chain of refresh tokens may go on.
        refresh_absolute: Duration = days(30), seconds(10)..=days(365);
        /// For how long a used refresh token may be repeated by a client that lost the answer, or asks from a second tab;
        /// 0s means never.
        refresh_retry_window: Duration = seconds(30), seconds(0)..=seconds(60);
        /// How often within that window; beyond it the client is told to wait.
        refresh_retries: u32 = 10, 1..=100;
        /// How far the clock of another party may be wrong.
        clock_skew: Duration = seconds(60), seconds(0)..=minutes(5);
    }
}

group! {
    /// Sessions of browsers.
    SessionSettings at "sessions" {
        /// How long a session may lie unused.
        idle: Duration = hours(1), seconds(10)..=days(90);
        /// How long a session lasts, used or not.
        absolute: Duration = hours(24), seconds(10)..=days(365);
        /// How many sessions a user may have; the oldest ends when another begins.
        limit: u32 = 100, 1..=1000;
    }
}

group! {
    /// What is used once, and soon.
    FlowSettings at "flows" {
        /// How long an authorization code may wait for its client.
        code: Duration = seconds(60), seconds(5)..=minutes(10);
        /// How long a person may take to sign in or sign up.
        sign_in: Duration = minutes(30), minutes(1)..=hours(24);
        /// How long the consent page waits for an answer.
        consent: Duration = minutes(10), seconds(10)..=hours(1);
        /// How long the link that verifies an address is good.
        verification: Duration = hours(24), minutes(1)..=days(7);
        /// How long the link that resets a password is good.
        reset: Duration = minutes(30), minutes(1)..=hours(24);
        /// How long an invitation, and the set-up link of the first administrator, is good.
        invitation: Duration = days(7), minutes(10)..=days(90);
    }
}

group! {
    /// Passwords (NIST SP 800-63B-4 §3.1.1.2).
    PasswordSettings at "passwords" {
        /// The fewest characters where the password is the only proof.
        minimum: u32 = 15, 8..=64;
    }
}

group! {
    /// Who may become a user.
    SignUpSettings at "sign_up" {
        /// Whether anybody may register at the sign-up page.
        open: bool = true;
    }
}

group! {
    /// Signing keys and their publication.
    KeySettings at "keys" {
        /// How long a key signs before the next takes its place.
        rotation: Duration = days(90), seconds(5)..=days(730);
        /// How long the next key stands in the key set before it signs; at least twice `jwks_max_age`.
        publish_ahead: Duration = hours(24), seconds(2)..=days(30);
        /// How long others may keep the key set: `max-age` of `/.well-known/jwks.json`.
        jwks_max_age: Duration = minutes(10), seconds(1)..=hours(1);
    }
}

/// What a realm may differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealmSettings {
    /// Lifetimes of tokens.
    pub tokens: TokenSettings,
    /// Sessions of browsers.
    pub sessions: SessionSettings,
    /// What is used once, and soon.
    pub flows: FlowSettings,
    /// Passwords.
    pub passwords: PasswordSettings,
    /// Who may become a user.
    pub sign_up: SignUpSettings,
    /// Signing keys and their publication.
    pub keys: KeySettings,
    /// Languages of pages and mail, as tags such as `en` or `pt-BR`; the first serves whoever asks for none of them.
    pub languages: Vec<String>,
}

impl Default for RealmSettings {
    fn default() -> Self {
        Self {
            tokens: TokenSettings::default(),
            sessions: SessionSettings::default(),
            flows: FlowSettings::default(),
            passwords: PasswordSettings::default(),
            sign_up: SignUpSettings::default(),
            keys: KeySettings::default(),
            languages: vec!["en".to_owned()],
        }
    }
}

impl RealmSettings {
    /// Every setting, for the reference.
    pub fn rules() -> Vec<SettingRule> {
        let mut rules = Vec::new();
        TokenSettings::rules(&mut rules);
        SessionSettings::rules(&mut rules);
        FlowSettings::rules(&mut rules);
        PasswordSettings::rules(&mut rules);
        SignUpSettings::rules(&mut rules);
        KeySettings::rules(&mut rules);
        rules.push(SettingRule {
            path: "languages",
            text: "Languages of pages and mail; the first serves whoever asks for none of them.",
            default: "[\"en\"]".to_owned(),
            bounds: None,
        });
        rules
    }

    /// The longest life that a signed token may have under these settings.
    pub fn longest_token_life(&self) -> Duration {
        self.tokens.access.max(self.tokens.access_longest).max(self.tokens.id)
    }

    /// What is allowed and fit for a test alone, in words for the log.
    pub(crate) fn cautions(&self) -> Vec<String> {
        let KeySettings { rotation, publish_ahead, jwks_max_age } = &self.keys;
        let low = |setting: &str, value: &Duration, least: Duration, why: &str| {
            (*value < least).then(|| format!("keys.{setting} is {}: {why}", value.show()))
        };
        let found = [
            low(
                "rotation",
                rotation,
                hours(1),
                "each new key costs everybody a look at the key set, and removed ones pile up",
            ),
            low(
                "publish_ahead",
                publish_ahead,
                minutes(2),
                "verifiers that keep the key set for longer refuse what the next key signs",
            ),
            low("jwks_max_age", jwks_max_age, minutes(1), "verifiers fetch the key set all the time"),
        ];
        found.into_iter().flatten().collect()
    }

    /// Refuses values out of bounds and settings that contradict each other; names every one of them.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut problems = Vec::new();
        self.tokens.check(&mut problems);
        self.sessions.check(&mut problems);
        self.flows.check(&mut problems);
        self.passwords.check(&mut problems);
        self.sign_up.check(&mut problems);
        self.keys.check(&mut problems);
        let mut rule = |holds: bool, path: &str, problem: &str| {
            if !holds {
                problems.push(SettingProblem { path: path.to_owned(), problem: problem.to_owned() });
            }
        };
        let Self { tokens, sessions, keys, languages, .. } = self;
        rule(tokens.access <= tokens.access_longest, "tokens.access", "is longer than tokens.access_longest");
        rule(tokens.refresh_idle <= tokens.refresh_absolute, "tokens.refresh_idle", "is longer than refresh_absolute");
        rule(sessions.idle <= sessions.absolute, "sessions.idle", "is longer than sessions.absolute");
        rule(keys.publish_ahead >= keys.jwks_max_age * 2, "keys.publish_ahead", "is less than twice keys.jwks_max_age");
        rule(keys.rotation > keys.publish_ahead, "keys.rotation", "is not longer than keys.publish_ahead");
        rule((1..=20).contains(&languages.len()), "languages", "needs 1 to 20 language tags");
        rule(languages.iter().all(|tag| is_language_tag(tag)), "languages", "write tags such as en, de or pt-BR");
        let distinct = languages.iter().enumerate().all(|(place, tag)| !languages[..place].contains(tag));
        rule(distinct, "languages", "names a language twice");
        if problems.is_empty() { Ok(()) } else { Err(SettingsError(problems)) }
    }

    /// These settings with `patch` laid over them (RFC 7396: null returns a setting to its default).
    ///
    /// # Errors
    /// [`SettingsError`] for a name that is unknown, a value that is malformed or out of bounds.
    pub fn patched(&self, patch: &Value) -> Result<Self, SettingsError> {
        let mut document = serde_json::to_value(self).expect("settings are plain values");
        if !patch.is_object() {
            let problem = "give an object of settings".to_owned();
            return Err(SettingsError(vec![SettingProblem { path: String::new(), problem }]));
        }
        merge(&mut document, patch);
        let settings = Self::strict(document)?;
        settings.check()?;
        Ok(settings)
    }

    /// The paths of the settings in which `self` and `other` differ, for the audit event.
    pub(crate) fn differing(&self, other: &Self) -> Vec<String> {
        let (left, right) = (self.document(), other.document());
        let mut paths = Vec::new();
        for (section, content) in &left {
            match (content, &right[section]) {
                (Value::Object(content), Value::Object(others)) => {
                    let changed = content.iter().filter(|(name, value)| others.get(*name) != Some(*value));
                    paths.extend(changed.map(|(name, _)| format!("{section}.{name}")));
                }
                (content, others) if content != others => paths.push(section.clone()),
                _ => {}
            }
        }
        paths
    }

    fn document(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(document)) => document,
            _ => unreachable!("settings are an object of plain values"),
        }
    }

    fn strict(document: Value) -> Result<Self, SettingsError> {
        serde_path_to_error::deserialize(document).map_err(|error| {
            let path = error.path().to_string();
            SettingsError(vec![SettingProblem { path, problem: error.into_inner().to_string() }])
        })
    }

    /// Reads a stored row. Names that this version does not know are left out of the result.
    pub(crate) fn stored(text: &str) -> Result<Self, SettingsError> {
        let malformed = |_| SettingsError(vec![problem_of_row()]);
        let mut document: Map<String, Value> = serde_json::from_str(text).map_err(malformed)?;
        let known = Self::default().document();
        document.retain(|section, _| known.contains_key(section));
        for (section, content) in &mut document {
            if let (Value::Object(content), Value::Object(known)) = (content, &known[section]) {
                content.retain(|name, _| known.contains_key(name));
            }
        }
        Self::strict(Value::Object(document))
    }

    /// The row to store in place of `before`: these settings, and what `before` holds that this version does not know.
    pub(crate) fn to_stored(&self, before: Option<&str>) -> String {
        let before = before.and_then(|text| serde_json::from_str(text).ok());
        let mut document = before.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new()));
        merge(&mut document, &Value::Object(self.document()));
        document.to_string()
    }
}

fn problem_of_row() -> SettingProblem {
    SettingProblem { path: String::new(), problem: "the stored settings are not a JSON object".to_owned() }
}

/// RFC 7396, MergePatch. Recursion is bounded by the depth that the JSON reader allows.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { unreachable!("made an object just above") };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A language of two or three letters, and possibly a region (BCP 47).
fn is_language_tag(tag: &str) -> bool {
    let (language, region) = tag.split_once('-').map_or((tag, None), |(language, region)| (language, Some(region)));
    matches!(language.len(), 2 | 3)
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(|region| region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests;
