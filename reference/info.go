package reference

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"moulinette/grader/contract"
)

// PrintNamespaceInfo lists the kinds of namespaces and the calling thread's own
// of each. The link's target, like pid:[4026531836], is the namespace's
// identity: two processes share a namespace if and only if it is the same.
func (namespaces) PrintNamespaceInfo(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tFLAG\tIDENTITY\tISOLATES")
	for _, kind := range contract.NamespaceTypes() {
		// thread-self, for /proc/self is the main thread, and a namespace is a
		// thread's own.
		identity, err := os.Readlink("/proc/thread-self/ns/" + kind.Name)
		if err != nil {
			return fmt.Errorf("print namespace info: %w", err)
		}
		fmt.Fprintf(table, "%s\t0x%08x\t%s\t%s\n", kind.Name, kind.Flag, identity, kind.Description)
	}
	return table.Flush()
}
