# The signed-in person's own pages, and the first set-up.

landing-title = Hello, { $name }
landing-lead = You’re signed in to { $place }.
landing-account = Your account
landing-email-unverified = Not confirmed
landing-password = Password
landing-password-change = Change password
landing-devices = Devices
landing-devices-show = Where you’re signed in

devices-title = Where you’re signed in
devices-lead = Sign out any device that isn’t yours, or that you no longer use.
devices-this = This device
devices-in-use = In use now
devices-seen-now = Used just now
devices-seen-minutes =
    { $minutes ->
        [one] Used { $minutes } minute ago
       *[other] Used { $minutes } minutes ago
    }
devices-seen-hours =
    { $hours ->
        [one] Used { $hours } hour ago
       *[other] Used { $hours } hours ago
    }
devices-seen-days =
    { $days ->
        [one] Used { $days } day ago
       *[other] Used { $days } days ago
    }
devices-end = Sign out
devices-end-named = Sign out { $device }
devices-end-others = Sign out everywhere else
devices-more = Show more devices
devices-only-this = You’re signed in nowhere else.
devices-done-one = That device is signed out.
devices-done-others = You’re signed out everywhere else.

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
