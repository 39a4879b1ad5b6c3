// Command summary reads what `go test -json` prints and shows of it what matters:
// packages, what failed tests said, and in the end how many tests were skipped, and
// why, and which took longest. It fails if any test did, and in CI (CI=true) if one was
// skipped that could have been run.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	failed, err := summarise(os.Stdin, os.Stdout, os.Getenv("CI") == "true") //nolint:forbidigo // this is a command
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// event is a line of test2json; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// summary is what was read so far.
type summary struct {
	out     io.Writer
	said    map[[2]string][]string // by package and test; the package's own under ""
	skipped map[string]int         // by reason
	long    []event                // tests that took some time, but for parts of others
	passed  int
	strict  bool // a skip is a failure, see mayBeSkipped
	failed  bool
	whole   bool // some package came to its end
}

// mayBeSkipped are reasons that CI takes as well: what no package mends, and a compiler
// of half a gigabyte for a single test.
var mayBeSkipped = []string{"this architecture has but one ABI", "a kernel without groups of sessions", "no clang"}

// wholePackage is what a package prints of which no test is run; the reason follows.
const wholePackage = "all tests skipped: "

func summarise(in io.Reader, out io.Writer, strict bool) (failed bool, err error) {
	s := summary{out: out, strict: strict, said: map[[2]string][]string{}, skipped: map[string]int{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text()) // the go command's own words
			continue
		}
		s.take(e)
	}
	s.end()
	return s.failed || !s.whole, lines.Err()
}

func (s *summary) take(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.said[key] = append(s.said[key], e.Output)
		return
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "fail", "build-fail":
		s.failed, s.whole = true, true
		s.show(key, always)
	case "skip":
		if e.Test != "" {
			s.skipped[reason(s.said[key])]++
		}
		fallthrough
	case "pass":
		s.whole = s.whole || e.Test == ""
		if e.Test != "" && e.Action == "pass" {
			s.passed++
		}
		if e.Test != "" && !strings.Contains(e.Test, "/") && e.Elapsed >= noticeable {
			s.long = append(s.long, e)
		}
		if e.Test == "" {
			s.skipPackage(s.said[key])
			s.show(key, func(line string) bool { return strings.HasPrefix(line, "ok ") })
		}
	default:
		return
	}
	delete(s.said, key)
}

// skipPackage counts a package that says that none of its tests was run.
func (s *summary) skipPackage(said []string) {
	for _, line := range said {
		if _, why, ok := strings.Cut(strings.TrimSpace(line), wholePackage); ok {
			s.skipped[wholePackage+why]++
		}
	}
}

// noticeable is how many seconds make a test one of the long ones, and mostLong how
// many of these are named.
const noticeable, mostLong = 5, 8

func always(string) bool { return true }

// show prints what was said, as far as it is wanted.
func (s *summary) show(key [2]string, wanted func(line string) bool) {
	for _, line := range s.said[key] {
		if wanted(line) {
			fmt.Fprint(s.out, line)
		}
	}
}

// reason is what a skipped test gave as one: the last line that is not go test's own.
func reason(said []string) string {
	for _, line := range slices.Backward(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, why, ok := strings.Cut(line, ".go:"); ok {
			_, line, _ = strings.Cut(why, ": ")
		}
		return line
	}
	return "no reason given"
}

// end counts.
func (s *summary) end() {
	total := 0
	for _, n := range s.skipped {
		total += n
	}
	fmt.Fprintf(s.out, "%d tests passed, %d skipped\n", s.passed, total)
	for _, why := range slices.Sorted(maps.Keys(s.skipped)) {
		note := ""
		if s.strict && !slices.Contains(mayBeSkipped, why) {
			note, s.failed = "  (in CI nothing is skipped)", true
		}
		fmt.Fprintf(s.out, "%8d  %s%s\n", s.skipped[why], why, note)
	}
	slices.SortFunc(s.long, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for _, e := range s.long[:min(len(s.long), mostLong)] {
		fmt.Fprintf(s.out, "%7.0fs  %s of %s\n", e.Elapsed, e.Test, e.Package)
	}
}
