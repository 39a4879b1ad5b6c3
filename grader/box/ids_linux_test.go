package box

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInMap(t *testing.T) {
	for _, test := range []struct {
		name, text   string
		first, count int
		want         bool
	}{
		{"the host's", "         0          0 4294967295\n", firstRange, ranges * idRange, true},
		{"a container's range", "0 100000 65536\n", firstRange, ranges * idRange, false},
		{"all but root of a container", "0 100000 65536\n", 1, 65535, true},
		{"rootless: one id, and a range beside it", "0 1000 1\n1 100000 65536\n", 1, 65535, true},
		{"not in one piece", "0 1000 2\n2 100000 65534\n", 1, 65535, false},
		{"one id", "0 1000 1\n", 1, 65535, false},
		{"none yet", "", 0, 1, false},
	} {
		file := filepath.Join(t.TempDir(), "map")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := inMap(file, test.first, test.count); got != test.want {
			t.Errorf("%s: got %v; want %v", test.name, got, test.want)
		}
	}
	if !inMap(filepath.Join(t.TempDir(), "none"), firstRange, 1) {
		t.Error("what cannot be read has to be taken for the host's")
	}
}
