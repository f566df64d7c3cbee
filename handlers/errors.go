package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"twite/models"
	"twite/views"
)

// A problem is an error with its answer: what the reader is told, and (in cause) what only the log is told.
type problem struct {
	status  int
	heading string
	advice  string
	cause   error
	retry   time.Duration // after which it is worth another try; 0: not said
	resend  bool          // the form is offered to be sent again: the reader can put right what was wrong meanwhile
	forget  bool          // the browser forgets the session, although it has not ended
}

func (p problem) Error() string {
	if p.cause == nil {
		return p.heading
	}
	return p.heading + ": " + p.cause.Error()
}

func (p problem) Unwrap() error { return p.cause }

// because returns the problem with its cause, for the log.
func (p problem) because(cause error) problem {
	p.cause = cause
	return p
}

// after returns the problem with the time after which it is worth another try.
func (p problem) after(wait time.Duration) problem {
	p.retry = wait
	return p
}

var (
	errNoPage = problem{status: http.StatusNotFound, heading: "There is nothing here",
		advice: "The address may be mistyped, or what stood here is gone."}
	errMethod = problem{status: http.StatusMethodNotAllowed, heading: "That cannot be done here",
		advice: "Go back and use the buttons and links of the page."}
	errForeignOrigin = problem{status: http.StatusForbidden, heading: "This came from another site",
		advice: "For your safety it was not done. Open the page here and try again."}
	errRole = problem{status: http.StatusForbidden, heading: "This is for the people who run this site",
		advice: "Ask one of them if you need something here."}
	errRank = problem{status: http.StatusForbidden, heading: "Your role is not enough for that",
		advice: "Ask somebody whose role is higher than that member's."}
	errFactor = problem{status: http.StatusForbidden, heading: "Your role here needs a second factor first",
		advice: "Set one up in another tab under Settings, Security, then try again here.", resend: true}
	errNoKeys = problem{status: http.StatusServiceUnavailable, heading: "Codes from an app cannot be checked right now",
		advice: "Sign in with a recovery code, or tell the owner of this site: the log says what to do."}
	errMediaType = problem{status: http.StatusUnsupportedMediaType, heading: "That form was sent in a way that Twite does not read",
		advice: "Send it as application/x-www-form-urlencoded."}
	errTooLarge = problem{status: http.StatusRequestEntityTooLarge, heading: "That is too much at once",
		advice: "Shorten what you wrote, then send it again."}
	errBadForm = problem{status: http.StatusBadRequest, heading: "That form could not be read",
		advice: "Go back, reload the page and try again."}
	errFormValue = problem{status: http.StatusUnprocessableEntity, heading: "That form holds something that cannot be kept",
		advice: "Go back, reload the page and try again."}
	errTooOften = problem{status: http.StatusTooManyRequests, heading: "That was asked for too often",
		advice: "Try again in a minute."}
	errBusy = problem{status: http.StatusServiceUnavailable, heading: "Many people are signing in right now",
		advice: "Try again in a few seconds.", retry: 5 * time.Second}
	errOverload = problem{status: http.StatusServiceUnavailable, heading: "Twite has more to do than it can right now",
		advice: "Try again in a few seconds.", retry: 5 * time.Second}
	errSlow = problem{status: http.StatusServiceUnavailable, heading: "Twite takes too long to answer",
		advice: "Try again in a moment.", retry: 5 * time.Second}
	errDatabase = problem{status: http.StatusServiceUnavailable, heading: "Twite cannot reach its database",
		advice: "Nothing that was saved is lost. Try again in a moment.", retry: 5 * time.Second}
	errNotEnded = problem{status: http.StatusServiceUnavailable, heading: "This browser is signed out, but the session has not ended",
		advice: "Twite cannot save anything right now, and who has a copy of your session could go on with it. Sign in later and end it under Settings, Sessions.", forget: true}
	errBroken = problem{status: http.StatusInternalServerError, heading: "Something went wrong on our side",
		advice: "It has been written to the log. Try again; if it stays, tell the owner of this site the number of this error."}
)

