package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// exchange sends a request as it stands to a server, and returns the answer with its body read.
func exchange(t testing.TB, addr, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// TestC6_MailedLinksBeginWithTheBaseURL, whatever host a request claims to be for.
func TestC6_MailedLinksBeginWithTheBaseURL(t *testing.T) {
	mail := newMailServer(t)
	s := newServer(t, "--base-url", "https://app.example", "--smtp-url", mail.url(), "--mail-from", "twite@app.example", "--limit-mail", "100/1h")
	s.member("walker")
	const form = "email=walker@example.com"
	for i, claim := range []struct{ target, headers string }{
		{"/password/forgot", "Host: evil.example\r\n"},
		{"/password/forgot", "Host: evil.example:80\r\nOrigin: https://evil.example:80\r\n"},
		{"/password/forgot", "Host: app.example.evil.example\r\n"},
		{"/password/forgot", "Host: app.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 81\r\n"},
		{"/password/forgot", "Host: app.example\r\nForwarded: host=evil.example;proto=http\r\nX-Original-Host: evil.example\r\nX-Host: evil.example\r\n"},
		{"/password/forgot", "Host: app.example\r\nX-Original-URL: //evil.example/\r\nX-Rewrite-URL: //evil.example/\r\n"},
		{"http://evil.example/password/forgot", "Host: app.example\r\n"},
		{"/password/forgot?host=evil.example&next=//evil.example", "Host: app.example\r\nReferer: https://evil.example/\r\n"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			request := fmt.Sprintf("POST %s HTTP/1.1\r\n%sConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
				claim.target, claim.headers, len(form), form)
			answer, body := exchange(t, s.addr, request)
			if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/login" || strings.Contains(body, "evil") {
				t.Fatalf("answered %s, leading to %q: %s", answer.Status, to, body)
			}
			got := mail.wait(i + 1)
			if link := got.link(t); !strings.HasPrefix(link, "https://app.example/password/reset/") {
				t.Errorf("the link is %s", link)
			}
			if all := fmt.Sprint(got.from, got.to, got.header, got.text, got.html); strings.Contains(all, "evil") || len(got.to) != 1 {
				t.Errorf("the letter says %s", all)
			}
		})
	}
	for _, path := range []string{"/", "/login", "/settings", "/nothing", "/robots.txt", "/favicon.ico"} {
		answer, body := exchange(t, s.addr, "GET "+path+" HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n")
		if all := fmt.Sprint(answer.Header, body); strings.Contains(all, "evil") {
			t.Errorf("%s repeats the host: %s", path, all)
		}
	}
	if n := len(mail.taken()); n != 8 {
		t.Errorf("%d letters, want 8", n)
	}
}

// TestARequestIsOneRequest: what a proxy before Twite and Twite itself could read as a different number of requests is refused
// or is one. Each of these carries a second request, for /hidden, which nobody may have read.
func TestARequestIsOneRequest(t *testing.T) {
	s := newServer(t)
	const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"length and chunks":            "POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":                  fmt.Sprintf("POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n", len(hidden)) + hidden,
		"lengths in one line":          fmt.Sprintf("POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: 0, %d\r\n\r\n", len(hidden)) + hidden,
		"negative length":              "POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + hidden,
		"length with a sign":           "POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + hidden,
		"length in hexadecimal":        "POST /name HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n" + hidden,
		"space before the colon":       "POST /name HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n" + hidden,
		"folded line":                  "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\nX: y\r\n z\r\n\r\n" + hidden,
		"unknown coding":               "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"two codings":                  "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"coding with a vertical tab":   "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunk of no size":             "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n" + hidden,
		"chunk of an overflowing size": "POST /name HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + hidden,
		"two hosts":                    "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
		"no host":                      "GET / HTTP/1.1\r\n\r\n" + hidden,
		"NUL in a header":              "GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n" + hidden,
		"carriage return in a header":  "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			answer, _ := exchange(t, s.addr, request)
			if answer.StatusCode < 400 || !answer.Close {
				t.Errorf("answered %s, and the connection stays open: %t", answer.Status, !answer.Close)
			}
		})
	}
	s.stop()
	for _, line := range s.logged() {
		if strings.Contains(line, "/hidden") {
			t.Errorf("a hidden request was read: %s", line)
		}
	}
}
