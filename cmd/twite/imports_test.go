package main

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// importLaw says what each package may import beside the standard library.
// A path of another module stands for everything below it, one of ours for
// itself alone. What lies below cmd may import anything.
var importLaw = map[string][]string{
	"twite": nil,
	"twite/models": {
		"github.com/uptrace/bun", "modernc.org/sqlite",
		"github.com/jackc/pgx/v5/pgconn", // the rest of pgx makes a seventh of the binary
		"golang.org/x/crypto", "golang.org/x/text", "github.com/pquerna/otp",
	},
	"twite/models/modelstest": {"github.com/jackc/pgx/v5", "github.com/pquerna/otp", "twite/models"},
	"twite/views":             {"github.com/a-h/templ", "github.com/boombuler/barcode", "twite/models"},
	"twite/handlers": {
		"github.com/go-chi/chi/v5", "github.com/alexedwards/scs/v2", "github.com/a-h/templ",
		"twite/models", "twite/views",
	},
}

func TestEveryPackageKeepsTheLawOfImports(t *testing.T) {
	packages := listPackages(t, "./...")
	for _, p := range packages {
		if !p.ours() || p.inCmd() {
			continue
		}
		allowed, ok := importLaw[p.ImportPath]
		if !ok {
			t.Errorf("%s has no place in the law of imports: move it, or write down in CONTRIBUTING.md why it is needed and add it here", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if !packages[path].Standard && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, path) }) {
				t.Errorf("%s imports %s: move that code to a package that may (%s may import %v)", p.ImportPath, path, p.ImportPath, allowed)
			}
		}
	}
}

func covers(allowed, path string) bool {
	return path == allowed || !strings.HasPrefix(allowed, "twite") && strings.HasPrefix(path, allowed+"/")
}

// guardedImports are packages that the binary may hold only because the listed
// packages import them.
var guardedImports = map[string][]string{
	"expvar":         {"github.com/go-chi/chi/v5/middleware"},
	"html/template":  {"github.com/a-h/templ", "github.com/wneessen/go-mail"},
	"net/http/pprof": {"github.com/go-chi/chi/v5/middleware", "twite/cmd/twite"}, // served at TWITE_METRICS_ADDR alone
	"os/exec":        {"github.com/wneessen/go-mail", "modernc.org/libc"},
	"plugin":         nil,
	"testing":        nil,
	"text/template":  {"html/template", "github.com/uptrace/bun/migrate", "github.com/wneessen/go-mail", "twite/models"},
}

func TestTheBinaryHoldsNoGuardedPackage(t *testing.T) {
	for _, p := range listPackages(t, "./cmd/twite") {
		for _, path := range p.Imports {
			if importers, guarded := guardedImports[path]; guarded && !slices.Contains(importers, p.ImportPath) {
				t.Errorf("%s imports %s: do without it, the binary must not hold it", p.ImportPath, path)
			}
		}
	}
}

// avoidedImports are packages of the standard library that ours do without.
var avoidedImports = []struct {
	path    string
	cmdMay  bool
	instead string
}{
	{"C", false, "use what compiles without C"},
	{"unsafe", false, "use what the compiler can check"},
	{"crypto/des", false, "use AES-GCM, which is not broken"},
	{"crypto/md5", false, "use SHA-256, which is not broken"},
	{"crypto/rc4", false, "use AES-GCM, which is not broken"},
	{"crypto/sha1", false, "use SHA-256, which is not broken"},
	{"math/rand", true, "use crypto/rand, which cannot be guessed"},
	{"math/rand/v2", true, "use crypto/rand, which cannot be guessed"},
}

func TestOurPackagesAvoidUnsafeImports(t *testing.T) {
	for _, p := range listPackages(t, "./...") {
		for _, avoided := range avoidedImports {
			if p.ImportPath == "twite/cmd/package" && avoided.path == "crypto/md5" {
				continue // a Debian package lists MD5 sums of its files, against accidents
			}
			if p.ours() && slices.Contains(p.Imports, avoided.path) && !(avoided.cmdMay && p.inCmd()) {
				t.Errorf("%s imports %s: %s", p.ImportPath, avoided.path, avoided.instead)
			}
		}
	}
}