// problemOf finds the answer to an error.
func problemOf(err error) problem {
	var p problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, models.ErrNotFound):
		return errNoPage
	case errors.Is(err, models.ErrRank):
		return errRank
	case errors.Is(err, models.ErrBusy):
		return errBusy.because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return errSlow.because(err)
	case models.Unavailable(err):
		return errDatabase.because(err)
	}
	return errBroken.because(err)
}

// statusLeft is what proxies write in their logs for a client that has left. One that only sends no more, and still reads,
// must not take an empty answer for success.
const statusLeft = 499

// fail answers an error, on top of nothing: no part of a page has been sent.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		s.log.InfoContext(r.Context(), "the reader left before the answer", "id", requestID(r))
		keepOut(w.Header())
		w.WriteHeader(statusLeft)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // when time is up, there is time enough to say so
	p := problemOf(err)
	s.logProblem(r, p)
	if p.retry > 0 {
		w.Header().Set("Retry-After", retryAfter(p.retry))
	}
	if p.forget {
		s.setCookie(w, s.sessions.Cookie.Name, "", -1)
	}
	buffered := s.newBuffer(w)
	defer s.release(buffered)
	if err := s.showProblem(buffered, r, p); err != nil {
		s.log.ErrorContext(r.Context(), "error page", "id", requestID(r), "error", err)
		http.Error(w, p.heading+". "+p.advice, p.status)
		return
	}
	buffered.header.Add("Vary", "Cookie")
	keepOut(buffered.header)
	if p.status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // else net/http waits for the rest of what is too large
	}
	s.send(buffered, r)
}

func (s *Server) showProblem(w http.ResponseWriter, r *http.Request, p problem) error {
	page := s.page(w, r, p.heading)
	page.NoIndex = true
	if p.forget {
		page.Viewer = nil
	}
	view := views.Problem{Status: p.status, Heading: p.heading, Advice: p.advice, BackURL: "/", BackText: "Go to the timeline"}
	if p.status >= http.StatusInternalServerError {
		view.RequestID = requestID(r)
	}
	if p.resend || p.status >= http.StatusInternalServerError && !p.forget {
		view.RetryURL, view.Retry = unsaved(w, r)
	}
	keepInPlace(w, r)
	return s.render(w, r, p.status, views.ErrorPage(page, view), views.ErrorNotice(page, view))
}

// unsaved returns a form that could not be carried out, to be sent again as it was, so that no word in it is lost.
// Passwords are not repeated. Where already the session could not be looked up, nobody has read the form yet.
func unsaved(w http.ResponseWriter, r *http.Request) (string, []views.NameValue) {
	if r.Method != http.MethodPost || r.PostForm == nil && readForm(w, r, form{}) != nil {
		return "", nil
	}
	var fields []views.NameValue
	for _, name := range sortedKeys(r.PostForm) {
		if value, ok := typed(r, name)[name]; ok {
			fields = append(fields, views.NameValue{Name: name, Value: value})
		} else {
			return "", nil
		}
	}
	return r.URL.Path, fields
}

func (s *Server) logProblem(r *http.Request, p problem) {
	level := slog.LevelInfo
	if p.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := append(whoAsks(r), slog.Int("status", p.status), slog.String("problem", p.heading))
	if p.cause != nil {
		attrs = append(attrs, slog.String("cause", p.cause.Error()))
	}
	s.log.LogAttrs(r.Context(), level, "refused", attrs...)
}

// retryAfter is a time to wait as the header takes it: whole seconds, at least one.
func retryAfter(wait time.Duration) string {
	return strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second)))
}

// tooMany is the sentence for somebody who must wait.
func tooMany(wait time.Duration) string {
	if wait <= 90*time.Second {
		return fmt.Sprintf("Too many tries. Try again in %s seconds.", retryAfter(wait))
	}
	return fmt.Sprintf("Too many tries. Try again in %d minutes.", int((wait+time.Minute-1)/time.Minute))
}
