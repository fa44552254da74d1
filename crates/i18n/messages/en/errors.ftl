# Error pages: what happened, what to do, and a reference.

error-reference = Reference
error-home = Go to the start page
error-detail = For developers

error-not-found-title = This page doesn’t exist
error-not-found-lead = Check the address, or start again from the application you came from.
error-bad-request-title = This request can’t be read
error-bad-request-lead = Go back to the application you came from and start again. If it happens again, tell the people who run it.
error-expired-title = This sign-in has expired
error-expired-lead = It was open for too long, or was finished in another window. Go back to the application and start again.
error-form-expired-title = This page has expired
error-form-expired-lead = Nothing was changed. Go back, reload the page and try again.
error-link-title = This link no longer works
error-link-lead = It was used already, has expired, or is incomplete. Ask for a new one.
error-denied-title = You can’t open this page
error-denied-lead = Your account lacks the permission. Ask an administrator if you need it.
error-client-title = This application can’t sign you in
error-client-lead = Its request doesn’t match how it is registered here. Tell the people who run the application.
error-too-many-title = Too many requests
error-too-many-lead = Wait a minute, then try again.
error-unavailable-title = We’ll be right back
error-unavailable-lead = Something we depend on is not answering. Nothing is lost; try again in a moment.
error-internal-title = Something went wrong
error-internal-lead = It’s our fault, not yours. Try again; if it stays, send the reference to an administrator.
