// "Show password" buttons. They are served hidden, since they do nothing without this script.
import { announce } from "./status.js"

const shown = new WeakSet()

function fields(button) {
  return button
    .getAttribute("aria-controls")
    .split(" ")
    .map((id) => document.getElementById(id))
    .filter(Boolean)
}

const isShown = (button) => fields(button).some((field) => shown.has(field))

function show(button, visible) {
  button.textContent = visible ? "Hide password" : "Show password"
  for (const field of fields(button)) {
    field.type = visible ? "text" : "password"
    if (visible) shown.add(field)
    else shown.delete(field)
  }
}

const buttons = (root) => root.querySelectorAll("button[data-reveal]")

function unhide(root) {
  for (const button of buttons(root)) button.hidden = false
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-reveal]")
  if (!button) return
  const visible = !isShown(button)
  show(button, visible)
  announce(visible ? "Your password is shown." : "Your password is hidden.", true)
})

// Browsers keep what was typed into text fields for completion, so a password leaves as a password.
function hideBeforeSending({ target: form }) {
  for (const button of [...buttons(form)].filter(isShown)) {
    show(button, false)
    announce("")
  }
}
document.addEventListener("submit", hideBeforeSending, { capture: true }) // before htmx sends

// Before the swap: a morph that hid the button, even for a moment, would take the focus from it.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
  for (const { fragment } of tasks) unhide(fragment)
})

// A morph keeps the field and gives it back its served type: what the reader chose is set again.
document.addEventListener("htmx:after:swap", () => {
  for (const button of buttons(document)) show(button, isShown(button))
})

unhide(document)
