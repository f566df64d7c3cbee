package main

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecurityDocument holds SECURITY.md against the source: every test, file, constant and default that it names is there,
// with that value. A name that ends in … stands for all that begin so.
func TestSecurityDocument(t *testing.T) {
	text := readSource(t, "SECURITY.md")
	source := readDeclarations(t)
	defaults := make(map[string]string)
	for _, s := range serveSettings() {
		defaults[s.env] = s.fallback
	}
	named := map[string]int{}
	for _, words := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		word := words[1]
		if test := regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w*(…?)$`).FindStringSubmatch(word); test != nil {
			named["tests"]++
			if !source.hasTest(strings.TrimSuffix(word, "…"), test[1] != "") {
				t.Errorf("there is no test %s", word)
			}
		} else if name, value, found := strings.Cut(word, " = "); found && strings.HasPrefix(name, "TWITE_") {
			named["settings"]++
			if fallback, known := defaults[name]; !known || fallback != value {
				t.Errorf("%s is %q by default, not %q", name, fallback, value)
			}
		} else if found {
			named["constants"]++
			if values := source.values[name]; !slices.Contains(values, value) {
				t.Errorf("%s is %q, not %q", name, values, value)
			}
		} else if regexp.MustCompile(`^[\w/.]+\.(go|templ|sql)$`).MatchString(word) {
			named["files"]++
			if _, err := os.Stat(filepath.Join(repository, word)); err != nil {
				t.Errorf("there is no file %s", word)
			}
		}
	}
	for kind, least := range map[string]int{"tests": 100, "settings": 10, "constants": 20, "files": 5} {
		if named[kind] < least {
			t.Errorf("%d %s are named, want at least %d: has the way they are written changed?", named[kind], kind, least)
		}
	}
}

// TestEachRequirementIsAnsweredOnce: the tables name every requirement of a chapter once, and say how it is met or why not.
func TestEachRequirementIsAnsweredOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+[^|]*) \|([^|]*)\|([^|]*)\|$`).FindAllStringSubmatch(readSource(t, "SECURITY.md"), -1) {
		if strings.TrimSpace(row[3]) == "" {
			t.Errorf("%s: it is not said what holds it", row[1])
		}
		for _, id := range regexp.MustCompile(`\d+\.\d+\.\d+`).FindAllString(row[1], -1) {
			if seen[id] {
				t.Errorf("%s is answered twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d requirements are answered, want at least 150", len(seen))
	}
}

// declarations are the names of all tests in the source, and what its constants and variables are set to, as it is written.
type declarations struct {
	tests  []string
	values map[string][]string // a name may be used in several packages
}

func (d declarations) hasTest(name string, asPrefix bool) bool {
	return slices.ContainsFunc(d.tests, func(test string) bool { return test == name || asPrefix && strings.HasPrefix(test, name) })
}

func readDeclarations(t *testing.T) declarations {
	t.Helper()
	d := declarations{values: make(map[string][]string)}
	for _, file := range sourceFiles(t, ".go") {
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		isTest := strings.HasSuffix(file, "_test.go")
		for _, declared := range tree.Decls {
			switch declared := declared.(type) {
			case *ast.FuncDecl:
				if isTest && declared.Recv == nil {
					d.tests = append(d.tests, declared.Name.Name)
				}
			case *ast.GenDecl:
				if !isTest {
					d.addValues(t, declared)
				}
			}
		}
	}
	return d
}

func (d declarations) addValues(t *testing.T, declared *ast.GenDecl) {
	t.Helper()
	for _, spec := range declared.Specs {
		spec, ok := spec.(*ast.ValueSpec)
		if !ok || len(spec.Names) != len(spec.Values) {
			continue
		}
		for i, name := range spec.Names {
			var written strings.Builder
			if err := printer.Fprint(&written, token.NewFileSet(), spec.Values[i]); err != nil {
				t.Fatal(err)
			}
			d.values[name.Name] = append(d.values[name.Name], written.String())
		}
	}
}
