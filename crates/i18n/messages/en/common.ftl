# What several pages share. Keys are named after the page or the thing that they speak of.
# $place is a realm or an application, as people know it; it is never translated.

language-name = English
document-title = { $title } · { $place }
optional = optional
waiting = One moment…
back-to = Back to { $place }

email-label = Email address
password-label = Password
new-password-label = New password
current-password-label = Current password
name-label = Name
code-label = Code

password-hint = At least { $min } characters. A few unrelated words work well.
password-show = Show
password-hide = Hide

foot-help = Help
foot-privacy = Privacy

# The first line of the summary above a form.
problem-fields = Check what you entered
# A summary, where the trouble is not in one field. None tells whether an account exists.
problem-sign-in-refused = Email address or password is wrong, or this sign-in is not possible right now.
problem-code-refused = This code is wrong or no longer valid. Check it, or send a new one.
problem-too-many =
    { $minutes ->
        [one] Too many attempts. Try again in { $minutes } minute.
       *[other] Too many attempts. Try again in { $minutes } minutes.
    }
problem-busy = We can’t do this right now. Nothing is lost; try again in a moment.
problem-form-expired = This page was open for too long, so nothing was sent. Please try again.

# Under a field: one sentence that says what to do.
email-missing = Enter your email address.
email-malformed = Enter an email address like name@example.com.
name-too-long = Use a shorter name.
code-missing = Enter the code from the email.
code-malformed = Enter the { $digits } digits from the email.
password-missing = Enter your password.
new-password-missing = Choose a password.
password-too-short = Use at least { $min } characters.
password-too-long = Use at most { $max } characters.
password-common = Many people use this password. Choose one that is harder to guess.
password-contextual = Choose a password without your name, your email address or the name of this service.
password-unchanged = Choose a password other than your current one.
current-password-wrong = This is not your current password.
