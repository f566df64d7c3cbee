// Older posts load by themselves when their link comes into view, but only so many times: the footer must be reachable.

const LIMIT = 5

let loaded = 0
let tabbing = false // who goes from link to link must be able to get past the last one

document.addEventListener("keydown", ({ key }) => { tabbing = key === "Tab" || tabbing })
document.addEventListener("pointerdown", () => { tabbing = false })
document.addEventListener("wheel", () => { tabbing = false }, { passive: true })

document.addEventListener("htmx:config:request", (event) => {
  const { sourceElement, sourceEvent } = event.detail.ctx
  const automatic = sourceEvent.type === "intersect" // how htmx's "revealed" arrives
  if (!automatic || !sourceElement.matches("a[rel=next]")) return
  if (loaded === LIMIT || tabbing) event.preventDefault()
  else loaded++
})

// The link that had the focus goes away with the swap: the reader goes on at the first post that came in its place.
const focused = new WeakSet()

document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  if (ctx.sourceElement?.matches("a[rel=next]:focus")) focused.add(ctx.sourceElement)
})

document.addEventListener("htmx:after:settle", ({ detail: { task, newContent } }) => {
  if (!focused.has(task.sourceElement)) return
  const first = newContent.find((node) => node instanceof HTMLElement && node.matches("article"))
  if (!first) return
  first.tabIndex = -1
  first.focus()
})
