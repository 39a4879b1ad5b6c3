package vm

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"moulinette/grader/sandbox/vm/qemu"
	"moulinette/grader/scenario"
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
	record := `{"record":{"at":{"a":{"processes":[` + strings.Repeat("{},", 1<<14) + `{}]}}}`
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
		if took := after.TotalAlloc - before.TotalAlloc; want != nil && took > 4<<20 {
			t.Errorf("%s: %d MiB for %d KiB", end, took>>20, len(record)>>10)
		}
	}
}

// agentGone is a QEMU, as far as it is started, in whose guest the agent has ended:
// descriptor 3 is the monitor, 5 the control port.
const agentGone = `#!/bin/sh
echo '{"QMP": {}}' >&3
read order <&3
echo '{"return": {}}' >&3
echo '{"gone": "exit status 3"}' >&5
read order <&3
`

// An agent that has ended before a scenario began there is not waited for.
func TestAgentEndsBeforeTheScenario(t *testing.T) {
	program := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(program, []byte(agentGone), 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := launch(qemu.Config{Binary: program, MemoryMiB: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.kill()
	m.served = 1 // so that it is awake
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := m.begin(ctx, scenario.Scenario{}); !errors.Is(err, errGone) {
		t.Errorf("got %v; want %v", err, errGone)
	}
}
