package spec

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader/scenario"
)

func smallExercise(t *testing.T) *Exercise {
	t.Helper()
	ex, err := Load(fstest.MapFS{"t.yaml": {Data: []byte(small)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

func TestResolve(t *testing.T) {
	s := smallExercise(t).Scenarios["s.first"]
	run, given := s.Resolve(5)
	again, same := s.Resolve(5)
	if !reflect.DeepEqual(run, again) || !reflect.DeepEqual(given, same) {
		t.Error("the same seed gives another scenario")
	}
	if _, other := s.Resolve(6); reflect.DeepEqual(given, other) {
		t.Error("another seed gives the same values")
	}
	host := given["host"].(string)
	want := scenario.Scenario{
		ID: "s.first", Seed: 5,
		World:  scenario.World{Targets: []scenario.Target{{Name: "truman", Flags: []string{"user"}}}},
		Faults: []scenario.Fault{{Effect: "new_pid", Errno: "EPERM"}},
		Watch:  []string{"/run/netns/" + host},
	}
	exit := 3
	want.Steps = []scenario.Step{
		{As: "create_pid_namespace", Call: "create_pid_namespace", Script: &scenario.Script{
			Name: "probe", Exit: given["status"].(int), Do: []scenario.Act{{As: "hostname", Do: "hostname"}},
		}},
		{As: "middle", Observe: true},
		{
			As: "container_create", Call: "container_create", Script: &scenario.Script{Name: "main", Stay: true},
			Args: scenario.Args{Container: "main", Config: &scenario.Config{Hostname: "x" + host, Flags: []string{"pid"}}},
		},
		{As: "ask", Probe: &scenario.Ask{Name: "main", Do: []scenario.Act{{As: "pids", Do: "pids"}}, Exit: &exit}},
		{As: "container_wait", Call: "container_wait", Args: scenario.Args{Container: "main"}},
		{As: "write_uid_map", Call: "write_uid_map", Args: scenario.Args{Process: "truman", Text: "0 0 1"}},
		{As: "host", Host: &scenario.Host{Mount: "/mnt/later"}},
		{As: "kill", Kill: "driver"},
	}
	if !reflect.DeepEqual(run, want) {
		t.Errorf("got  %+v\nwant %+v", run, want)
	}
}

// TestRepeatedLabels gives each call of the same name a label of its own.
func TestRepeatedLabels(t *testing.T) {
	text := strings.Replace(small, "- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n      - make_mount_private: {path: /}\n      - create_pid_namespace: {}\n      - create_pid_namespace: {}", 1)
	text = strings.Replace(text, "that: call.ok", "that: calls.make_mount_private_2.ok && call.ok && probes.probe_2.seen", 1)
	ex, err := Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run, _ := ex.Scenarios["s.second"].Resolve(1)
	var labels []string
	for _, s := range run.Steps {
		labels = append(labels, s.As)
	}
	if got := strings.Join(labels, " "); got != "make_mount_private make_mount_private_2 create_pid_namespace create_pid_namespace_2" {
		t.Errorf("got labels %s", got)
	}
}

func TestRandomKinds(t *testing.T) {
	forms := map[string]string{
		"name": `^[a-z][a-z0-9]{2,9}$`, "iface": `^[a-z][a-z0-9]{2,11}$`, "subnet": `^10\.\d{1,3}\.\d{1,3}$`, "text": `^[a-z]+ [a-z]+ [a-z]+$`,
	}
	s := Scenario{ID: "x"}
	for kind := range randomKinds() {
		s.given = []given{{name: "a", kind: kind}, {name: "b", kind: kind}}
		for seed := range uint64(2000) {
			v := s.values(seed)
			if v["a"] == v["b"] {
				t.Fatalf("%s: two equal values %v with seed %d", kind, v["a"], seed)
			}
			switch a := v["a"].(type) {
			case int:
				if kind == "status" && (a < 1 || a > 124) || kind == "port" && (a < 1024 || a > 65535) {
					t.Fatalf("%s: got %d", kind, a)
				}
			case string:
				if !regexp.MustCompile(forms[kind]).MatchString(a) {
					t.Fatalf("%s: got %q", kind, a)
				}
			}
		}
	}
}

// TestLastSeeds resolves every shipped scenario with many seeds: what Load has
// checked with one must hold for all.
func TestManySeeds(t *testing.T) {
	all, err := LoadAll(os.DirFS("../../specs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ex := range all {
		for id, s := range ex.Scenarios {
			for seed := range uint64(20) {
				r := s.resolver(seed)
				r.scenario(s, seed)
				if err := r.d.Problems.Err(); err != nil {
					t.Fatalf("%s with seed %d: %v", id, seed, err)
				}
			}
		}
	}
}

func TestExplain(t *testing.T) {
	ex, err := Load(os.DirFS("../../specs"), "truman_container.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ id, lang, want string }{
		{"pid_isolation", "en", "PID isolation (15 points)"},
		{"pid_isolation", "fr", "Isolation des PID (15 points)"},
		{"pid.child_is_init", "en", "create_pid_namespace"},
		{"pid.child_is_init", "fr", "Attendu : probe.seen"},
		{"container.whole_life", "en", "\nWatched files:\n  [/work/root]"},
		{"2.10.10.f", "en", "mount.slave_one_way"},
		{"expressions", "en", "new_ns(PROCESS, OTHER) -> list of text"},
		{"expressions", "en", "\n  process (driver, peer)\n      pid, nspid (list), depth"},
		{"expressions", "en", "\n  driver        before.driver, the submission before the first step; later: after.driver\n"},
		{"expressions", "fr", "\n  call          le dernier appel des étapes\n"},
		{"expressions", "en", "acts (actresult by name)"},
		{"steps", "en", "\n  configure_interface: {iface, ip, prefix}\n"},
		{"steps", "en", "\n  chroot_escape  try to leave the root"},
		{"steps", "fr", "script: {name, do: [{as, do, path"},
		{"faults", "en", "\n  new_pid         a new PID namespace"},
		{"faults", "fr", "EOPNOTSUPP"},
		{"world", "en", "\n  targets: [{name, flags: [...]}]\n"},
		{"world", "fr", "\n  ip_command    la commande ip"},
		{"seccomp", "en", "(100 points)"},
	} {
		if got := Explain(ex, c.id, c.lang); !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%s\nwant %s", c.id, got, c.want)
		}
	}
	if got := Explain(ex, "nothing", "en"); got != "" {
		t.Errorf("an unknown id is explained: %s", got)
	}
}
