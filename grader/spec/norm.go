package spec

import (
	"fmt"
	"slices"
	"strings"

	"moulinette/grader/spec/tree"
)

// rules are those that a norm check can have.
func rules() []string { return []string{"memory", "fds", "zombies", "mounts", "security"} }

func (c *checker) norm() {
	for i := range c.ex.Norm.Checks {
		check := &c.ex.Norm.Checks[i]
		if !slices.Contains(rules(), check.Rule) {
			c.d.Report(c.d.At(check), fmt.Sprintf("unknown rule %q", check.Rule), tree.Suggest(check.Rule, rules()))
		}
		c.use(&check.Scenario, c.d.At(check))
		if s := c.known[check.Scenario]; s != nil && s.Extra() {
			c.d.Report(c.d.At(check), fmt.Sprintf("the norm checks scenario %q, which wants what many hosts lack", s.ID), "check one without root: real and without other_abi")
		}
		c.fruitless(check)
	}
	c.unchecked()
	for i := range c.ex.Norm.ToleratedFunctions {
		t := &c.ex.Norm.ToleratedFunctions[i]
		translated(c.d, &t.Why, c.d.At(t), "why", "the reason to tolerate "+t.Name)
	}
	for i, program := range c.ex.Norm.ForbiddenPrograms {
		if strings.TrimSpace(program) == "" {
			c.d.Report(c.d.At(&c.ex.Norm.ForbiddenPrograms[i]), "an empty forbidden program", "remove it")
		}
	}
}

// A finding of the norm needs both: a check that names the scenario for a rule, and an
// expectation that speaks for that rule, or for whichever it is.

// fruitless reports a check for a rule that no expectation of its scenario speaks for.
func (c *checker) fruitless(check *NormCheck) {
	s := c.known[check.Scenario]
	if s == nil || !slices.Contains(rules(), check.Rule) {
		return
	}
	if !slices.ContainsFunc(s.Expect, func(e Expectation) bool { return e.Rule == "" || e.Rule == check.Rule }) {
		c.d.Report(c.d.At(check), fmt.Sprintf("no expectation of scenario %q speaks for the rule %s, so this check finds nothing", s.ID, check.Rule),
			"add one with rule: "+check.Rule+", or remove the check")
	}
}

// unchecked reports the rules of scenarios that are checked for others alone.
func (c *checker) unchecked() {
	told := map[NormCheck]bool{}
	for _, check := range c.ex.Norm.Checks {
		told[check] = true
	}
	for i := range c.ex.Norm.Checks {
		check := &c.ex.Norm.Checks[i]
		s := c.known[check.Scenario]
		if s == nil {
			continue
		}
		for _, e := range s.Expect {
			missing := NormCheck{Rule: e.Rule, Scenario: s.ID}
			if !told[missing] && slices.Contains(rules(), e.Rule) {
				told[missing] = true
				c.d.Report(c.d.At(check), fmt.Sprintf("scenario %q has an expectation for the rule %s, for which nothing checks it, so it never becomes a finding", s.ID, e.Rule),
					fmt.Sprintf("add {rule: %s, scenario: %s} to checks", e.Rule, s.ID))
			}
		}
	}
}
