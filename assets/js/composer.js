// The counter under a text box and sending with the keyboard.

const NEAR = 20 // characters left when it begins to matter
const PAUSE = 1000 // milliseconds without typing before the count is spoken

// As the server counts: code points after NFC. A textarea's value has \n line ends already.
function left(box) {
  return Number(box.dataset.count) - [...box.value.normalize("NFC")].length
}

function spoken(count) {
  if (count > NEAR) return ""
  const number = Math.abs(count)
  const noun = number === 1 ? "character" : "characters"
  return count < 0 ? `${number} ${noun} too many` : `${number} ${noun} left`
}

function show(box) {
  const counter = box.form?.querySelector("[data-count-left]")
  if (!counter) return
  const count = left(box)
  counter.textContent = count
  if (count > NEAR) delete counter.dataset.state
  else counter.dataset.state = count < 0 ? "over" : "near"
}

function speak(box) {
  const region = box.form?.querySelector("[data-count-status]")
  if (region) region.textContent = spoken(left(box))
}

function refresh() {
  document.querySelectorAll("textarea[data-count]").forEach(show)
}

let pause

document.addEventListener("input", ({ target }) => {
  if (!target.matches("textarea[data-count]")) return
  show(target)
  clearTimeout(pause)
  pause = setTimeout(() => speak(target), PAUSE)
})

document.addEventListener("keydown", (event) => {
  const send = event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing
  if (!send || !event.target.matches("textarea[data-count]")) return
  event.preventDefault()
  event.target.form.requestSubmit()
})

// Browsers put text back on reload, and a swap brings new boxes.
document.addEventListener("htmx:after:swap", refresh)
window.addEventListener("pageshow", refresh)
