//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const loadConnections = 48 // to each server

// A loadStep is what came of one rate of requests.
type loadStep struct {
	Rate              float64       // requests a second that were due
	Answered          float64       // requests a second that were answered
	Median, P99, P999 time.Duration // between the moment when a request was due and the end of its answer
	Reading           time.Duration // 99 % of what only reads is answered within this time
	CPU               time.Duration // of all servers, for one request
	Errors            int
	Backlog           time.Duration // what was left to answer when no more came
	Peak              float64       // MiB that the largest server ever had resident
}

// A loadRequest is due at a moment, whether or not a connection is free by then.
type loadRequest struct {
	due  time.Time
	kind int
	text []byte
}

// run sends requests at a rate, which does not wait for answers: they come as they would from people who know nothing of
// each other, at random moments. A request counts from the moment when it was due. So a server that stalls is seen with
// all who would have come meanwhile, not only with those who were already there.
func (m *loadMix) run(servers []*subject, rate float64, length time.Duration) loadStep {
	queue := make(chan loadRequest, min(100_000, int(2*rate*length.Seconds())+1000))
	results := make([]loadResult, len(servers)*loadConnections)
	var all sync.WaitGroup
	begin, cpu := time.Now(), cpuOf(servers)
	for i := range results {
		all.Go(func() { results[i].work(m.kinds, servers[i%len(servers)], queue) })
	}
	arrivals := rand.New(rand.NewPCG(4, uint64(rate)))
	for at := time.Duration(0); at < length; at += time.Duration(arrivals.ExpFloat64() / rate * float64(time.Second)) {
		kind, text := m.next()
		due := begin.Add(at)
		time.Sleep(time.Until(due))
		queue <- loadRequest{due, kind, text}
	}
	close(queue)
	lastCame := time.Now()
	all.Wait()
	step := m.summarize(rate, time.Since(begin), cpuOf(servers)-cpu, servers, results)
	step.Backlog = time.Since(lastCame)
	return step
}

func cpuOf(servers []*subject) (used time.Duration) {
	for _, s := range servers {
		used += s.cpu()
	}
	return used
}

// A loadAnswer is how long a good answer took.
type loadAnswer struct {
	kind int
	took time.Duration
}

// A loadResult is what one connection met.
type loadResult struct {
	took   []loadAnswer
	errors []string
}

// work answers for one connection, which is opened again when it breaks.
func (r *loadResult) work(kinds []loadKind, s *subject, queue <-chan loadRequest) {
	var c *wire
	for request := range queue {
		err := error(nil)
		if c == nil {
			c, err = dial(s.addr)
		}
		status := 0
		if err == nil {
			c.conn.SetDeadline(time.Now().Add(patience))
			status, _, err = c.exchange(request.text)
		}
		if err != nil {
			c = nil
		}
		if want := kinds[request.kind].status; err != nil || status != want {
			r.errors = append(r.errors, fmt.Sprintf("%s: status %d (%v)", kinds[request.kind].name, status, err))
			continue
		}
		r.took = append(r.took, loadAnswer{request.kind, time.Since(request.due)})
	}
	if c != nil {
		c.conn.Close()
	}
}

func (m *loadMix) summarize(rate float64, length, cpu time.Duration, servers []*subject, results []loadResult) loadStep {
	step := loadStep{Rate: rate}
	var all, reading []time.Duration
	for _, r := range results {
		for _, a := range r.took {
			all = append(all, a.took)
			if m.kinds[a.kind].reads {
				reading = append(reading, a.took)
			}
		}
		if len(r.errors) > 0 {
			servers[0].b.Log(r.errors[0])
		}
		step.Errors += len(r.errors)
	}
	step.Median, step.P99, step.P999 = within(all, 0.5), within(all, 0.99), within(all, 0.999)
	step.Reading = within(reading, 0.99)
	step.Answered = float64(len(all)) / length.Seconds()
	step.CPU = cpu / time.Duration(max(1, len(all)))
	for _, s := range servers {
		step.Peak = max(step.Peak, s.memory("VmHWM")/mib)
	}
	return step
}

// within is the time in which that share was answered.
func within(took []time.Duration, share float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))]
}

// saturated says that the servers cannot keep up.
func (s loadStep) saturated() bool { return s.Backlog > time.Second || s.P99 > 2*time.Second }
