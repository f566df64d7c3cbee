package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// writeProcess writes how the Go program and its process are doing, under the names that Prometheus' own library for Go
// uses, so that what others have drawn for those fits. What only Linux tells is left out elsewhere.
func writeProcess(e *exposition, started time.Time) {
	writeRuntime(e)
	e.family("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.")
	e.sample(float64(started.UnixMilli()) / 1000)
	tell := func(name, kind, help string, value float64, known bool) {
		e.family(name, kind, help)
		if known {
			e.sample(value)
		}
	}
	used, resident, known := processStat()
	tell("process_cpu_seconds_total", "counter", "Processor time used.", used, known)
	tell("process_resident_memory_bytes", "gauge", "Memory in use, as the system counts it.", resident, known)
	files, err := os.ReadDir("/proc/self/fd")
	tell("process_open_fds", "gauge", "Open files and connections.", float64(len(files)), err == nil)
	most, known := maxFiles()
	tell("process_max_fds", "gauge", "How many files and connections may be open.", most, known)
}

func writeRuntime(e *exposition) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	e.family("go_goroutines", "gauge", "Goroutines.")
	e.sample(float64(runtime.NumGoroutine()))
	e.family("go_memstats_heap_alloc_bytes", "gauge", "Memory of objects on the heap.")
	e.sample(float64(memory.HeapAlloc))
	e.family("go_memstats_heap_objects", "gauge", "Objects on the heap.")
	e.sample(float64(memory.HeapObjects))
	e.family("go_memstats_sys_bytes", "gauge", "Memory that Go has from the system.")
	e.sample(float64(memory.Sys))
	e.family("go_memstats_alloc_bytes_total", "counter", "Memory of all objects made so far.")
	e.sample(float64(memory.TotalAlloc))
	e.family("go_memstats_mallocs_total", "counter", "Objects made so far.")
	e.sample(float64(memory.Mallocs))

	gc := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&gc)
	e.family("go_gc_duration_seconds", "summary", "Pauses of garbage collections.")
	for i, pause := range gc.PauseQuantiles {
		e.sample(pause.Seconds(), "quantile", formatFloat(float64(i)/4))
	}
	e.part("_sum", gc.PauseTotal.Seconds(), nil)
	e.part("_count", float64(gc.NumGC), nil)
}

// processStat reads /proc/self/stat: see proc_pid_stat(5).
func processStat() (cpuSeconds, residentBytes float64, known bool) {
	const ticks = 100 // a second, on every Linux that Go runs on
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, false
	}
	rest := text[bytes.LastIndexByte(text, ')')+1:] // the name of the program may hold anything
	fields := strings.Fields(string(rest))          // from the third on: the state
	if len(fields) < 22 {
		return 0, 0, false
	}
	number := func(i int) float64 {
		n, _ := strconv.ParseFloat(fields[i-3], 64)
		return n
	}
	return (number(14) + number(15)) / ticks, number(24) * float64(os.Getpagesize()), true
}

// maxFiles reads the limit that is in force.
func maxFiles() (n float64, known bool) {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(text), "Max open files")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	n, err = strconv.ParseFloat(fields[0], 64)
	return n, err == nil
}
