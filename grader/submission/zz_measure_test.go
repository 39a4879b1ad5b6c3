package submission

import ("testing";"os";"time";"fmt")

func TestMeasure(t *testing.T) {
	s, err := Open("../../reference"); must(t, err)
	cache := t.TempDir()
	for i := range 5 {
		b := &Builder{Cache: cache, Sources: os.DirFS("..")}
		if i == 2 || i==3 { s.Files["reference.go"] = append(s.Files["reference.go"], '\n') }
		start := time.Now()
		d, err := b.Build(t.Context(), s); must(t, err)
		info, _ := os.Stat(d.Path)
		fmt.Println(i, d.Cached, time.Since(start), info.Size())
		start = time.Now()
		_, err = b.Build(t.Context(), s); must(t, err)
		fmt.Println("  same builder", time.Since(start))
	}
}
