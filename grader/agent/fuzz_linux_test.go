package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/box"
	"moulinette/grader/scenario"
)

// FuzzReplies writes anything at all into the driver's channel. The reader ends
// with it, takes each line that is JSON up to the first that is not, and says so.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{
		"", "\n", "{\"id\":0,\"failed\":false,\"value\":0}\n", "{\"id\":1}\n{\"id\":1}\n{\"id\":", "null\n[]\n", "{\"id\":1e400}\n",
		"{\"id\":-9223372036854775808}\n\x00\n", strings.Repeat("x", 5000) + "\n", strings.Repeat("{\"error\":\"", 500) + "\n", "{\"pids\":{\"\":-1}}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := channel(t)
		d := &driver{box: &box.Box{Channel: ours}, replies: make(chan scenario.Reply, 64)}
		d.readers.Add(1)
		go d.read()
		go func() {
			_, _ = theirs.Write(data)
			theirs.Close()
		}()
		got := 0
		for range d.replies {
			got++
		}
		d.readers.Wait()
		ours.Close()
		want, garbled := lines(data)
		if got != want || (d.garbled != nil) != garbled {
			t.Errorf("got %d replies, garbled %v; want %d, %t", got, d.garbled, want, garbled)
		}
	})
}

// lines counts those that are replies, and tells whether another one stopped it.
func lines(data []byte) (n int, garbled bool) {
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			return n, false // cut off by the end
		}
		if json.Unmarshal(line, &scenario.Reply{}) != nil {
			return n, true
		}
		n++
	}
	return n, false
}

func channel(t *testing.T) (*net.UnixConn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "ours")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn), os.NewFile(uintptr(fds[1]), "theirs")
}

// FuzzProbeLines reads what a visitor may say in a probe's place.
func FuzzProbeLines(f *testing.F) {
	f.Add([]byte("{\"name\":\"probe\"}\n{\"did\":[]}\n"))
	f.Add([]byte(strings.Repeat("y", 4096) + "\n\n"))
	f.Add([]byte("{\"name\":1}\n\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), 4096)
		read := 0
		for {
			line, err := readLine(r, maxHello)
			if err != nil {
				break
			}
			read += len(line)
			if len(line) > maxHello+4096 || !bytes.HasSuffix(line, []byte("\n")) {
				t.Fatalf("a line of %d bytes", len(line))
			}
			var hello scenario.Hello
			var done scenario.Done
			_, _ = json.Unmarshal(line, &hello), json.Unmarshal(line, &done)
		}
		if read > len(data) {
			t.Errorf("read %d bytes of %d", read, len(data))
		}
	})
}

// TestLineWithoutEnd: a line is bounded.
func TestLineWithoutEnd(t *testing.T) {
	r := bufio.NewReaderSize(endless{}, 4096)
	if line, err := readLine(r, maxLine); err == nil || line != nil {
		t.Errorf("got %d bytes, %v; want an error", len(line), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("z"), len(p))), nil }
