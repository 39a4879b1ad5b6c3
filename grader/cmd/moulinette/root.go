package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// root is the command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "moulinette",
		Short: "Grade a container runtime built from Linux namespaces",
		Long: `moulinette runs each scenario of an exercise on a submission in a fresh sandbox,
looks at what the kernel shows from outside, and explains what it found.

Exit codes: 0 passed; 1 under the passing score, or it does not build;
2 unusable flags, spec or folder; 3 fault of the harness or the host, or undecided.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
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
	root.AddCommand(a.gradeCommand(), a.judgeCommand(), a.specCommand(), a.doctorCommand(), a.demoCommand(), a.verifyCommand(),
		a.verifyReportCommand(), a.vmCommand(), a.gradescopeCommand(), a.versionCommand())
	return root
}

// oneOf checks a flag against its values.
func oneOf(flag, value string, values []string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return usage("--%s %s: there are %s", flag, value, strings.Join(values, ", "))
}
