# Mail. Subjects never carry a code or a link: they show on locked screens (A094).

mail-footer = This message was sent by { $place } because this address was entered there.
mail-code-intro = Your code:
mail-code-lasts =
    { $minutes ->
        [one] It works once, for { $minutes } minute.
       *[other] It works once, for { $minutes } minutes.
    }
mail-code-lasts-hours =
    { $hours ->
        [one] It works once, for { $hours } hour.
       *[other] It works once, for { $hours } hours.
    }

mail-verify-subject = Confirm your email address for { $place }
mail-verify-title = Confirm your email address
mail-verify-lead = Enter this code on the page where you signed up for { $place }.
mail-verify-link = Confirm email address
mail-verify-ignore = If this wasn’t you, do nothing: without the code, the address is not confirmed.

mail-reset-subject = Reset your password for { $place }
mail-reset-title = Reset your password
mail-reset-lead = Enter this code on the page where you asked for a new password for { $place }.
mail-reset-link = Reset password
mail-reset-ignore = If this wasn’t you, do nothing: your password stays as it is.

mail-password-changed-subject = Your password for { $place } was changed
mail-password-changed-title = Your password was changed
mail-password-changed-lead = The password of your { $place } account was just changed, and other devices were signed out.
mail-password-changed-act = If this wasn’t you, reset your password now:
mail-password-changed-link = Reset password

mail-sign-in-reused-subject = An old sign-in to { $place } was used again
mail-sign-in-reused-title = An old sign-in was used again
mail-sign-in-reused-lead = Somebody used an old copy of one of your sign-ins. An application does not do that by itself, so a stranger may hold a copy.
mail-sign-in-reused-where = Application: { $client }. Device: { $device }. Time: { $time }.
mail-sign-in-reused-done = That sign-in has been ended, on every copy. Nothing else of your account was touched.
mail-sign-in-reused-act = Sign in again and change your password. If you cannot sign in any more, reset it.
mail-sign-in-reused-change = Change password
mail-sign-in-reused-reset = Reset password

mail-already-registered-subject = You already have an account at { $place }
mail-already-registered-title = You already have an account
mail-already-registered-lead = Somebody just tried to sign up for { $place } with this address. If it was you, sign in, or reset your password if you have forgotten it.
mail-already-registered-sign-in = Sign in
mail-already-registered-reset = Reset password
mail-already-registered-ignore = If it wasn’t you, do nothing. Nothing about your account has changed, and nobody was told that it exists.

mail-no-account-subject = No account at { $place } with this address
mail-no-account-title = There is no account with this address
mail-no-account-lead = Somebody asked for a new password for { $place } with this address, but there is no account. Perhaps you signed up with another address.
mail-no-account-sign-up = Create an account
mail-no-account-ignore = If it wasn’t you, do nothing.
