package getopt

import (
	"fmt"
	"strings"
)

// Completion returns a script that has the shell (bash, zsh or fish) complete
// the program's commands and their options, and files in other places. It
// reports false for other shells.
func (p *Program) Completion(shell string) (script string, ok bool) {
	switch shell {
	case "bash":
		return p.bash(), true
	case "zsh":
		return p.zsh(), true
	case "fish":
		return p.fish(), true
	}
	return "", false
}

func (p *Program) words() string {
	var words []string
	for _, c := range p.Commands {
		words = append(words, c.Word())
	}
	return strings.Join(words, " ")
}

// flags returns all names of the option with their hyphens.
func (o *Option) flags() (all []string) {
	for _, letter := range o.Short {
		all = append(all, "-"+string(letter))
	}
	for _, name := range o.Long {
		all = append(all, "--"+name)
	}
	return all
}

// summary returns the first line of the help.
func (o *Option) summary() string {
	line, _, _ := strings.Cut(o.Help, "\n")
	return line
}

func (p *Program) bash() string {
	var b strings.Builder
	fmt.Fprintf(&b, "_%[1]s() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} options\n\tCOMPREPLY=()\n", p.Name)
	fmt.Fprintf(&b, "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tCOMPREPLY=($(compgen -W '%s' -- \"$word\"))\n\t\treturn\n\tfi\n", p.words())
	b.WriteString("\tcase ${COMP_WORDS[1]} in\n")
	for _, c := range p.Commands {
		var flags []string
		for _, o := range c.Options {
			flags = append(flags, o.flags()...)
		}
		fmt.Fprintf(&b, "\t%s) options='%s' ;;\n", c.Word(), strings.Join(flags, " "))
	}
	b.WriteString("\tesac\n\tcase $word in\n\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n\tesac\n}\n")
	fmt.Fprintf(&b, "complete -o default -F _%[1]s %[1]s\n", p.Name)
	return b.String()
}

func (p *Program) zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n\nif (( CURRENT == 2 )); then\n\tcompadd %s\n\treturn\nfi\n", p.Name, p.words())
	b.WriteString("local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n")
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "%s)\n\t_arguments -S", c.Word())
		for _, o := range c.Options {
			for _, flag := range o.flags() {
				arg := ""
				if o.Arg != "" {
					arg = ":" + o.Arg + ":"
				}
				fmt.Fprintf(&b, " \\\n\t\t%s", singleQuoted(flag+"["+bracketed(o.summary())+"]"+arg))
			}
		}
		b.WriteString(" \\\n\t\t'*:file:_files'\n\t;;\n")
	}
	b.WriteString("esac\n")
	return b.String()
}

func (p *Program) fish() string {
	var b strings.Builder
	fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -f -a '%s'\n", p.Name, p.words())
	for _, c := range p.Commands {
		for _, o := range c.Options {
			fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from %s'", p.Name, c.Word())
			for _, letter := range o.Short {
				fmt.Fprintf(&b, " -s %c", letter)
			}
			for _, name := range o.Long {
				fmt.Fprintf(&b, " -l %s", name)
			}
			if o.Arg != "" {
				b.WriteString(" -x")
			}
			fmt.Fprintf(&b, " -d %s\n", singleQuoted(o.summary()))
		}
	}
	return b.String()
}

// singleQuoted is text for a shell, in single quotes.
func singleQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// bracketed is text between brackets of zsh's _arguments.
func bracketed(text string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}
