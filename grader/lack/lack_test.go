package lack

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestIn(t *testing.T) {
	tool := &Error{EN: "no tool", FR: "pas d'outil"}
	caused := &Error{EN: "no place", FR: "pas de place", Err: io.ErrShortWrite}
	nested := &Error{EN: "no box", FR: "pas de boîte", Err: fmt.Errorf("box: %w", tool)}
	for _, test := range []struct {
		err    error
		en, fr string
	}{
		{tool, "no tool", "pas d'outil"},
		{caused, "no place: short write", "pas de place : short write"},
		{fmt.Errorf("build: %w", tool), "build: no tool", "pas d'outil"},
		{nested, "no box: box: no tool", "pas de boîte : pas d'outil"},
		{errors.Join(io.EOF, tool), "EOF\nno tool", "EOF\npas d'outil"},
		{errors.Join(io.EOF, io.ErrNoProgress), "EOF\n" + io.ErrNoProgress.Error(), "EOF\n" + io.ErrNoProgress.Error()},
		{fmt.Errorf("read: %w", io.EOF), "read: EOF", "read: EOF"},
	} {
		if en, fr := In("en", test.err), In("fr", test.err); en != test.en || fr != test.fr {
			t.Errorf("%#v: %q and %q; want %q and %q", test.err, en, fr, test.en, test.fr)
		}
	}
	if !errors.Is(nested, tool) || !errors.Is(caused, io.ErrShortWrite) {
		t.Error("a lack hides its cause")
	}
}
