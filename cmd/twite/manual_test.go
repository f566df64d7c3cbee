package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tool returns the path of a program from Debian's packages, without which a test is skipped, but not where every test has to run.
func tool(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install Debian's package %s", name, debian)
	}
	if err != nil {
		t.Skipf("%s is missing: Debian has it in the package %s", name, debian)
	}
	return path
}

// printed is what a command writes.
func printed(t testing.TB, args ...string) string {
	t.Helper()
	done := cli(t, nil, "", args...)
	done.works(t)
	return done.stdout
}

func TestManualPageNamesEveryCommandFlagAndSetting(t *testing.T) {
	page := printed(t, "man", "--date", "2026-02-01")
	plain := strings.NewReplacer(`\-`, "-", `\&...`, "…").Replace(page)
	described, err := describeCommands(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range described {
		if !strings.Contains(plain, ".B "+strings.TrimSpace("twite "+c.name+" "+c.usage)+"\n") || !strings.Contains(plain, c.help) {
			t.Errorf("the command %s is missing", c.name)
		}
		for _, f := range c.flags {
			if !strings.Contains(plain, "--"+f.Name+"\n") {
				t.Errorf("the flag --%s of %s is missing", f.Name, c.name)
			}
		}
	}
	for _, s := range serveSettings() {
		if !strings.Contains(plain, ".B "+s.env+", --"+s.flag+"\n") {
			t.Errorf("the setting %s is missing", s.env)
		}
	}
	if again := printed(t, "man", "--date", "2026-02-01"); again != page {
		t.Error("it differs from one time to the next")
	}
}

func TestManualPageIsGoodRoff(t *testing.T) {
	groff := tool(t, "groff", "groff-base")
	page := printed(t, "man")
	render := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-Tutf8", "-P-cbou")
	render.Stdin = strings.NewReader(page)
	var text, complaints bytes.Buffer
	render.Stdout, render.Stderr = &text, &complaints
	if err := render.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, complaints.String())
	}
	for _, want := range []string{"twite - a microblog", "--password-stdin", "postgres://USER:PASSWORD@HOST/NAME", "EXIT STATUS"} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestFileOfSettingsHoldsTheDefaults(t *testing.T) {
	text := printed(t, "env")
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if commented, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok && !strings.HasPrefix(commented, " ") {
			name, value, _ := strings.Cut(commented, "=")
			values[name] = value
		} else if !ok && strings.TrimSpace(line) != "" {
			t.Errorf("the line %q sets something", line)
		}
	}
	for _, s := range serveSettings() {
		if value, ok := values[s.env]; !ok || value != s.fallback {
			t.Errorf("%s is %q, want %q", s.env, value, s.fallback)
		}
	}
	if len(values) != len(serveSettings()) {
		t.Errorf("%d settings, want %d", len(values), len(serveSettings()))
	}
	want := read(t, nil)
	if got := read(t, values); !reflect.DeepEqual(got.Serving, want.Serving) || got.Addr != want.Addr || got.Backups != want.Backups {
		t.Errorf("with all of its lines the configuration is %+v, want %+v", got, want)
	}
}

// completed are what a shell offers for each line at whose end TAB is hit; "+files" stands for the names of files.
var completed = map[string]string{
	"twite ba":                    "backup",
	"twite user re":               "reset-link reset-factors restore",
	"twite audit ":                "verify",
	"twite audit --":              "--database-url",
	"twite --registr":             "--registration",
	"twite user add --ro":         "--role",
	"twite user add --role x --p": "--password-stdin",
	"twite user role zoe mod":     "moderator",
	"twite restore --d":           "--database-url",
	"twite backup ":               "+files",
	"twite completion ":           "bash fish zsh",
	"twite user list ":            "",
}

func TestBashCompletes(t *testing.T) {
	bash := tool(t, "bash", "bash")
	testCompletion(t, "bash", bash, `
		compopt() { echo "+files"; }
		source "$1"
		read -ra COMP_WORDS <<<"$2"
		[[ $2 == *' ' ]] && COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		$(complete -p twite | sed 's/.*-F \(\S*\).*/\1/')
		printf '%s\n' "${COMPREPLY[@]}"`)
}

func TestZshCompletes(t *testing.T) {
	zsh := tool(t, "zsh", "zsh")
	testCompletion(t, "zsh", zsh, `
		compdef() { function=$1; }
		_describe() { local word; for word in ${(P)2}; do [[ $word == ${words[CURRENT]}* ]] && print -r -- ${word%%:*}; done; return 0 }
		_files() { print +files; }
		source "$1" && [[ $function == _twite ]] || print "it is not told of"
		unfunction _twite
		mkdir $3/first && cp "$1" $3/first/_twite && fpath=($3/first) && autoload -U _twite
		words=(${(s: :)2}); [[ $2 == *' ' ]] && words+=("")
		CURRENT=${#words}
		_twite; true`)
}

func TestFishCompletes(t *testing.T) {
	fish := tool(t, "fish", "fish")
	testCompletion(t, "fish", fish, `
		source $argv[1]
		mkdir $argv[3]/empty; cd $argv[3]/empty; touch +files
		complete -C $argv[2] | string split -f1 \t; true`)
}

// testCompletion runs a script in a shell: its arguments are the file with the completions, the line, and a folder.
func testCompletion(t *testing.T, shell, path, script string) {
	text := printed(t, "completion", shell)
	for line, want := range completed {
		folder := t.TempDir()
		file := filepath.Join(folder, "twite."+shell)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), path, "-c", script, "test", file, line, folder)
		if shell == "fish" {
			command.Args = []string{path, "--no-config", "-c", script, file, line, folder}
		}
		command.Env = append(os.Environ(), "HOME="+folder)
		got, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if sorted(string(got)) != sorted(want) {
			t.Errorf("%q and TAB: %q, want %q", line, strings.Fields(string(got)), want)
		}
	}
}

// sorted is a text of words in the order of the alphabet.
func sorted(text string) string { return strings.Join(slices.Sorted(strings.FieldsSeq(text)), " ") }

func TestCompletionOfAnUnknownShell(t *testing.T) {
	cli(t, nil, "", "completion", "csh").fails(t, 2, "bash, fish, zsh")
}
