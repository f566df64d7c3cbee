//go:build unix

package main

import (
	"net/http"
	"testing"
)

// TestACommandBesideTheServerCountsAtTheNextRequest: it is another process, which the server hears nothing from.
func TestACommandBesideTheServerCountsAtTheNextRequest(t *testing.T) {
	s := newServer(t)
	s.member("walker")
	const private = "/settings/profile"
	walker := newVisitor(t)
	for range 3 {
		walker.signIn(s, "walker", passwordOf("walker"))
		walker.wants([]*server{s, s}, private, http.StatusOK)
		s.twite("", "user", "suspend", "walker")
		walker.wants([]*server{s, s}, private, http.StatusSeeOther)
		s.twite("", "user", "restore", "walker")
	}
}
