package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// printCompletion writes a script with which a shell completes commands, their flags and what they are about.
func printCompletion(ctx context.Context, env environment, args []string) error {
	words, err := parse(newFlags(env, "completion"), args, 1)
	if err != nil {
		return err
	}
	scripts := map[string]func(io.Writer, []completion){"bash": bashCompletion, "fish": fishCompletion, "zsh": zshCompletion}
	script, ok := scripts[words[0]]
	if !ok {
		return usageError{fmt.Sprintf("there are completions for %s, not for %q", strings.Join(slices.Sorted(maps.Keys(scripts)), ", "), words[0])}
	}
	described, err := describeCommands(ctx)
	if err != nil {
		return err
	}
	script(env.stdout, completions(described))
	return nil
}

// A completion is what can follow the words of a command, or of the beginning of one: "" is twite alone.
type completion struct {
	after string
	words []candidate // the next word of a command, or what it takes as argument
	flags []candidate
	files bool // any file is an argument too
}

type candidate struct{ word, help string }

// completions are sorted by their words.
func completions(described []describedCommand) []completion {
	byWords := map[string]*completion{}
	at := func(words string) *completion {
		if byWords[words] == nil {
			byWords[words] = &completion{after: words}
		}
		return byWords[words]
	}
	for _, c := range described {
		before, word, grouped := strings.Cut(c.name, " ")
		if !grouped {
			before, word = "", c.name
		} else if group := at(""); !slices.ContainsFunc(group.words, func(w candidate) bool { return w.word == before }) {
			group.words = append(group.words, candidate{before, "see twite " + before + " --help"})
		}
		at(before).words = append(at(before).words, candidate{word, c.help})
		this := at(c.name)
		for _, f := range c.flags {
			this.flags = append(this.flags, candidate{"--" + f.Name, f.Usage})
		}
		if c.name == "serve" { // is what twite alone does
			at("").flags = this.flags
		}
		for argument := range strings.FieldsSeq(c.usage) {
			this.files = this.files || argument == "FILE"
			if choices := strings.Split(argument, "|"); len(choices) > 1 {
				for _, choice := range choices {
					this.words = append(this.words, candidate{choice, ""})
				}
			}
		}
	}
	sorted := make([]completion, 0, len(byWords))
	for _, words := range slices.Sorted(maps.Keys(byWords)) {
		c := byWords[words]
		// A command that also begins others is among them already.
		seen := map[string]bool{}
		c.words = slices.DeleteFunc(c.words, func(w candidate) bool { again := seen[w.word]; seen[w.word] = true; return again })
		sorted = append(sorted, *c)
	}
	return sorted
}

func justWords(candidates []candidate) string {
	words := make([]string, len(candidates))
	for i, c := range candidates {
		words[i] = c.word
	}
	return strings.Join(words, " ")
}

// shellQuote quotes text for bash, zsh and fish alike.
func shellQuote(text string) string {
	return "'" + strings.NewReplacer("'", "’", `\`, "/").Replace(text) + "'"
}

// bashCompletion looks the words before the cursor up that are no flags, first two of them, then one, then none.
func bashCompletion(w io.Writer, all []completion) {
	fmt.Fprint(w, `# bash completion for twite: written by "twite completion bash"
_twite_after() {
	words= flags= files=
	case $1 in
`)
	for _, c := range all {
		fmt.Fprintf(w, "\t%s) words=%s flags=%s", shellQuote(c.after), shellQuote(justWords(c.words)), shellQuote(justWords(c.flags)))
		if c.files {
			fmt.Fprint(w, " files=yes")
		}
		fmt.Fprint(w, " ;;\n")
	}
	fmt.Fprint(w, `	*) return 1 ;;
	esac
}

_twite() {
	local current=${COMP_WORDS[COMP_CWORD]} typed=() words flags files i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -* ]] || typed+=("${COMP_WORDS[i]}")
	done
	_twite_after "${typed[*]:0:2}" || _twite_after "${typed[*]:0:1}" || _twite_after ""
	if [[ $current == -* ]]; then
		words=$flags
	elif [[ $files ]]; then
		compopt -o default
	fi
	COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _twite twite
`)
}

// zshCompletion is bash's in the words of zsh, which shows what each means.
func zshCompletion(w io.Writer, all []completion) {
	fmt.Fprint(w, `#compdef twite
# zsh completion for twite: written by "twite completion zsh"
_twite_after() {
	candidates=() flags=() files=
	case $1 in
`)
	describe := func(candidates []candidate) {
		for _, c := range candidates {
			fmt.Fprintf(w, "\t\t\t%s\n", shellQuote(c.word+":"+c.help))
		}
	}
	for _, c := range all {
		fmt.Fprintf(w, "\t%s)\n\t\tcandidates=(\n", shellQuote(c.after))
		describe(c.words)
		fmt.Fprint(w, "\t\t) flags=(\n")
		describe(c.flags)
		fmt.Fprint(w, "\t\t)")
		if c.files {
			fmt.Fprint(w, " files=yes")
		}
		fmt.Fprint(w, " ;;\n")
	}
	fmt.Fprint(w, `	*) return 1 ;;
	esac
}

_twite() {
	local -a typed candidates flags
	local files
	typed=(${${words[2,CURRENT-1]}:#-*})
	_twite_after "${typed[1,2]}" || _twite_after "${typed[1]}" || _twite_after ""
	if [[ ${words[CURRENT]} == -* ]]; then
		_describe flag flags
	else
		_describe word candidates
		[[ -n $files ]] && _files
	fi
}
if [[ ${funcstack[1]} == _twite ]]; then # loaded by zsh for the first completion
	_twite
else
	compdef _twite twite
fi
`)
}

// fishCompletion has fish ask, for each candidate, whether its words stand there.
func fishCompletion(w io.Writer, all []completion) {
	fmt.Fprint(w, `# fish completion for twite: written by "twite completion fish"
function __twite_after
	set -l typed (string match -v -- '-*' (commandline -opc)[2..-1])
	set -l known`)
	for _, c := range all[1:] { // all but twite alone
		fmt.Fprintf(w, " %s", shellQuote(c.after))
	}
	fmt.Fprint(w, `
	for count in 2 1
		set -l words (string join ' ' -- $typed[1..$count])
		if contains -- "$words" $known
			test "$words" = "$argv[1]"
			return
		end
	end
	test -z "$argv[1]"
end
complete -c twite -f
`)
	for _, c := range all {
		condition := "-n " + shellQuote(`__twite_after "`+c.after+`"`)
		for _, word := range c.words {
			fmt.Fprintf(w, "complete -c twite %s -a %s -d %s\n", condition, word.word, shellQuote(word.help))
		}
		for _, flag := range c.flags {
			fmt.Fprintf(w, "complete -c twite %s -l %s -r -d %s\n", condition, strings.TrimPrefix(flag.word, "--"), shellQuote(flag.help))
		}
		if c.files {
			fmt.Fprintf(w, "complete -c twite %s -F\n", condition)
		}
	}
}
