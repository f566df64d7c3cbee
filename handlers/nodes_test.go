package handlers_test

import (
	"sync"
	"testing"
)

// threeNodes are servers on one PostgreSQL.
func threeNodes(t *testing.T) []*server {
	t.Helper()
	first := newServer(t)
	if !first.db.Postgres() {
		t.Skip("one process alone serves a SQLite database")
	}
	return []*server{first, newNode(t, first.url), newNode(t, first.url)}
}

// wantOneOf has all of them try at once, and fails the test unless one gets in and the others are refused.
func wantOneOf(t *testing.T, n int, try func(i int) *response) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	start, counts := make(chan struct{}), make(map[int]int)
	for i := range n {
		all.Go(func() {
			<-start
			status := try(i).status
			mu.Lock()
			defer mu.Unlock()
			counts[status]++
		})
	}
	close(start)
	all.Wait()
	if counts[303] != 1 || counts[422] != n-1 {
		t.Errorf("answers by status %v, want one 303 and %d of 422", counts, n-1)
	}
}

// TestF12_AChallengeIsGoodOnceOnAllNodes, whichever handed it out.
func TestF12_AChallengeIsGoodOnceOnAllNodes(t *testing.T) {
	nodes := threeNodes(t)
	a := nodes[0].login("alice").addPasskey("Phone")
	for _, node := range nodes {
		signed := node.visitor().shown(a)
		wantOneOf(t, 15, func(i int) *response { return nodes[i%3].visitor().post("/login/passkey", signed) })
	}
}

// TestF10_ACodeIsGoodOnceOnAllNodes, be it of an app or for recovery.
func TestF10_ACodeIsGoodOnceOnAllNodes(t *testing.T) {
	nodes := threeNodes(t)
	a := nodes[0].withApp("alice")
	for name, code := range map[string]string{"app": a.code(0), "recovery": a.codes[0]} {
		t.Run(name, func(t *testing.T) {
			var clients []*client
			for i := range 15 {
				clients = append(clients, nodes[i%3].halfway("alice"))
			}
			wantOneOf(t, len(clients), func(i int) *response { return clients[i].enter(code) })
		})
	}
}
