package vm

import (
	"bufio"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"moulinette/grader/sandbox/vm/qemu"
)

// says makes a machine whose agent's port says text, and nothing more.
func says(t *testing.T, text string) *machine {
	t.Helper()
	ours, theirs, err := qemu.Stream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	go func() {
		_, _ = io.WriteString(theirs, text)
		theirs.Close()
	}()
	return &machine{agent: ours, answers: bufio.NewReader(ours)}
}

// A record without the word costs what it weighs, and not what it would become.
func TestForgedRecordIsNotRead(t *testing.T) {
	record := `{"record":{"at":{"a":{"processes":[` + strings.Repeat("{},", 1<<18) + `{}]}}}`
	for end, want := range map[string]error{`}`: errNonsense, `,"word":"guessed"}`: errNonsense, `,"word":"known"}`: nil} {
		m := says(t, record+end+"\n")
		m.word = "known"
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := m.hear(t.Context())
		runtime.ReadMemStats(&after)
		if !errors.Is(err, want) || (answer.Record == nil) != (want != nil) {
			t.Errorf("%s: %v, with a record: %v; want %v", end, err, answer.Record != nil, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; want != nil && took > 16<<20 {
			t.Errorf("%s: %d MiB for %d KiB", end, took>>20, len(record)>>10)
		}
	}
}
