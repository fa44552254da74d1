# Signing in, signing up, the code from the mail, the lost password, signing out.

sign-in-title = Sign in to { $place }
sign-in-button = Sign in
sign-in-forgotten = Forgot password?
sign-in-no-account = New here?
sign-in-create-account = Create an account

notice-password-changed = Your password was changed. Sign in with the new one.
notice-email-verified = Your email address is confirmed. Sign in to go on.
notice-signed-out = You’re signed out.
notice-session-ended = Your session has ended. Sign in to go on.

sign-up-title = Create your account
sign-up-lead = To use { $place }
sign-up-button = Create account
sign-up-have-account = Already have an account?
sign-up-sign-in = Sign in

# The same words whether or not there is an account.
verify-title = Check your email
verify-lead = We sent a message to { $email }. Enter the { $digits }-digit code from it.
verify-button = Continue
verify-resend-lead = Nothing there after a minute? Look in the spam folder, too.
verify-resend = Send a new code
verify-resent = We sent a new message. Only its code is valid now.
verify-other-address = Use another address

recover-title = Reset your password
recover-lead = Enter your email address, and we’ll send you a code.
recover-button = Send code
recover-sign-in = Back to sign-in
recover-password-title = Choose a new password
recover-password-lead = You’ll be signed out everywhere else.
recover-password-button = Set password

sign-out-title = Sign out of { $place }?
sign-out-lead = You’re signed in as { $account }.
sign-out-button = Sign out
sign-out-stay = Stay signed in
signed-out-title = You’re signed out
signed-out-lead = It’s safe to close this window.
signed-out-again = Sign in again
