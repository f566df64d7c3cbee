// Says in words what went wrong with a request that leaves the page as it was.

const region = () => document.getElementById("status")

// Shows a message in the page's live region, where screen readers hear it. A passing one fades by itself.
export function announce(message, passing = false) {
  const line = document.createElement("p")
  line.className = passing ? "toast passing" : "toast"
  line.dataset.ours = "" // a message from the server is not ours to take away
  line.textContent = message
  region()?.replaceChildren(line)
}

const clear = () => region()?.querySelector("[data-ours]")?.remove()

function fail(what, ctx) {
  announce(ctx?.request.form ? `${what} What you wrote is still here; try again.` : `${what} Try again.`)
}

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx?.request.signal.reason === "timeout") fail("Twite takes too long to answer.", ctx)
  else if (ctx?.text === undefined) fail("Twite cannot be reached.", ctx)
  else fail("The answer could not be shown.", ctx)
})

// Before the swap, so that a message which the answer itself carries for the live region wins.
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const status = ctx.response?.status ?? 200
  if (status < 400 || ctx.swap !== "none") clear()
  else if (status < 500) fail("Twite did not accept this.", ctx)
  else fail("Something went wrong on the server.", ctx)
})
