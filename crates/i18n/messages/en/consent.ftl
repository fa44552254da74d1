# What an application asks for, and the way back to it.

consent-title = { $client } wants to use your account
consent-account = Signed in as { $account }.
consent-other-account = Not you?
consent-unverified = Unverified
consent-unverified-lead = Nobody has checked who runs this application. Allow it only if you trust it.
consent-scopes = It will be able to
consent-host = Either way, you go on to { $host }.
consent-allow = Allow
consent-deny = Don’t allow

scope-openid = Know who you are here
scope-profile = See your name and other profile details
scope-email = See your email address
scope-address = See your postal address
scope-phone = See your phone number
scope-offline-access = Stay connected while you are away, until you sign out or withdraw this

form-post-title = Continue to { $place }
form-post-lead = You’ll be taken there in a moment. If not, continue here.
form-post-button = Continue