// goRules are patterns that stand nowhere in our Go code, but in the one file
// that allowed names.
var goRules = []struct{ pattern, allowed, instead string }{
	{`\.(Post)?FormValue\(`, "", "call r.ParseForm and read r.PostForm: FormValue takes the query too, and both hide a malformed form"},
	{`\bhttp\.Redirect(Handler)?\(`, "handlers/respond.go", "redirect through handlers/respond.go, which knows only local paths and htmx"},
	{`(?i)["` + "`" + `]HX-`, "handlers/respond.go", "let handlers/respond.go read and write the headers of htmx"},
	{`\bregexp\.(Must)?Compile(POSIX)?\([^"` + "`" + `]`, "", "write the pattern as a constant: a text of somebody must not become one"},
	{`\bInsecureSkipVerify\b`, "", "name who may vouch for the server in RootCAs"},
	{`\btempl\.Raw\(`, "", "write a component: templ escapes what it prints"},
	{`(?i)Sprintf\(\s*["` + "`" + `][^"` + "`" + `]*\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b`, "", "pass the values as arguments of the query"},
}

func TestGoSourceKeepsTheRules(t *testing.T) {
	for _, file := range sourceFiles(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source := withoutComments(t, file)
		for _, rule := range goRules {
			if found := regexp.MustCompile(rule.pattern).FindString(source); found != "" && file != rule.allowed {
				t.Errorf("%s has %s: %s", file, found, rule.instead)
			}
		}
	}
}

// codeLine is a line of a script that is neither blank nor only a comment.
var codeLine = regexp.MustCompile(`(?m)^\s*([^/\s]|/[^/]).*$`)

func TestScriptsStaySmallAndBuildNoHTML(t *testing.T) {
	const maxLines = 200
	total := 0
	for _, file := range sourceFiles(t, ".js") {
		if !strings.HasPrefix(file, "assets/js/") {
			continue
		}
		source := readSource(t, file)
		total += len(codeLine.FindAllString(source, -1))
		if found := regexp.MustCompile(`\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b`).FindString(source); found != "" {
			t.Errorf("%s has %s: let the server send the HTML, or set textContent", file, found)
		}
	}
	if total >= maxLines {
		t.Errorf("assets/js has %d lines of code (neither blank nor only a comment), fewer than %d are allowed: let the server or the browser do it", total, maxLines)
	}
}

func TestFilesStayShort(t *testing.T) {
	const maxLines = 500
	for _, file := range sourceFiles(t, ".go", ".templ", ".css", ".js", ".mjs") {
		if strings.HasSuffix(file, "_templ.go") {
			continue
		}
		if lines := strings.Count(readSource(t, file), "\n"); lines > maxLines {
			t.Errorf("%s has %d lines, %d are allowed: split it by concern", file, lines, maxLines)
		}
	}
}

// repository is the root of the source tree, seen from the folder of the tests.
const repository = "../.."

type goPackage struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func (p goPackage) ours() bool {
	return p.ImportPath == "twite" || strings.HasPrefix(p.ImportPath, "twite/")
}

func (p goPackage) inCmd() bool { return strings.HasPrefix(p.ImportPath, "twite/cmd/") }

// listPackages returns the packages that match the pattern and all that they
// import without their tests, by import path.
func listPackages(t *testing.T, pattern string) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", pattern)
	cmd.Dir = repository
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	packages := make(map[string]goPackage)
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := list.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("read the output of go list: %v", err)
		}
		packages[p.ImportPath] = p
	}
}

// sourceFiles returns the files with one of the endings, as slash-separated
// paths below the repository, leaving out what tools fetched or built.
func sourceFiles(t *testing.T, endings ...string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "node_modules", "dist", "bin", "tmp"}, entry.Name()) {
			return fs.SkipDir
		}
		if entry.Type().IsRegular() && slices.Contains(endings, filepath.Ext(path)) {
			relative, err := filepath.Rel(repository, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no file ends in %v below %s: has the tree moved?", endings, repository)
	}
	return files
}

func readSource(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withoutComments returns the code of a Go file, so that a comment may name
// what the code must not do.
func withoutComments(t *testing.T, file string) string {
	t.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, filepath.Join(repository, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	if err := printer.Fprint(&code, fset, tree); err != nil {
		t.Fatal(err)
	}
	return code.String()
}
