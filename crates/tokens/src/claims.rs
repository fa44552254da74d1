//! The claims of a token as read, strictly: right types, integral times in range, no member twice (A058, A063).

use std::borrow::Cow;
use std::fmt;

use claviger_kernel::Timestamp;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, ser::SerializeMap as _};
use serde_json::{Map, Value};

use crate::{Marks, Refusal, TokenType};

/// The last second of the year 9999; no time of ours lies beyond.
const LAST_SECOND: u64 = 253_402_300_799;
/// How deep a claim may be nested.
const MAX_DEPTH: usize = 32;

/// The claims of a token. Names as in the registries; what a type does not have is absent.
///
/// A value of this type proves nothing; [`VerifiedToken`](crate::VerifiedToken) does.
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the registered names say it: RFC 7519 §4.1, RFC 9068 §2.2, OpenID Connect Core §2
pub struct Claims {
    pub iss: String,
    pub sub: Option<String>,
    pub aud: Vec<String>,
    pub exp: Timestamp,
    pub iat: Timestamp,
    pub nbf: Option<Timestamp>,
    pub jti: Option<String>,
    pub client_id: Option<String>,
    pub scope: Option<String>,
    /// The session, as the text of its id.
    pub sid: Option<String>,
    /// The token family, as the text of its id.
    pub fam: Option<String>,
    /// The organization, as the text of its id.
    pub org_id: Option<String>,
    /// The key to which the token is bound (RFC 7800).
    pub cnf: Option<Value>,
    /// The epochs under which it was issued.
    pub ep: Epochs,
    pub auth_time: Option<Timestamp>,
    pub nonce: Option<String>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub azp: Option<String>,
    pub at_hash: Option<String>,
    pub events: Option<Value>,
    /// Every other claim.
    pub other: Map<String, Value>,
}

impl Claims {
    /// The names above; no [`ExtraClaims`](crate::ExtraClaims) may bear one.
    pub(crate) const NAMES: [&str; 21] = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "client_id",
        "scope",
        "sid",
        "fam",
        "org_id",
        "cnf",
        "ep",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "events",
    ];

    /// Reads a payload whose signature has been checked.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Refusal> {
        // Strings are checked by the reader, but what it skips is not: look at everything.
        let text = core::str::from_utf8(payload).map_err(|_| Refusal::Claims)?;
        let read: Read = serde_json::from_str(text).map_err(|_| Refusal::Claims)?;
        read.complete()
    }

    /// Whether everything is there that a token of this type must bear, and nothing that it must not.
    pub(crate) fn complete_for(&self, token_type: TokenType) -> Result<(), Refusal> {
        let must = |name, present: bool| if present { Ok(()) } else { Err(Refusal::Missing(name)) };
        match token_type {
            TokenType::Access => {
                must("sub", self.sub.is_some())?;
                must("jti", self.jti.is_some())?;
                must("client_id", self.client_id.is_some())
            }
            TokenType::Id => must("sub", self.sub.is_some()),
            TokenType::Logout => {
                must("jti", self.jti.is_some())?;
                must("sub", self.sub.is_some() || self.sid.is_some())?;
                let event = self.events.as_ref().and_then(|events| events.get(LOGOUT_EVENT));
                must("events", event.is_some_and(Value::is_object))?;
                if self.nonce.is_none() { Ok(()) } else { Err(Refusal::Claims) }
            }
        }
    }

    /// The scopes, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.as_deref().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty())
    }

    /// What a revocation may name.
    pub fn marks(&self) -> Marks<'_> {
        Marks {
            token: self.jti.as_deref(),
            session: self.sid.as_deref(),
            family: self.fam.as_deref(),
            user: self.sub.as_deref(),
            client: self.client_id.as_deref(),
            organization: self.org_id.as_deref(),
            epochs: self.ep,
        }
    }
}

/// The event of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
pub(crate) const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The epochs of user, client and organization under which a token was issued: `{"u":3,"c":1,"o":2}`.
///
/// What is absent counts as 0, hence a token that does not tell falls with the first revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epochs {
    /// The user's, if the token has one.
    pub user: Option<u64>,
    /// The client's.
    pub client: Option<u64>,
    /// The organization's, if the token speaks for one.
    pub organization: Option<u64>,
}

