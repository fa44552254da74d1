// Sends a form_post answer on its way; without scripts the button does it.
document.forms[0].submit();
