// Passkeys: the browser makes or asks for one, and htmx posts what it answers with the form around the button.
import { announce } from "./status.js"

const named = !/^[\d.]+$|:/.test(location.hostname) // passkeys belong to names, not to addresses
const known = named && Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON)
document.documentElement.toggleAttribute("data-passkeys", known)

let calling, question // a browser asks one at a time: the one before is called off

function ask(button, mediation) {
  calling?.abort()
  calling = new AbortController()
  question = answer(button, mediation, calling.signal, question)
  return question
}

async function answer(button, mediation, signal, before) {
  const response = await fetch(button.dataset.passkey, { method: "POST", signal })
  if (response.redirected) return location.assign(response.url) // signed in meanwhile, or out, in another tab
  const options = await response.json()
  await before?.catch(() => {}) // it ends a moment after it was called off, and until then no other may begin
  const credential = options.user
    ? await navigator.credentials.create({ signal, publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ signal, mediation, publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })
  button.form.elements.credential.value = JSON.stringify(credential)
  button.dispatchEvent(new Event("passkey"))
}

function explain({ name }) {
  if (name === "InvalidStateError") announce("This device holds a passkey for your account already.")
  else if (name !== "AbortError") announce("No passkey came. Try again.")
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-passkey]")
  if (!button) return
  event.preventDefault()
  ask(button).catch(explain)
})

// Beside a field for the username, passkeys stand among what the browser offers to fill in.
function offer() {
  const button = document.querySelector("form:has([autocomplete~=webauthn]) button[data-passkey]")
  if (button && known) ask(button, "conditional").catch(() => {}) // nobody asked for it
}

document.addEventListener("htmx:after:swap", offer)
offer()
