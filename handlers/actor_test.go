package handlers_test

import (
	"fmt"
	"testing"
)

func TestFavoriteActor(t *testing.T) {
	prepare := func(srv *server) { srv.user("alice") }
	runSteps(t, prepare, []step{
		{name: "question", path: "/name", status: 200, selector: "form#favorite input[name=name]"},
		{name: "whole name", path: "/name", form: form("name", "Al Pacino"), status: 303, location: "/actor/26073614"},
		{name: "another case and space", path: "/name", form: form("name", "  bARBRA sTREISAND\t"), status: 303, location: "/actor/57946467"},
		{name: "beyond ASCII", path: "/name", form: form("name", "PENE\u0301LOPE CRUZ"), status: 303, location: "/actor/12185794"},
		{name: "part of a name", path: "/name", form: form("name", "Pacino"), status: 422, selector: "#name-error", text: "That actor is not in our database."},
		{name: "text kept", path: "/name", form: form("name", "Nobody Special"), status: 422, selector: "input[name=name][value]"},
		{name: "nothing", path: "/name", form: form(), status: 422, selector: "#name-error", text: "Enter the name of an actor."},
		{name: "pattern", path: "/name", form: form("name", "%"), status: 422, selector: "#name-error", text: "not in our database"},
		{name: "NUL", path: "/name", form: form("name", "Al\x00Pacino"), status: 422, selector: "#name-error", text: "not in our database"},
		{name: "nobody chose yet", path: "/actor/26073614", status: 200, selector: ".nothing", text: "Nobody here has chosen Al Pacino yet."},
		{name: "a member's choice", as: "alice", path: "/name", form: form("name", "al pacino"), status: 303, location: "/actor/26073614"},
		{name: "chosen by", path: "/actor/26073614", status: 200, selector: ".people a[href=/@alice]", text: "alice"},
		{name: "on the profile", path: "/@alice", page: true, status: 200, selector: "a[href=/actor/26073614]", text: "Al Pacino"},
		{name: "a member's unknown name", as: "alice", path: "/name", form: form("name", "nobody"), status: 422, selector: "#name-error"},
		{name: "choice kept", path: "/@alice", page: true, status: 200, selector: "a[href=/actor/26073614]", text: "Al Pacino"},
		{name: "unknown id", path: "/actor/1", status: 404},
		{name: "malformed id", path: "/actor/x", status: 404},
	}, nil)
}

func TestActorOfTheLesson(t *testing.T) {
	srv := newServer(t)
	for id, name := range map[int]string{26073614: "Al Pacino", 77394988: "Anthony Hopkins", 44646271: "Audrey Hepburn",
		85626345: "Barbara Stanwyck", 57946467: "Barbra Streisand"} {
		srv.visitor().get(fmt.Sprint("/actor/", id)).wants(t, 200).shows(t, "h1", name)
	}
	if n := srv.count("SELECT count(*) FROM actors"); n != 100 {
		t.Errorf("%d actors, want 100", n)
	}
	srv.visitor().get("/actor/1").wants(t, 404).shows(t, "main a[href=/]", "Go to the timeline")
}

func TestSuggestions(t *testing.T) {
	srv := newServer(t)
	tests := []struct {
		typed string
		want  string // one of them; "" means none
		most  int
	}{
		{"al%20p", "Al Pacino", 1},
		{"PACI", "Al Pacino", 1},
		{"a", "Al Pacino", 8},
		{"", "", 0},
		{"+", "", 0},
		{"%25", "", 0},
		{"_", "", 0},
		{"%5C", "", 0},
		{"%00", "", 0},
		{"%ff", "", 0},
		{"zzz", "", 0},
	}
	for _, tt := range tests {
		answer := srv.visitor().get("/name/suggestions?name="+tt.typed, htmx()).wants(t, 200)
		options := answer.all("option")
		if len(options) > tt.most || answer.isPage() {
			t.Errorf("%q: %d suggestions, want at most %d", tt.typed, len(options), tt.most)
		}
		found := tt.want == ""
		for _, o := range options {
			found = found || o.attr("value") == tt.want
		}
		if !found {
			t.Errorf("%q does not suggest %s:\n%s", tt.typed, tt.want, answer.body)
		}
	}
}
