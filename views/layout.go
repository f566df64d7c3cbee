package views

const siteName = "Twite"

// fullTitle is the title as browsers show it.
func fullTitle(p Page) string {
	title := siteName
	if p.Title != "" {
		title = p.Title + " · " + siteName
	}
	if p.Errors {
		title = "Error: " + title
	}
	return title
}

// htmxConfig keeps answers that failed on the server out of the page: the script says so instead.
const htmxConfig = `{"noSwap":[204,304,"5xx"]}`

// The colours of the page, --paper in assets/css/tokens.css, for the browser's own bars.
const (
	paperLight = "#fcfaf6"
	paperDark  = "#18130e"
)
