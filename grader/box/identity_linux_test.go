package box

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSameContent(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) *os.File {
		t.Helper()
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 * 64 << 10} {
		text := strings.Repeat("x", size)
		want := file(text)
		others := map[string]bool{text: true, text + "y": false, "y" + text: false}
		if size > 0 {
			others[text[1:]], others[text[1:]+"y"], others["y"+text[1:]] = false, false, false
		}
		for other, same := range others {
			for range 2 { // it does not matter what was read before
				if got, err := sameContent(file(other).Name(), want); got != same || err != nil {
					t.Errorf("%d bytes and %d: %t, %v; want %t", size, len(other), got, err, same)
				}
			}
		}
	}
	if _, err := sameContent(filepath.Join(dir, "none"), file("x")); err == nil {
		t.Error("a file that is not there is the same")
	}
	if _, err := sameContent(dir, file("x")); err == nil {
		t.Error("a folder is the same")
	}
}

func BenchmarkSameContent(b *testing.B) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		b.Fatal(err)
	}
	defer self.Close()
	for b.Loop() {
		if same, err := sameContent("/proc/self/exe", self); !same || err != nil {
			b.Fatal(same, err)
		}
	}
}
