// "Show password" buttons.
import { announce } from "./status.js"

document.documentElement.dataset.scripts = "" // has them shown

const shown = new WeakSet() // the fields whose password can be read

const buttons = (root) => root.querySelectorAll("button[data-reveal]")
const fieldOf = (button) => document.getElementById(button.getAttribute("aria-controls"))

function show(button, visible) {
  const field = fieldOf(button)
  button.textContent = visible ? "Hide password" : "Show password"
  field.type = visible ? "text" : "password"
  if (visible) shown.add(field)
  else shown.delete(field)
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-reveal]")
  if (!button) return
  const visible = !shown.has(fieldOf(button))
  show(button, visible)
  announce(visible ? "Your password is shown." : "Your password is hidden.", true)
})

// Browsers keep what was typed into text fields for completion, so a password leaves as a password.
function hideBeforeSending({ target: form }) {
  for (const button of buttons(form)) show(button, false)
}
document.addEventListener("submit", hideBeforeSending, { capture: true }) // before htmx sends

// A morph keeps the field and gives it back its served type: what the reader chose is set again.
document.addEventListener("htmx:after:swap", () => {
  for (const button of buttons(document)) show(button, shown.has(fieldOf(button)))
})
