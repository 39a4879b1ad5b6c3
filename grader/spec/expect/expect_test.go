package expect

import (
	"fmt"
	"strings"
	"testing"

	"moulinette/grader/evidence"
)

func scope() *Scope {
	return NewScope(Names{
		Given: map[string]any{"status": 1, "host": "x"}, Calls: []string{"create", "wait"}, Probes: []string{"probe", "t"},
		Acts: map[string][]string{"probe": {"read"}}, At: []string{"middle"}, Asked: []string{"probe", "t"}, Repeated: []string{"create"},
	})
}

func record() *evidence.Record {
	driver := evidence.Process{PID: 10, NS: evidence.NS{PID: 1, Mnt: 2, Net: 3}, FDs: []evidence.FD{{N: 0}, {N: 1}}}
	later := driver
	later.FDs = append(later.FDs, evidence.FD{N: 5, Type: "pipe"})
	child := evidence.Process{
		PID: 20, NSpid: []int{20, 1}, NS: evidence.NS{PID: 9, Mnt: 2, Net: 3}, UIDMap: []evidence.IDMap{{Inside: 0, Outside: 1000, Count: 10}},
		Mounts: []evidence.Mount{{ID: 1, Target: "/"}, {ID: 2, Target: "/mnt", Type: "old"}, {ID: 3, Target: "/mnt", Type: "new"}, {ID: 4, Target: "/mnt/a"}, {ID: 5, Target: "/mntx"}},
		Links:  []evidence.Link{{Name: "lo", Up: true}}, Routes: []evidence.Route{{Dst: "default", Via: "10.0.0.1"}},
	}
	return &evidence.Record{
		Calls:  map[string]evidence.Call{"create": {OK: true, Value: 7}, "wait": {Value: 3}},
		Probes: map[string]evidence.Probe{"probe": {Seen: true, Process: child, Acts: map[string]evidence.ActResult{"read": {Text: "hello"}}, Files: map[string]evidence.File{"/d": {}, "/b": {}, "/a": {}, "/c": {}}}},
		At: map[string]evidence.Snapshot{
			"before": {Driver: driver, Bystander: true, Pins: []evidence.Pin{{Name: "old"}}},
			"after":  {Driver: later, Zombies: 2, Processes: []evidence.Process{{PID: 99}}, Pins: []evidence.Pin{{Name: "old"}, {Name: "new", Netns: 5}}},
		},
	}
}

