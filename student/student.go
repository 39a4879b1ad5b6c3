package student

import "moulinette/grader/contract"

// New returns your runtime. The grader calls it.
func New() contract.Runtime { return namespaces{} }

// namespaces is your runtime. It embeds what answers "not implemented", so you
// may even delete a method that you do not want to look at yet.
type namespaces struct{ contract.Unimplemented }

// The compiler checks the bonus too. If you delete its methods, delete this
// line with them.
var _ contract.Seccomp = namespaces{}