impl Serialize for Epochs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, epoch) in [("u", self.user), ("c", self.client), ("o", self.organization)] {
            if let Some(epoch) = epoch {
                map.serialize_entry(name, &epoch)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Epochs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Epochs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of epochs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Epochs, A::Error> {
                let mut epochs = Epochs::default();
                while let Some(Name(name)) = map.next_key()? {
                    match &*name {
                        "u" => once(&mut epochs.user, &mut map)?,
                        "c" => once(&mut epochs.client, &mut map)?,
                        "o" => once(&mut epochs.organization, &mut map)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(epochs)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The members on their way in; `None` is *not seen yet*.
#[derive(Default)]
struct Read {
    claims: Claims,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    iat: Option<NumericDate>,
    nbf: Option<NumericDate>,
    auth_time: Option<NumericDate>,
    ep: Option<Epochs>,
    amr: Option<Vec<String>>,
}

impl Read {
    fn complete(self) -> Result<Claims, Refusal> {
        let mut claims = self.claims;
        // Without issuer or audience a token is nobody's; it falls at the check for them.
        claims.iss = self.iss.unwrap_or_default();
        claims.aud = self.aud.map(|audience| audience.0).unwrap_or_default();
        claims.exp = self.exp.ok_or(Refusal::Missing("exp"))?.0;
        claims.iat = self.iat.ok_or(Refusal::Missing("iat"))?.0;
        claims.nbf = self.nbf.map(|time| time.0);
        claims.auth_time = self.auth_time.map(|time| time.0);
        claims.ep = self.ep.unwrap_or_default();
        claims.amr = self.amr.unwrap_or_default();
        let nested = claims.cnf.iter().chain(&claims.events).chain(claims.other.values());
        if nested.into_iter().all(|value| is_shallow(value, MAX_DEPTH)) { Ok(claims) } else { Err(Refusal::Claims) }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut read = Read::default();
                while let Some(Name(name)) = map.next_key()? {
                    read.member(&name, &mut map)?;
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Read {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let claims = &mut self.claims;
        match name {
            "iss" => once(&mut self.iss, map),
            "sub" => once(&mut claims.sub, map),
            "aud" => once(&mut self.aud, map),
            "exp" => once(&mut self.exp, map),
            "iat" => once(&mut self.iat, map),
            "nbf" => once(&mut self.nbf, map),
            "jti" => once(&mut claims.jti, map),
            "client_id" => once(&mut claims.client_id, map),
            "scope" => once(&mut claims.scope, map),
            "sid" => once(&mut claims.sid, map),
            "fam" => once(&mut claims.fam, map),
            "org_id" => once(&mut claims.org_id, map),
            "cnf" => once(&mut claims.cnf, map),
            "ep" => once(&mut self.ep, map),
            "auth_time" => once(&mut self.auth_time, map),
            "nonce" => once(&mut claims.nonce, map),
            "acr" => once(&mut claims.acr, map),
            "amr" => once(&mut self.amr, map),
            "azp" => once(&mut claims.azp, map),
            "at_hash" => once(&mut claims.at_hash, map),
            "events" => once(&mut claims.events, map),
            _ => match claims.other.insert(name.to_owned(), map.next_value()?) {
                None => Ok(()),
                Some(_) => Err(de::Error::custom("a member comes twice")),
            },
        }
    }
}

/// Reads the member's value, unless it has been read before.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(slot: &mut Option<T>, map: &mut A) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(de::Error::custom("a member comes twice"));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// Whether `value` is nested at most `depth` deep. Runs on what the parser has accepted, 128 deep at most.
pub(crate) fn is_shallow(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_shallow(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|member| is_shallow(member, depth - 1)),
        _ => true,
    }
}

/// Whether `value` may stand in a token that we shall read again.
pub(crate) fn may_be_claimed(value: &Value) -> bool {
    is_shallow(value, MAX_DEPTH)
}

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A time in whole seconds (RFC 7519 §2, without the fractions that nobody needs).
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        if seconds > LAST_SECOND {
            return Err(de::Error::custom("a time beyond the year 9999"));
        }
        Ok(Self(Timestamp::from_seconds(seconds.cast_signed())))
    }
}

/// One string, or a list of at least one (RFC 7519 §4.1.3).
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an audience or a list of audiences")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<Audience, E> {
                Ok(Audience(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut many: A) -> Result<Audience, A::Error> {
                let mut audiences = Vec::new();
                while let Some(one) = many.next_element()? {
                    audiences.push(one);
                }
                Ok(Audience(audiences))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests;
