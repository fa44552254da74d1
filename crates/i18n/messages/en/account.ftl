# The signed-in person's own pages, and the first set-up.

landing-title = Hello, { $name }
landing-lead = You’re signed in to { $place }.
landing-account = Your account
landing-email-unverified = Not confirmed
landing-password = Password
landing-password-change = Change password

change-password-title = Change your password
change-password-lead = You’ll be signed out on all other devices.
change-password-button = Change password
change-password-done-title = Your password was changed
change-password-done-lead = You’re still signed in here, and signed out everywhere else.
to-account = Go to your account

email-verified-title = Your email address is confirmed
email-verified-lead = You can sign in with it from now on.
password-set-title = Your password was changed
password-set-lead = You’re signed out everywhere. Sign in with the new password.
to-sign-in = Go to sign-in

setup-title = Set up { $place }
setup-lead = Create the first administrator. You can add others later.
setup-button = Create administrator
setup-closed-title = Set-up is complete
setup-closed-lead = The first administrator exists, and this link no longer works. Other administrators can be added from the command line.
