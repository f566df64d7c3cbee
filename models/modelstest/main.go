package modelstest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// databaseVariable limits the tests to one database: "sqlite" or "postgres".
const databaseVariable = "TWITE_TEST_DATABASE"

// postgres is the cluster under the run in progress, nil while that run is on
// SQLite. A package-level variable, because testing.M offers no other way to
// hand something from TestMain to the tests. Only Main sets it, between runs.
var postgres *cluster

// Main runs the tests of a package on SQLite and then on PostgreSQL, and
// returns the exit status of the first run that failed:
//
//	func TestMain(m *testing.M) { os.Exit(modelstest.Main(m)) }
//
// Without PostgreSQL on the machine the second run is left out, which is a
// failure where CI=true or TWITE_TEST_DATABASE=postgres asked for it.
// Benchmarks, fuzzing and profiles get one run, on SQLite unless
// TWITE_TEST_DATABASE says otherwise: their results would overwrite each other.
// Coverage counts the first run.
func Main(m *testing.M) int {
	flag.Parse()
	if isSet("test.list") {
		return m.Run()
	}
	// "go test -json" replaces os.Stderr in every run and keeps the replaced file
	// open only until the next one: without this, descriptor 2 would be closed.
	stderr := os.Stderr
	defer func() { os.Stderr = stderr }()

	switch only := os.Getenv(databaseVariable); only {
	case "sqlite":
		return runOnSQLite(m)
	case "postgres":
		return runOnPostgres(m, true)
	case "":
		code := runOnSQLite(m)
		if wantsOneRun() || code != 0 && isSet("test.failfast") {
			return code
		}
		os.Stderr = stderr
		return max(code, runOnPostgres(m, os.Getenv("CI") == "true"))
	default:
		fmt.Printf("%s is %q: set it to sqlite or postgres, or unset it for both\n", databaseVariable, only)
		return 2
	}
}

func runOnSQLite(m *testing.M) int {
	fmt.Println("database: SQLite")
	return m.Run()
}

// runOnPostgres fails without PostgreSQL only where it is required.
func runOnPostgres(m *testing.M, required bool) int {
	bin, ok := findPostgres()
	if !ok {
		fmt.Println("database: PostgreSQL skipped, it is not installed; on Debian: apt-get install postgresql")
		if required {
			return 1
		}
		return 0
	}
	fmt.Println("database: PostgreSQL from " + bin)
	postgres = newCluster(bin)
	code := m.Run()
	if err := postgres.stop(); err != nil {
		fmt.Println("stop PostgreSQL:", err)
		code = max(code, 1)
	}
	postgres = nil
	return code
}

// wantsOneRun tells whether go test was asked for something that a second run
// would repeat without use, or whose output file it would truncate.
func wantsOneRun() bool {
	for _, name := range []string{
		"bench", "fuzz", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace",
	} {
		if isSet("test." + name) {
			return true
		}
	}
	return false
}

func isSet(name string) bool {
	f := flag.Lookup(name)
	return f.Value.String() != f.DefValue
}
