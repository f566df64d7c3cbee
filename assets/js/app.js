// The one script of the site. Every page works without it.
// htmx is part of it because two deferred scripts race: extensions and listeners of a second one can miss htmx's start.
import "htmx.org"
import "./composer.js"
import "./links.js"
import "./passkey.js"
import "./password.js"
import "./status.js"
import "./timeline.js"