func TestEval(t *testing.T) {
	s := scope()
	env := s.Env(record(), map[string]any{"status": 3, "host": "seahaven"})
	for _, c := range []struct {
		text string
		want bool
	}{
		{`calls.create.ok && calls["create"].value == 7`, true},
		{`call.value == given.status`, true},
		{`given.host == "seahaven" && call.value == 3`, true},
		{`probe.process.nspid[-1] == 1`, true},
		{`probes.t.seen`, false},
		{`probes.t.process.nspid[-1] == 1`, false},
		{`!(probes.t.process.nspid[-1] == 1)`, false}, // what cannot be evaluated is false
		{`probe.later.pid == 0`, true},
		{`probe.acts.read.text == "hello"`, true},
		{`keys(probe.files) == ["/a", "/b", "/c", "/d"] && len(keys(after.files)) == 0`, true},
		{`at.middle.driver.pid == 0`, true},
		{`driver.pid == before.driver.pid && driver.pid == after.driver.pid && peer.pid == 0`, true},
		{`mount(probe.process, "/mnt").type == "new"`, true},
		{`mount(probe.process, "/nope").target == ""`, true},
		{`len(mounts_below(probe.process, "/mnt")) == 3`, true},
		{`len(mounts_below(probe.process.mounts, "/")) == 5`, true},
		{`link(probe.process, "lo").up && link(probe.process.links, "x").name == ""`, true},
		{`route(probe.process, "default").via == "10.0.0.1"`, true},
		{`pin(after, "new").netns == 5 && pin(before, "new").name == ""`, true},
		{`new_ns(probe.process, driver) == ["pid"]`, true},
		{`new_ns(probe.process, driver) == ["mnt", "pid"]`, false},
		{`"net" not in new_ns(probe.process, driver)`, true},
		{`"net" not in new_ns(probes.t.process, driver)`, false},
		{`!("net" in new_ns(driver, probes.t.process))`, false},
		{`same_ns(before.driver, after.driver)`, true},
		{`same_ns(probes.t.process, probes.t.later)`, false},
		{`mapped(probe.process, 4) == 1004 && mapped(probe.process, 10) == -1 && mapped(probe.later, 0) == -1`, true},
		{`left(before, after) == ["1 descriptors", "2 zombies", "1 processes", "bystander reaped"]`, true},
		{`len(left(after, after)) == 0`, true},
		{`added(before.pins, after.pins) == ["new"]`, true},
		{`any(after.driver.fds, .type == "pipe") && count(after.pins, .netns > 0) == 1`, true},
		{`after.files["/x"].exists`, false},
	} {
		e, err := s.Compile(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, _ := e.Eval(env); got != c.want {
			t.Errorf("%s: got %v; want %v", c.text, got, c.want)
		}
	}
}

// What is the same for every submission is no expectation.
func TestConstantsAreRefused(t *testing.T) {
	s := scope()
	for _, text := range []string{`same_ns(before.driver, driver)`, `before.zombies == 0 && peer.pid > 0`, `"faults" in host.features`, `true`, `1 == 1 || false`, `given.status == 3`, `all([1, 2], # > 0)`, `let call = 3; given.status == call`} {
		if _, err := s.Compile(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// What fails of itself is the spec's fault; what the record lacks is not.
func TestBroken(t *testing.T) {
	s := scope()
	env := s.Env(&evidence.Record{}, map[string]any{"status": 3, "host": "seahaven"})
	for text, want := range map[string]string{
		`call.ok && [1, 2][5] == call.value`:                 `[1, 2][5]: index out of range: 5 (array length is 2)`,
		`all(after.pins, .netns == [1][2])`:                  `[1][2]: index out of range: 2 (array length is 1)`,
		`call.value in map([1], [3][#])`:                     `map([1], [3][#]): index out of range: 1 (array length is 1)`,
		`call.value == 7 % (given.status - 3)`:               `7 % (given.status - 3): runtime error: integer divide by zero`,
		`call.value % (given.status - 3) == 0`:               `call.value % (given.status - 3): runtime error: integer divide by zero`,
		`output.stdout matches given.host + "["`:             `output.stdout matches given.host + "[": error parsing regexp: missing closing ]: ` + "`[`",
		`output.stdout matches given.host`:                   ``,
		`call.value == int(given.host)`:                      `int(given.host): invalid operation: int(seahaven)`,
		`probe.process.nspid[-1] == [1][0]`:                  ``,
		`let n = call.value; [1, 2][n] == 1`:                 ``,
		`split(output.stdout, "x")[1] == given.host`:         ``,
		`all([1, 2], probe.process.nspid[#] > given.status)`: ``,
		`len(split(given.host, "h")[1]) == 5 && call.ok`:     ``,
	} {
		e, err := s.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		if err := e.Broken(env); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", text, got, want)
		}
	}
}

// A word that a field never holds would make a comparison the same for all.
func TestWordsThatNeverAre(t *testing.T) {
	s := scope()
	for text, want := range map[string]string{
		`call.ok && call.errno != "EPREM"`:                                           `1:26: errno is never "EPREM", did you mean EPERM?`,
		`"EPREM" == call.errno`:                                                      `1:1: errno is never "EPREM", did you mean EPERM?`,
		`probe.acts.read.errno in ["EPERM", "EACCESS"]`:                              `1:26: errno is never "EACCESS", did you mean EACCES?`,
		`"CAP_SYS_ADMIN" not in probe.process.caps.effective`:                        `1:1: effective is never "CAP_SYS_ADMIN", did you mean SYS_ADMIN?`,
		"call.ok\n  && none(after.driver.fds, .type == \"fifo\")":                    `2:38: type is never "fifo", did you mean file?`,
		`after.files["/x"].type == "folder"`:                                         `1:27: type is never "folder", did you mean file?`,
		`all(after.processes, .state != "zombie")`:                                   `1:32: state is never "zombie", use one of: D, I, R, S, T, X, Z, t`,
		`mount(probe.process, "/").propagation in ["slave", "masters"]`:              `1:42: propagation is never "masters", use one of: private, shared, slave, slave+shared, unbindable`,
		`none(probe.process.caps.effective, # == "SYS_ADMN")`:                        `1:41: effective is never "SYS_ADMN", did you mean SYS_ADMIN?`,
		`none(filter(probe.process.caps.effective, # != "KIL"), # in ["SYS_ADMIN"])`: `1:48: effective is never "KIL", did you mean KILL?`,
		`none(filter(probe.process.caps.effective, # != "KILL"), # in ["SYS_ADMN"])`: `1:62: effective is never "SYS_ADMN", did you mean SYS_ADMIN?`,
		`"network" not in new_ns(probe.process, driver)`:                             `1:1: new_ns is never "network", use one of: cgroup, ipc, mnt, net, pid, user, uts`,
		`new_ns(probe.process, driver) == ["mount", "pid"]`:                          `1:34: new_ns is never "mount", did you mean mnt?`,
	} {
		if _, err := s.Compile(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v; want %s", text, err, want)
		}
	}
	for _, text := range []string{
		`call.errno == ""`, `call.errno in ["", "EPERM"]`, `call.errno == given.host`, `mount(probe.process, "/").type == "tmpfs"`,
		`"SYS_ADMIN" in probe.process.caps.bounding`, `all(probe.process.caps.effective, any(probe.process.argv, # == "SYS"))`, `after.driver.state != "Z" && call.error != "EPREM"`,
	} {
		if _, err := s.Compile(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What the scenario never gathers is zero for all.
func TestUngathered(t *testing.T) {
	s := NewScope(Names{Calls: []string{"many", "once"}, Repeated: []string{"many"}, Probes: []string{"first", "second"}, Asked: []string{"second"}})
	for text, want := range map[string]string{
		`call.ok && call.grown.fds == 0`:                            `1:17: grown of once, which is not made several times: give its step times: 2 or more`,
		`calls["once"].grown.fds == 0`:                              `1:15: grown of once, which is not made several times: give its step times: 2 or more`,
		`!probe.seen || probe.later.pid == 0`:                       `1:22: later of first, which no step asks: add a step probe: {name: first}`,
		`calls.many.grown.fds == 0 && probes.second.later.pid == 0`: ``,
	} {
		_, err := s.Compile(text)
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%s: got %v; want %s", text, err, want)
		}
	}
}

func TestGot(t *testing.T) {
	s := scope()
	rec := record()
	rec.Calls["wait"] = evidence.Call{Value: 3, Failed: true, Errno: "ESPIPE", Error: "illegal seek"}
	rec.Probes["probe"].Acts["read"] = evidence.ActResult{Errno: "EACCES"}
	env := s.Env(rec, map[string]any{"status": 3, "host": "seahaven"})
	for text, want := range map[string]string{
		`call.ok && given.status == 3`:                           `call.ok = false, call.error = "illegal seek"`,
		`calls.create.failed && call.failed`:                     `calls.create.failed = false`,
		`call.failed && call.errno == "EPERM"`:                   `call.errno = "ESPIPE", call.error = "illegal seek"`,
		`probe.acts.read.ok`:                                     `probe.acts.read.ok = false, probe.acts.read.errno = "EACCES"`,
		`calls.create.ok && call.value == 4 && given.host == ""`: `call.value = 3`,
		`call.value == given.status + 1`:                         `call.value = 3, given.status = 3`,
		`probe.process.nspid[-1] == 2`:                           `probe.process.nspid = [20 1]`,
		`probes.t.process.nspid[-1] == 1`:                        `probes.t.process.nspid = []`,
		`new_ns(probes.t.process, driver) == ["mnt"]`:            `new_ns: a process that was not seen`,
		`new_ns(probe.process, driver) == ["mnt"]`:               `new_ns(probe.process, driver) = ["pid"]`,
		`mount(probe.process, "/mnt").type == "old"`:             `mount(probe.process, "/mnt").type = "new"`,
		`len(left(before, after)) == 0`:                          `left(before, after) = ["1 descriptors" "2 zombies" "1 processes" "bystander reaped"]`,
		`all(after.pins, .netns > 0)`:                            `after.pins = [{name:"old"} {name:"new" netns:5}]`,
		`after.zombies == 0 || !after.bystander && false`:        `after.zombies = 2, after.bystander = false`,
		`"x" in probe.process.argv`:                              `probe.process.argv = []`,
	} {
		e, err := s.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := e.Got(env); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestGotIsBounded(t *testing.T) {
	rec := record()
	rec.Output.Stdout = strings.Repeat("é\x1b[31m", 100000)
	after := rec.At["after"]
	for range 10000 {
		after.Driver.Mounts = append(after.Driver.Mounts, evidence.Mount{Target: strings.Repeat("x", 300)})
	}
	rec.At["after"] = after
	s := scope()
	e, err := s.Compile(`output.stdout == "" || len(after.driver.mounts) == 0 || after.driver.pid == 0 && after.driver == driver`)
	if err != nil {
		t.Fatal(err)
	}
	got := e.Got(s.Env(rec, nil))
	if len(got) > 1000 || strings.Contains(got, "\x1b") {
		t.Errorf("got %d bytes: %.200s", len(got), got)
	}
}

// TestBounded makes expressions fail that would take long or much.
func TestBounded(t *testing.T) {
	s := scope()
	for _, text := range []string{
		`len(1..1000000000) > 0`,
		`len(map(1..50000, map(1..50000, #))) > 0`,
		`call.ok` + strings.Repeat(" && call.ok", 5000),
		strings.Repeat("(", 900) + "true" + strings.Repeat(")", 900),
	} {
		e, err := s.Compile(text)
		if err != nil {
			continue
		}
		if ok, err := e.Eval(s.Env(record(), nil)); ok && err == nil && len(text) > 1000 {
			continue
		} else if ok {
			t.Errorf("%.40s is true", text)
		}
	}
}

// TestEndless: what would take for ever is refused before it is tried.
func TestEndless(t *testing.T) {
	s := scope()
	for text, want := range map[string]string{
		`let a = 1..900; all(a, {all(a, {all(a, {# > 0})})}) && call.ok`:                   `1:24: more than 2 predicates in one another, which could take for ever`,
		`call.ok && call.value in 1..1001`:                                                 `1:27: a range that is not from one number to another, 1000 of them at most: compare with < and >`,
		`all(1..call.value, # > 0)`:                                                        `1:6: a range that is not from one number to another, 1000 of them at most: compare with < and >`,
		`all(after.driver.fds, .n in map(before.driver.fds, .n)) && call.value in 1..1000`: ``,
		`all(after.pins, all(.links, .up)) && all(after.pins, any(.routes, .via != ""))`:   ``,
	} {
		_, err := s.Compile(text)
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%s: got %v; want %s", text, err, want)
		}
	}
}

func TestHelpersAreDocumented(t *testing.T) {
	for _, h := range Helpers() {
		if h.Doc == "" || !strings.HasPrefix(h.Form, h.Name+"(") || len(h.types) == 0 {
			t.Errorf("%s is not documented", h.Name)
		}
	}
}

// TestKept: descriptors that may serve the next call are no leak, those of every
// call are.
func TestKept(t *testing.T) {
	with := func(targets string) snapshot {
		s := snapshot{Driver: evidence.Process{PID: 1}}
		for target := range strings.FieldsSeq(targets) {
			kind, _, _ := strings.Cut(target, ":")
			s.Driver.FDs = append(s.Driver.FDs, evidence.FD{Target: target, Type: kind})
		}
		return s
	}
	before := "pipe:[1] socket:[2]"
	for _, c := range []struct{ after, want string }{
		{before, ""},
		{before + " socket:[3] socket:[4] socket:[5]", ""},
		{before + " socket:[3] socket:[4] socket:[5] socket:[6]", "1 descriptors"},
		{before + " anon_inode:[signalfd] anon_inode:[eventpoll]", ""},
		{before + " anon_inode:[pidfd]", "1 descriptors"},
		{before + " pipe:[3]", "1 descriptors"},
		{before + " pipe:[3] pipe:[3]", ""},
		{before + " pipe:[3] pipe:[3] pipe:[4] pipe:[4]", "2 descriptors"},
	} {
		if got := strings.Join(left(with(before), with(c.after)), ", "); got != c.want {
			t.Errorf("left behind %q = %q; want %q", c.after, got, c.want)
		}
	}
}
