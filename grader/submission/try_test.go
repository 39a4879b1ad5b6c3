package submission

import ("testing";"context";"os";"time";"fmt")

func TestTry(t *testing.T) {
	for i := range 2 {
	start := time.Now()
	s, err := Open(os.Getenv("TRY"))
	if err != nil { t.Fatal(err) }
	open := time.Since(start)
	b := &Builder{Cache: "/tmp/subtry/cache", Sources: os.DirFS("..")}
	d, err := b.Build(context.Background(), s)
	if err != nil { t.Fatalf("%v", err) }
	fmt.Println(i, d, open, time.Since(start), s.Notices, len(s.Files))
	}
}
