package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// findChromium looks for the Chromium that is built without windows, and for the whole one where that is missing. A page is
// the same in both, but the whole one draws the window around it too, unseen, and takes more than twice as long.
func findChromium() (path string, err error) {
	if path, err = exec.LookPath("chromium-headless-shell"); err == nil {
		return path, nil
	}
	if path, err = exec.LookPath("chromium"); err == nil {
		return path, nil
	}
	return "", errNoChromium
}

// startBrowser starts Chromium without a window. It ends with ctx; wait returns when it has ended.
func startBrowser(ctx context.Context, dir string) (browser context.Context, wait func(), err error) {
	path, err := findChromium()
	if err != nil {
		return nil, func() {}, err
	}
	allocator, wait := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(dir+"/chromium"), chromedp.WindowSize(1000, 800),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))...)
	browser, _ = chromedp.NewContext(allocator) // ends with ctx
	return browser, wait, chromedp.Do(browser)
}

// A tab is a visit in Chromium, on a device of its own: it shares no cookies with other tabs. It notes everything in the
// console and every request to elsewhere, of which there must be none.
type tab struct {
	t        testing.TB
	server   *server
	ctx      context.Context
	scripts  bool   // JavaScript is switched on
	expected string // an error in the console that is part of the test

	mu       sync.Mutex
	offences []string
}

func newTab(t testing.TB, s *server) *tab {
	t.Helper()
	parent := browser(t)
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	d := &tab{t: t, server: s, ctx: ctx, scripts: true}
	t.Cleanup(cancel)
	t.Cleanup(d.check)
	if err := chromedp.Listen(ctx, d.note); err != nil {
		t.Fatal(err)
	}
	return d
}

// newScriptless is a tab where JavaScript is switched off.
func newScriptless(t testing.TB, s *server) *tab {
	t.Helper()
	d := newTab(t, s)
	d.scripts = false
	call(d, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return d
}

// note keeps what must not happen: a policy violation, an exception, an error in the console, a request to elsewhere.
// Answers such as 422 stand in the console as well, under "network".
func (d *tab) note(event any) {
	offence := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			offence = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		offence = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			offence = fmt.Sprintf("console: %s", e.Args[0].Value)
		}
	case *network.EventRequestWillBeSent:
		if address := e.Request.URL; !strings.HasPrefix(address, d.server.url+"/") && !strings.HasPrefix(address, "data:") {
			offence = "request to " + address
		}
	}
	if offence != "" {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.offences = append(d.offences, offence)
	}
}

// check looks at the end of a visit for what must not have happened.
func (d *tab) check() {
	d.t.Helper()
	if kept := eval[int](d, "localStorage.length + sessionStorage.length"); kept > 0 {
		d.t.Errorf("the page keeps %d things in the browser's storage", kept)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, offence := range d.offences {
		if d.expected == "" || !strings.Contains(offence, d.expected) {
			d.t.Errorf("in the browser: %s", offence)
		}
	}
}

func (d *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		d.t.Fatal(err)
	}
}

// try evaluates JavaScript, which fails while a page gives way to the next.
func try[T any](d *tab, js string) (T, error) {
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](js))
}

func eval[T any](d *tab, js string) T {
	d.t.Helper()
	value, err := try[T](d, js)
	if err != nil {
		d.t.Fatalf("%s: %v", js, err)
	}
	return value
}

// until waits for a JavaScript expression to become true.
func (d *tab) until(js string) {
	d.t.Helper()
	eventually(d.t, js, func() bool {
		is, err := try[bool](d, "!!("+js+")")
		return err == nil && is
	})
}

func (d *tab) open(path string) {
	d.t.Helper()
	d.do(chromedp.Navigate(d.server.address(path)))
	d.ready()
}

// ready waits until the page has loaded and htmx has taken over what is its own.
func (d *tab) ready() {
	d.t.Helper()
	d.until(`document.readyState === "complete"`)
	if d.scripts {
		d.until("!" + untaken)
	}
}

// untaken finds an element that htmx has yet to take over.
const untaken = `document.querySelector("[data-hx-post]:not([data-htmx-powered]), [data-hx-get]:not([data-htmx-powered])")`

func (d *tab) follow(id, text string) {
	d.t.Helper()
	d.click(fmt.Sprintf(`[...document.getElementById(%s).querySelectorAll("a")].find(a => a.textContent.trim() === %s)`, quote(id), quote(text)))
}

func (d *tab) submit(action string, f fields) {
	d.t.Helper()
	d.fill(action, f)
	d.click(button(action))
}

func (d *tab) submitTwice(action string, f fields) {
	d.t.Helper()
	d.fill(action, f)
	x, y := d.place(button(action))
	d.do(chromedp.MouseClickXY(x, y), chromedp.MouseClickXY(x, y, chromedp.ClickCount(2)))
}

