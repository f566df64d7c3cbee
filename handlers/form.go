package handlers

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"twite/views"
)

const (
	formMaxBytes  = 64 << 10
	formMaxFields = 50
)

// readForm reads the body of a POST, and only that: the query never counts as a form. What no handler could make
// sense of, such as a field sent twice or a hidden field with a NUL byte, ends here. The route's own texts may hold
// anything, because the models look at them, and the handler shows what is wrong beside the field.
func readForm(w http.ResponseWriter, r *http.Request, f form) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if (err != nil || kind != "application/x-www-form-urlencoded") && r.ContentLength != 0 {
		return errMediaType
	}
	r.Body = http.MaxBytesReader(w, r.Body, formMaxBytes)
	if err := r.ParseForm(); err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return errTooLarge
		}
		return errBadForm.because(err)
	}
	if len(r.PostForm) > formMaxFields {
		return errTooLarge
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return errFormValue.because(fmt.Errorf("field sent %d times", len(values)))
		}
		if !storable(name) || !slices.Contains(f.texts, name) && !storable(values[0]) {
			return errFormValue.because(errors.New("NUL or broken UTF-8"))
		}
	}
	return nil
}

func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// typed returns the named fields of a form as they were typed, for showing it again. Passwords are left out, and what
// cannot be shown is.
func typed(r *http.Request, names ...string) map[string]string {
	values := make(map[string]string, len(names))
	for _, name := range names {
		if !strings.Contains(name, "password") {
			values[name] = showable(r.PostForm.Get(name))
		}
	}
	return values
}

// showable is a text as it can stand in a page.
func showable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// formWithNext is an empty form that carries along where to go after it.
func formWithNext(next LocalPath) views.Form {
	return views.Form{Hidden: []views.NameValue{{Name: "next", Value: next.String()}}}
}

// refill puts what was kept through a sign-in over what a form would hold otherwise.
func refill(f views.Form, kept map[string]string) views.Form {
	for name := range f.Values {
		if text, ok := kept[name]; ok {
			f.Values[name] = text
		}
	}
	return f
}
