package spec

import (
	"os"
	"testing"
)

func TestShipped(t *testing.T) {
	all, err := LoadAll(os.DirFS("../../specs"))
	if err != nil {
		t.Fatalf("the shipped specs:\n%v", err)
	}
	for _, ex := range all {
		t.Log(ex.Name, len(ex.Scenarios))
	}
}
