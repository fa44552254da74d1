# What `claviger dev` shows beside the product's own pages.

dev-welcome-title = Claviger is running
dev-welcome-lead = Everything is on, mail is captured, and nothing leaves this machine.
dev-welcome-demo = Demo application
dev-welcome-demo-lead = Signs in by OpenID Connect and shows its tokens
dev-welcome-inbox = Inbox
dev-welcome-inbox-lead = Every message that Claviger sends
dev-welcome-sign-in = Sign-in page
dev-welcome-sign-in-lead = As people see it
dev-welcome-setup = Set-up
dev-welcome-setup-lead = Create the first administrator; this link works once
dev-welcome-gallery = Gallery
dev-welcome-gallery-lead = Every page in every state
dev-welcome-user = Sign in as

dev-inbox-title = Inbox
dev-inbox-empty-title = No messages yet
dev-inbox-empty-lead = Sign up, or ask for a new password, and the message appears here. Reload this page to see it.
dev-inbox-to = To { $to }
dev-inbox-all = All messages

dev-gallery-title = Gallery

dev-demo-lead = A small application that signs people in with Claviger.
dev-demo-sign-in = Sign in
dev-demo-refused = Signing in didn’t work
dev-demo-refresh-refused = Refreshing didn’t work
dev-demo-lead-signed-in = You’re signed in to { $place }. These are its tokens, decoded.
dev-demo-refresh = Refresh tokens
dev-demo-refreshed = The tokens are new.
dev-demo-sign-out = Sign out
dev-demo-id-token = ID token
dev-demo-access-token = Access token
dev-demo-userinfo = User info
