package vm_test

import (
	"path/filepath"
	"testing"

	"moulinette/grader/sandbox/vm"
)

// What executes guests is what has proved itself: asked for KVM, New either
// boots a guest on it or refuses; not asked, it takes what it can.
func TestAccelerators(t *testing.T) {
	o := vm.Options{Agent: built.agent, Cache: filepath.Join(built.dir, "machines"), Accel: vm.KVM}
	_, refused := vm.New(t.Context(), o)
	o.Accel = ""
	op, err := vm.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := vm.KVM
	if refused != nil {
		want = vm.TCG
		t.Logf("no KVM here: %v", refused)
	}
	if op.Accel() != want {
		t.Errorf("accelerator %s; want %s (%v)", op.Accel(), want, refused)
	}
	o.Accel = "abacus"
	if _, err := vm.New(t.Context(), o); err == nil {
		t.Error("accelerator abacus: no error")
	}
}
