package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// root is the command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "moulinette",
		Short: "Grade a container runtime built from Linux namespaces",
		Long: `moulinette runs each scenario of an exercise on a submission in a fresh sandbox,
looks at what the kernel shows from outside, and explains what it found.

Exit codes: 0 passed; 1 under the passing score, or it does not build;
2 unusable flags, spec or folder; 3 fault of the harness or the host, or undecided;
130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := noEmptyFlag(cmd.Flags()); err != nil {
				return err
			}
			if a.lang != "fr" && a.lang != "en" {
				return usage("--lang %s: there are fr and en", a.lang)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.lang, "lang", language(a.env), "language of reports: fr or en")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours")
	flags.StringVar(&a.agent, "agent", "", "path of moulinette-agent")
	_ = flags.MarkHidden("agent")
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.gradeCommand(), a.judgeCommand(), a.specCommand(), a.doctorCommand(), a.demoCommand(), a.verifyCommand(),
		a.verifyReportCommand(), a.vmCommand(), a.gradescopeCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil { // of a shell that it does not know, too, it says so
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	return root
}

// noEmptyFlag refuses --sign-key "$KEY" where KEY is not set: a report would go unsigned,
// a submission unchecked, and nobody would be told. An empty --student means something.
func noEmptyFlag(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && f.Name != "student" && err == nil {
			err = usage("--%s: the value is empty; give one, or leave the flag out", f.Name)
		}
	})
	return err
}

// helpCommand refuses what there is no help on; cobra's own shows something else, and
// succeeds.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			on, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("%s: no such command; moulinette --help lists them", strings.Join(args, " "))
			}
			return on.Help()
		},
	}
}

// noArgs refuses what follows a command that takes no more words.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s: this command takes no argument", orEmpty(args[0]))
	}
	return nil
}

// orEmpty shows a word that may be none.
func orEmpty(word string) string { return cmp.Or(word, `""`) }

// oneOf checks a flag against its values.
func oneOf(flag, value string, values []string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return usage("--%s %s: there are %s", flag, value, strings.Join(values, ", "))
}