func (d *tab) fill(action string, f fields) {
	d.t.Helper()
	d.ready()
	for name, value := range f {
		d.enter(fmt.Sprintf(`%s.elements[%s]`, form(action), quote(name)), value)
	}
}

// enter puts a value into a field, as typing over what stands there, ticking and choosing do.
func (d *tab) enter(field, value string) {
	d.t.Helper()
	switch eval[string](d, field+".type") {
	case "checkbox":
		d.click(field)
	case "select-one":
		eval[chromedp.Void](d, fmt.Sprintf(`(f => { f.value = %s; f.dispatchEvent(new Event("change", {bubbles: true})) })(%s)`, quote(value), field))
	default:
		eval[chromedp.Void](d, field+".focus(); "+field+".select()")
		if value == "" {
			d.do(chromedp.KeyEvent(kb.Delete))
		} else {
			d.insert(value)
		}
	}
}

// The last form of this action: the one in the page rather than that of its menu.
func form(action string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("form")].filter(f => f.getAttribute("action") === %s).at(-1)`, quote(action))
}

func button(action string) string {
	return form(action) + `.querySelector("button:not([type=button])")`
}

// click clicks in the middle of an element, given in JavaScript, when it is there to be clicked.
func (d *tab) click(element string) {
	d.t.Helper()
	d.ready()
	x, y := d.place(element)
	d.do(chromedp.MouseClickXY(x, y))
}

// place brings an element into view and tells where on the screen a click hits it.
func (d *tab) place(element string) (x, y float64) {
	d.t.Helper()
	js := fmt.Sprintf(`(() => {
		const element = %s
		element.scrollIntoView({block: "center", behavior: "instant"})
		const box = element.getClientRects()[0]
		const x = box.x + box.width / 2, y = box.y + box.height / 2
		return element.contains(document.elementFromPoint(x, y)) ? [x, y] : []
	})()`, element)
	eventually(d.t, "there to be clicked: "+element, func() bool {
		at, err := try[[]float64](d, js)
		if err != nil || len(at) != 2 {
			return false
		}
		x, y = at[0], at[1]
		return true
	})
	return x, y
}

func (d *tab) see(conditions ...condition) page {
	d.t.Helper()
	var seen page
	missing := ""
	defer func() {
		if d.t.Failed() {
			d.t.Logf("missing: %s\nat %s: %s", missing, seen.path, seen)
		}
	}()
	eventually(d.t, conditions[0].what, func() bool {
		now, err := d.look()
		if err != nil {
			return false
		}
		seen = now
		i := slices.IndexFunc(conditions, func(c condition) bool { return !c.holds(seen) })
		if i < 0 {
			return true
		}
		missing = conditions[i].what
		return false
	})
	return seen
}

// snapshot is the document as the visitor has it: with what stands in the fields right now, and the element with the focus.
const snapshot = `(() => {
	const controls = (root) => [...root.querySelectorAll("input:not([type=checkbox]), textarea, select")]
	const copy = document.documentElement.cloneNode(true)
	const copies = controls(copy)
	controls(document).forEach((control, i) => {
		if (control.tagName === "TEXTAREA") copies[i].textContent = control.value
		else if (control.tagName === "INPUT") copies[i].setAttribute("value", control.value)
		else [...copies[i].options].forEach((o, j) => o.toggleAttribute("selected", j === control.selectedIndex))
	})
	const focus = document.activeElement
	return {
		address: location.href,
		html: document.readyState === "complete" ? copy.outerHTML : "",
		focus: focus && focus !== document.body ? focus.outerHTML : "",
	}
})()`

// look returns what the tab shows right now: nothing while a page is on its way.
func (d *tab) look() (page, error) {
	d.t.Helper()
	type view struct {
		Address string `json:"address"`
		HTML    string `json:"html"`
		Focus   string `json:"focus"`
	}
	v, err := try[view](d, snapshot)
	if err != nil {
		return page{}, err
	}
	p := parsePage(d.t, v.Address, v.HTML)
	nodes, err := html.ParseFragment(strings.NewReader(v.Focus), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
	if err == nil && len(nodes) > 0 {
		p.focus = nodes[0]
	}
	return p, nil
}

// quote writes a string as JavaScript does.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always can be
	}
	return string(quoted)
}

// call sends a command of the DevTools protocol.
func call[P, R any](d *tab, command cdp.Command[P, R], params P) R {
	d.t.Helper()
	result, err := chromedp.Call(d.ctx, command, params)
	if err != nil {
		d.t.Fatal(err)
	}
	return result
}

// insert puts text where the cursor is, as an input method does.
func (d *tab) insert(text string) {
	d.t.Helper()
	call(d, input.InsertText, input.InsertTextParams{Text: text})
}

// press presses keys, one after the other.
func (d *tab) press(keys string, modifiers ...chromedp.Modifier) {
	d.t.Helper()
	d.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}
