// htmx 4.0.1 cancels a click with Ctrl, Cmd or Shift on a link it loads, and then leaves it alone: nothing would open.
// Kept from htmx, the click opens the new tab or window as everywhere else.
function leaveToBrowser(event) {
  const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey
  if (modified && event.target.closest("a[href]")) event.stopPropagation()
}
document.addEventListener("click", leaveToBrowser, { capture: true })
