package ns_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"moulinette/grader/sandbox/ns"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

func agentBinary(tb testing.TB) string {
	tb.Helper()
	if a := os.Getenv("NS_AGENT"); a != "" {
		return a
	}
	agent := filepath.Join(tb.TempDir(), "moulinette-agent")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", agent, "moulinette/grader/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return agent
}

func build(t *testing.T, folder string) (agent, driver string) {
	t.Helper()
	if a := os.Getenv("NS_AGENT"); a != "" {
		return a, os.Getenv("NS_DRIVER")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	agent = filepath.Join(dir, "moulinette-agent")
	cmd := exec.Command("go", "build", "-o", agent, "moulinette/grader/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := submission.Open(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	b := submission.Builder{Cache: filepath.Join(dir, "cache"), Sources: os.DirFS(filepath.Join(root, "grader"))}
	d, err := b.Build(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return agent, d.Path
}

func TestTry(t *testing.T) {
	agent, driver := build(t, "reference")
	op, err := ns.New(ns.Options{Agent: agent})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(op.Mode(), op.Host())
	s, err := op.Open(context.Background(), driver, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, sc := range []scenario.Scenario{
		{ID: "pid", Seed: 1, Steps: []scenario.Step{{As: "c", Call: "create_pid_namespace", Script: &scenario.Script{Exit: 42}}}},
		{ID: "cont", Seed: 1, World: scenario.World{Roots: []scenario.Root{{Path: "/work/root"}}}, Watch: []string{"/work/root/dev/null"}, Steps: []scenario.Step{
			{As: "c", Call: "container_create", Args: scenario.Args{Config: &scenario.Config{Hostname: "truman", Rootfs: "/work/root", Flags: []string{"pid", "mnt", "uts", "ipc", "net", "user", "cgroup"}}}, Script: &scenario.Script{Stay: true, Do: []scenario.Act{{Do: "pids"}, {Do: "chroot_escape"}, {Do: "write", Path: "/dev/null", Text: "x"}}, Watch: []string{"/dev/null", "/proc/1"}}},
			{As: "x", Probe: &scenario.Ask{Name: "probe", Exit: new(int)}},
			{As: "w", Call: "container_wait"}}},
		{ID: "leak", Seed: 1, Steps: []scenario.Step{{As: "c", Call: "create_pid_namespace", Times: 64, Script: &scenario.Script{Exit: 42}}}},
	} {
		rec, err := s.Run(context.Background(), sc)
		if err != nil {
			t.Fatal(err)
		}
		for k, snap := range rec.At {
			snap.Driver.Mounts, snap.Peer.Mounts = nil, nil
			rec.At[k] = snap
		}
		text, _ := json.MarshalIndent(rec, "", " ")
		os.WriteFile(os.Getenv("NS_OUT")+"/"+sc.ID+".json", text, 0o644)
		fmt.Println(sc.ID, rec.End, rec.Millis, rec.Notes, rec.Output.Stderr)
	}
}
