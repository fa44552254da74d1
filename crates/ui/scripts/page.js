// What a page does better with scripts than without; nothing needs it.
{
  const all = (selector) => document.querySelectorAll(selector);
  const shown = (button, yes) => {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    input.type = yes ? "text" : "password";
    button.textContent = yes ? button.dataset.hide : button.dataset.show;
  };
  for (const button of all(".reveal")) {
    button.hidden = false;
    button.addEventListener("click", () => shown(button, button.textContent === button.dataset.show));
  }
  // A form is sent once. Buttons are never disabled: a disabled button would not be sent along.
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = 1;
      for (const button of form.querySelectorAll(".reveal")) shown(button, false);
      const button = event.submitter;
      if (button) setTimeout(() => form.dataset.sent && button.setAttribute("aria-busy", true), 300);
    });
  }
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of all("form")) delete form.dataset.sent;
    for (const button of all("[aria-busy]")) button.removeAttribute("aria-busy");
  });
  // The first field has focus, but not on touch, where that would raise the keyboard; after an error the summary has it.
  if (!document.querySelector("[autofocus]") && matchMedia("(hover: hover) and (pointer: fine)").matches) {
    document.querySelector("form [data-first]")?.focus();
  }
}
