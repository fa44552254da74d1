//! Userinfo (OpenID Connect Core §5.3), and the check of an access token at the provider's own door: the verifier with the
//! view of what has been revoked, then the user, whose claims are wanted.

use std::sync::Arc;

use claviger_audit::{Cx, Event, refused};
use claviger_identity::{User, emails, users};
use claviger_kernel::Unavailable;
use claviger_tokens::{Expectation, KeySet, Refusal, VerifiedToken, Verifier};
use serde_json::{Map, Value};

use crate::scope::{MANAGE, Scopes};
use crate::{OAuth, TokenError};

const REFUSED: TokenError = TokenError::InvalidToken { expired: false };

impl OAuth {
    /// The keys under which the realm's tokens verify, as the verifier wants them.
    pub(crate) fn key_set(&self, cx: &Cx) -> Result<Arc<KeySet>, Unavailable> {
        self.ring.key_set(cx.realm(), |issuer, keys| KeySet::new(issuer, keys))
    }

    /// Verifies with the realm's keys; where the key is unknown, once more with whatever the store holds by then, for
    /// another node may have made it a moment ago. A node that cannot find out does not call the token bad.
    pub(crate) async fn with_keys<T>(
        &self,
        cx: &Cx,
        verify: impl Fn(&KeySet) -> Result<Result<T, Refusal>, Unavailable>,
    ) -> Result<Result<T, Refusal>, Unavailable> {
        let verified = verify(&*self.key_set(cx)?)?;
        if !matches!(verified, Err(Refusal::Key)) {
            return Ok(verified);
        }
        self.ring.caught_up(cx.realm()).await?;
        verify(&*self.key_set(cx)?)
    }

    /// Verifies an access token that was issued for the provider itself, and that nothing behind it has ended.
    pub async fn check_access_token(&self, cx: &Cx, token: &str) -> Result<(VerifiedToken, User), TokenError> {
        let realm = self.realm(cx)?;
        let expect = Expectation::access_token([realm.issuer.as_str()]).map_err(|_| REFUSED)?;
        let verify = |keys: &KeySet| {
            let revoked = self.revocations.of(cx.realm());
            let verifier = Verifier::new(keys, &revoked).clock_skew(realm.settings.tokens.clock_skew);
            Ok(verifier.verify(token, &expect, cx.now()))
        };
        let token = self.with_keys(cx, verify).await?.map_err(|reason| {
            refused(cx, &Event::new("access_token_refused", realm.id).with("why", reason.to_string()));
            TokenError::InvalidToken { expired: reason.is_expired() }
        })?;
        let user = self.still_good(cx, &token).await?;
        Ok((token, user))
    }

    /// As [`OAuth::check_access_token`], and only for a client that is the operator's own and has asked to manage: whoever
    /// signs in to somebody else's application, or to one of ours that shows pictures, has not handed it the realm.
    ///
    /// # Errors
    /// `UnauthorizedClient` for a good token of any other client, `InsufficientScope` for one without the scope.
    pub async fn check_managing_token(&self, cx: &Cx, token: &str) -> Result<User, TokenError> {
        let (verified, user) = self.check_access_token(cx, token).await?;
        let client_id = verified.claims().client_id.as_deref().unwrap_or_default();
        if !self.client(cx, client_id).await?.is_some_and(|client| client.settings.first_party) {
            refused(cx, &Event::new("access_token_refused", cx.realm()).with("why", "not a first-party client"));
            return Err(TokenError::UnauthorizedClient);
        }
        let scopes = Scopes::parse(verified.claims().scope.as_deref().unwrap_or_default()).map_err(|_| REFUSED)?;
        if scopes.contains(MANAGE) {
            return Ok(user);
        }
        refused(cx, &Event::new("access_token_refused", cx.realm()).with("why", "not for managing"));
        Err(TokenError::InsufficientScope(MANAGE))
    }

    /// The user behind a verified token, who is asked for the claims; the epoch says once more what the log has said.
    async fn still_good(&self, cx: &Cx, verified: &VerifiedToken) -> Result<User, TokenError> {
        let claims = verified.claims();
        let refuse = |why: &'static str| {
            refused(cx, &Event::new("access_token_refused", cx.realm()).with("why", why));
            REFUSED
        };
        let subject = claims.sub.as_deref().unwrap_or_default();
        let user = users::by_subject(cx, subject).await?.ok_or_else(|| refuse("no such user"))?;
        let issued_under = claims.ep.user.and_then(|epoch| i64::try_from(epoch).ok());
        if user.active().is_none() || issued_under != Some(user.epoch) {
            return Err(refuse("the user's epoch is over"));
        }
        Ok(user)
    }

    /// The claims that the token's scopes open (OpenID Connect Core §5.4).
    pub async fn userinfo(&self, cx: &Cx, token: &str) -> Result<Map<String, Value>, TokenError> {
        let (verified, user) = self.check_access_token(cx, token).await?;
        let scopes = Scopes::parse(verified.claims().scope.as_deref().unwrap_or_default()).map_err(|_| REFUSED)?;
        if !scopes.contains("openid") {
            return Err(TokenError::InsufficientScope("openid"));
        }
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), user.subject.clone().into());
        if scopes.contains("profile") {
            claims.insert("updated_at".to_owned(), user.updated_at.seconds().into());
        }
        for (name, value) in user.claims.iter() {
            let scope = match name {
                "address" => "address",
                "phone_number" | "phone_number_verified" => "phone",
                _ => "profile",
            };
            if scopes.contains(scope) {
                claims.insert(name.to_owned(), value.clone());
            }
        }
        if scopes.contains("email")
            && let Some(email) = emails::main_of(cx, user.id).await?
        {
            claims.insert("email_verified".to_owned(), email.verified_at.is_some().into());
            claims.insert("email".to_owned(), email.address.into());
        }
        Ok(claims)
    }
}
