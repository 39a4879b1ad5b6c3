package spec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestShippedSpecs(t *testing.T) {
	all, err := LoadAll(os.DirFS("../../specs"))
	if err != nil {
		t.Fatalf("the shipped specs:\n%v", err)
	}
	for _, ex := range all {
		if ex.Draft || len(ex.Concepts) != 8 {
			t.Errorf("%s: got %d concepts; want 8, and no draft", ex.Name, len(ex.Concepts))
		}
	}
}

// TestTruman compares the metadata with the exercise's own words.
func TestTruman(t *testing.T) {
	ex, err := Load(os.DirFS("../../specs"), "truman_container.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var table []string
	for _, r := range ex.Rows {
		table = append(table, fmt.Sprintf("%s=%d", r.ID, r.Points))
	}
	for _, c := range []struct{ got, want any }{
		{strings.Join(table, " "), "pid_isolation=15 pid_visibility=10 network_namespace=15 veth_pair=10 mount_private=10 mount_slave=10 uid_mapping=10 container_create=10 container_wait=5 full_integration=5"},
		{ex.PassingScore, 70},
		{ex.Tier, 3},
		{ex.Pack.Difficulty, 7},
		{ex.Pack.XPBase, 500},
		{ex.Pack.XPBonusMultiplier, 4},
		{ex.Pack.DurationMinutes, 180},
		{ex.Pack.ExerciseID, "2.10.8-synth"},
		{ex.KernelMin, "4.6"},
		{len(ex.Norm.AllowedFunctions), 25},
		{ex.Norm.CheckMemory && ex.Norm.CheckSecurity && ex.Norm.Blocking && ex.RequiresRoot, true},
		{len(ex.Driver.EdgeCases), 5},
		{len(ex.Quiz), 10},
		{answers(ex), "CCCCCCDDCB"},
	} {
		if c.got != c.want {
			t.Errorf("got %v; want %v", c.got, c.want)
		}
	}
}

func answers(ex *Exercise) (letters string) {
	for _, q := range ex.Quiz {
		letters += q.Answer
	}
	return letters
}

// small is a whole spec, right as it stands. Bad-input tests change a line.
const small = `name: small
title: {fr: petit, en: small}
passing_score: 50
concepts:
  - {id: one, title: {fr: un, en: one}}
norm: {check_memory: true, checks: [{rule: fds, scenario: s.second}]}
rows:
  - {id: first, title: {fr: a, en: a}, points: 60, asks: {fr: a, en: a}, expected: {fr: a, en: a}, scenarios: [s.first]}
  - {id: second, title: {fr: a, en: a}, points: 40, asks: {fr: a, en: a}, expected: {fr: a, en: a}, requires: [first], scenarios: [s.second]}
scenarios:
  - id: s.first
    title: {fr: a, en: a}
    concepts: [one]
    needs: [faults]
    given: {status: {random: status}, host: {random: name}}
    world:
      targets: [{name: truman, flags: [user]}]
    faults: [{effect: new_pid, errno: EPERM}]
    watch: ["/run/netns/${host}"]
    steps:
      - create_pid_namespace: {}
        script: {exit: "${status}", do: [{do: hostname}]}
      - observe: middle
      - container_create: {config: {hostname: "x${host}", flags: [pid]}}
        script: {stay: true}
      - probe: {name: main, do: [{do: pids}], exit: 3}
      - container_wait: {}
      - write_uid_map: {process: truman, text: "0 0 1"}
      - host: {mount: /mnt/later}
      - kill: driver
    expect:
      - that: calls.create_pid_namespace.value == given.status && !after.files["/run/netns/" + given.host].exists
        hint: {fr: a, en: a}
        lesson: {fr: a, en: a}
        read: [clone(2)]
  - id: s.second
    title: {fr: a, en: a}
    concepts: [one]
    steps:
      - make_mount_private: {path: /}
    expect:
      - that: call.ok
        hint: {fr: a, en: a}
        lesson: {fr: a, en: a}
`

func loadText(text string) error {
	_, err := Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	return err
}

func TestSmallSpecIsRight(t *testing.T) {
	if err := loadText(small); err != nil {
		t.Fatal(err)
	}
}

// TestBadSpec changes one text of the small spec and expects one problem, at
// its place. A surplus problem fails as a missing one does.
func TestBadSpec(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"passing_score: 50", "pasing_score: 50", `t.yaml:3:1: unknown key "pasing_score" in the document; did you mean passing_score?`},
		{"passing_score: 50", "passing_score: many", `t.yaml:3:16: passing_score must be a whole number, found "many"`},
		{"points: 60,", `points: "60",`, `t.yaml:8:48: points must be a whole number, found the text "60"; take the quotes away`},
		{"points: 60,", "points: 60.5,", `t.yaml:8:48: points must be a whole number, found "60.5"; write a whole number`},
		{"points: 60,", "points: 'many',", `t.yaml:8:48: points must be a whole number, found the text "many"; write a whole number`},
		{"stay: true", "stay: 'true'", `stay must be true or false, found the text "true"; take the quotes away`},
		{"expected: {fr: a, en: a}", "expected: {fr: a}", `what row first expects lacks its en text; write expected: {fr: ..., en: ...}`},
		{"asks: {fr: a, en: a}", "asks: {fr: a}", `what row first asks lacks its en text; write asks: {fr: ..., en: ...}`},
		{"title: {fr: petit, en: small}", "title: {fr: petit}", `t.yaml:2:8: the title lacks its en text; write title: {fr: ..., en: ...}`},
		{"passing_score: 50\n", "", `t.yaml:1:1: there is no passing score, so 0 points would pass; add passing_score: from 1 to 100`},
		{"passing_score: 50", "passing_score: 0", `t.yaml:3:16: a passing score of 0; give passing_score: from 1 to 100`},
		{"passing_score: 50", "passing_score: -1\ndraft: true", `t.yaml:3:16: a passing score of -1`},
		{"passing_score: 50", "passing_score: 150", `t.yaml:3:16: a passing score of 150`},
		{"passing_score: 50", "passing_score: 99999999999999999999", `t.yaml:3:16: passing_score must be a whole number`},
		{"passing_score: 50", "tags: {a: b}", `t.yaml:3:7: tags must be a list, found a map`},
		{"passing_score: 50", "language: 3", `t.yaml:3:11: language must be text, found "3"; put it in quotes`},
		{"passing_score: 50", "draft: maybe", `t.yaml:3:8: draft must be true or false`},
		{"passing_score: 50", "name: again", `t.yaml:3:1: key "name" stands twice in the document, first at line 1`},
		{"name: small\n", "name: Very Small\n", `t.yaml:1:7: the name "Very Small" is no name`},
		{"en: small}", "en: ''}", `t.yaml:2:8: the title lacks its en text`},
		{"{fr: petit, en: small}", "{en: small}", `t.yaml:2:8: the title lacks its fr text`},
		{"points: 40", "points: 30", `t.yaml:8:3: the points of the rows sum to 90; make them 100`},
		{"points: 40", "points: 0", `row second is worth 0 points`},
		{"{id: second", "{id: first", `t.yaml:9:10: row id "first" is there twice`},
		{"requires: [first]", "requires: [frist]", `row second requires the unknown row "frist"; did you mean first?`},
		{"requires: [first]", "requires: [first, first]", `t.yaml:9:119: row second requires the row "first" twice; remove one`},
		{"points: 60,", "points: 60, requires: [second],", `t.yaml:8:5: rows require one another in a circle: first -> second -> first`},
		{"scenarios: [s.first]", "scenarios: [s.frist]", `unknown scenario "s.frist"; did you mean s.first?`},
		{"scenarios: [s.first]", "scenarios: [s.first, s.first]", `row first names the scenario "s.first" twice`},
		{"scenarios: [s.first]", "scenarios: []", `row first has no scenarios, so nobody could earn it`},
		{"scenarios: [s.first]", "scenarios: [s.second]", `t.yaml:11:5: scenario "s.first" is used by no row`},
		{"id: s.second", "id: s.first", `t.yaml:36:5: scenario id "s.first" is taken by t.yaml:11`},
		{"id: s.first\n", "id: S First\n", `t.yaml:11:9: the scenario id "S First" is no name`},
		{"rule: fds", "rule: fd", `t.yaml:6:37: unknown rule "fd"; did you mean fds?`},
		{"that: call.ok\n", "that: call.ok\n        rule: mounts\n", `t.yaml:6:37: no expectation of scenario "s.second" speaks for the rule fds, so this check finds nothing; add one with rule: fds, or remove the check`},
		{"that: call.ok\n", "that: call.ok\n        rule: mounts\n", `t.yaml:6:37: scenario "s.second" has an expectation for the rule mounts, for which nothing checks it, so it never becomes a finding; add {rule: mounts, scenario: s.second} to checks`},
		{"id: one, title", "id: two, title", `exercises the unknown concept "one"`},
		{"concepts:\n", "concepts:\n  - {id: idle, title: {fr: a, en: a}}\n", `t.yaml:5:5: concept "idle" is exercised by no scenario`},
		{"concepts:\n", "concepts:\n  - {id: one, title: {fr: a, en: a}}\n", `t.yaml:6:5: concept "one" has no id of its own`},
		{"needs: [faults]", "needs: [fault]", `t.yaml:14:13: unknown need "fault"; did you mean faults?`},
		{"needs: [faults]", "needs: [faults]\n    limits: {step_ms: -1}", `t.yaml:15:23: step_ms of -1 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {step_ms: 99999999999999}", `t.yaml:15:23: step_ms of 99999999999999 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {scenario_ms: 5}", `t.yaml:15:27: scenario_ms of 5 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {memory_mib: -1}", `t.yaml:15:26: memory_mib of -1 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {memory_mib: 1048576}", `t.yaml:15:26: memory_mib of 1048576 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {processes: 1}", `t.yaml:15:25: processes of 1 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {disk_mib: -1}", `t.yaml:15:24: disk_mib of -1 is out of range; stay between `},
		{"needs: [faults]", "needs: [faults]\n    limits: {output_kib: -1}", `t.yaml:15:26: output_kib of -1 is out of range; stay between `},
		{"needs: [faults]", "root: fake", `t.yaml:14:11: unknown root "fake"; write root: real`},
		{"needs: [faults]", "needs: [faults]\n    root: real", `t.yaml:8:5: every scenario of row first wants what many hosts lack`},
		{"    concepts: [one]\n    steps:", "    concepts: [one]\n    root: real\n    steps:", `t.yaml:6:37: the norm checks scenario "s.second", which wants what many hosts lack`},
		{"random: status", "random: statue", `unknown random kind "statue"; did you mean status?`},
		{"{random: status}", "[1]", `given status is neither text`},
		{"{random: name}", "2000-01-01", `given host is neither text`},
		{"status: {random: status}", "status: {random: status}, idle: 3", `t.yaml:15:39: given idle is never used`},
		{`exit: "${status}"`, `exit: "${statu}"`, `t.yaml:22:24: ${statu} is not given; did you mean status?`},
		{`exit: "${status}"`, `exit: "${host}"`, `t.yaml:22:24: exit must be a whole number, and ${host} is text; give it such a value, or refer to another`},
		{"name: truman, flags", `name: "${status}", flags`, `t.yaml:17:24: name must be text, and ${status} is a whole number`},
		{`exit: "${status}"`, `exit: "${status"`, `t.yaml:22:24: a reference without its closing brace`},
		{`exit: "${status}"`, `kill: 99`, `t.yaml:22:24: kill of 99 is out of range; stay between 1 and 64`},
		{"do: hostname", "do: signal, signal: -1", `signal of -1 is out of range`},
		{"do: hostname", "do: listen, port: 70000", `port of 70000 is out of range`},
		{`exit: "${status}"`, `exit: 300`, `t.yaml:22:24: an exit status of 300`},
		{`exit: "${status}"`, `stay: true`, `t.yaml:22:24: create_pid_namespace returns only when its probe has ended, so the probe cannot stay`},
		{"do: hostname", "do: hostnam", `unknown act "hostnam"; did you mean hostname?`},
		{"do: hostname", "do: zzzzzzzz", "pids, ... (all: `moulinette spec explain steps`)"},
		{"[{do: hostname}]", "[{do: stat, as: x, path: /}, {do: read, as: x, path: /}]", `the act "x" of this probe is there twice`},
		{"effect: new_pid", "effect: new_pids", `t.yaml:18:23: unknown effect "new_pids"; did you mean new_pid?`},
		{"errno: EPERM", "errno: EPRM", `t.yaml:18:39: unknown errno "EPRM"; did you mean EPERM?`},
		{"errno: EPERM", "errno: ZZZZZZZZ", "... (all: `moulinette spec explain faults`)"},
		{"effect: new_pid", "effect: zzzzzzzz", "... (all: `moulinette spec explain faults`)"},
		{", errno: EPERM", "", `t.yaml:18:14: a fault that neither fails nor holds a call`},
		{"errno: EPERM", "errno: EPERM, hold: true", `a fault that both fails and holds a call`},
		{"errno: EPERM", "errno: EPERM, nth: -1", `nth below 0`},
		{"world:\n", "world:\n      group: 7\n", `the group 7 goes with no user`},
		{"flags: [pid]}", "flags: [pid], no_cmd: true, cmd: [a]}", `a config with a command and without one`},
		{"flags: [user]", "flags: [usr]", `unknown namespace flag "usr"; did you mean user?`},
		{"flags: [pid]", "flags: [pids]", `unknown namespace flag "pids"; did you mean pid?`},
		{"- create_pid_namespace: {}", "- create_pid_namespaces: {}", `unknown call or key "create_pid_namespaces" in a step; did you mean create_pid_namespace?`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {paht: /, path: /}", `make_mount_private takes no argument "paht"; did you mean path?`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {}", `make_mount_private lacks its argument path`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: [a]}", `path must be text, found a list`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n        script: {exit: 1}", `make_mount_private starts no probe`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n        observe: x", `a step does one thing, this one has make_mount_private and observe`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n        as: Bad Name", `the label "Bad Name" is no name`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n        tmies: 3", `unknown call or key "tmies" in a step; did you mean times?`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n      - {}", `a step that does nothing`},
		{"- make_mount_private: {path: /}", "- make_mount_private: {path: /}\n        as: \"m${x}\"", `${x} is not given; remove it`},
		{"observe: middle", "observe: after", `the label "after" stands for the snapshots around all steps`},
		{"observe: middle", "observe: create_pid_namespace", `the label "create_pid_namespace" is taken by the step at line 21`},
		{"observe: middle", `observe: "m${status}"`, `a label, or the name of a probe, is made of a random value`},
		{"- probe: {name: main", "- probe: {name: mian", `no probe "mian" is started before this step; did you mean main?`},
		{"- probe: {name: main", "- probe: {name: probe", `the probe "probe" does not stay: it has ended by now`},
		{"process: truman", "process: trumann", `unknown process "trumann"; did you mean truman?`},
		{"process: truman", "pid: 3, process: truman", `write_uid_map takes either pid or process`},
		{"{mount: /mnt/later}", "{}", `host does one thing, this one has 0`},
		{"{mount: /mnt/later}", "{umount: /mnt/later, write: /x}", `host does one thing, this one has 2`},
		{"{mount: /mnt/later}", "{mount: mnt/later}", `t.yaml:29:23: "mnt/later" is no clean absolute path`},
		{"{mount: /mnt/later}", "{umount: /mnt/../later}", `t.yaml:29:24: "/mnt/../later" is no clean absolute path`},
		{"{mount: /mnt/later}", "{write: later}", `t.yaml:29:23: "later" is no clean absolute path`},
		{"{mount: /mnt/later}", "{netns_add: ../a}", `t.yaml:29:27: "../a" is no name of a network namespace`},
		{"world:\n", "world:\n      netns: [a, ../a]\n", `t.yaml:17:18: "../a" is no name of a network namespace`},
		{"world:\n", "world:\n      netns: [a, a]\n", `t.yaml:17:18: the network namespace "a" is there twice`},
		{"world:\n", "world:\n      mounts: [{target: /mnt}, {target: /mnt}]\n", `t.yaml:17:41: /mnt is mounted on twice`},
		{"world:\n", "world:\n      mounts: [{target: /mnt}, {target: /mnt/deep}, {target: /nowhere}]\n", `t.yaml:17:62: there is no /nowhere to mount on, and the root of the box is read-only; take one of /mnt, `},
		{"[{effect: new_pid, errno: EPERM}]", "[{effect: pipe, errno: EMFILE}, {effect: pipe, errno: EMFILE, nth: 2}]", `t.yaml:18:45: this fault never strikes: an earlier one takes every call that is pipe; tell them apart by nth or path, or remove one`},
		{"errno: EPERM", "errno: EPERM, path: /mnt", `t.yaml:18:52: a path for the effect new_pid, which is had on none, so the fault never strikes; remove path, which is for mount, `},
		{"new_pid, errno: EPERM", "umount, errno: EPERM, path: mnt", `t.yaml:18:51: "mnt" is no clean absolute path`},
		{"errno: EPERM", "hold: true, hold_ms: -5", `t.yaml:18:53: hold_ms of -5 is out of range`},
		{"do: hostname", "do: read", `t.yaml:22:42: the act read has no path; add path:`},
		{"do: hostname", "do: sleep, ms: -1", `t.yaml:22:42: a sleep of -1 milliseconds; give ms: from 1 to 600000`},
		{"do: hostname", "do: sleep, ms: 99999999999999", `a sleep of 99999999999999 milliseconds`},
		{"flags: [pid]}", "flags: [pid], clone_flags: 131072}", `a config with clone_flags and flags`},
		{"flags: [pid]}", "clone_flags: 4294967296}", `clone_flags of 4294967296 has more than 32 bits`},
		{"effect: new_pid, ", "", `t.yaml:18:14: a fault without an effect; add effect:; use one of: capset, `},
		{"do: hostname", "text: a", `t.yaml:22:42: unknown act ""`},
		{"world:\n", "world:\n      mounts: [{private: true}]\n", `t.yaml:17:16: "" is no clean absolute path`},
		{"world:\n", "world:\n      mount: []\n", `t.yaml:17:7: unknown key "mount" in world; did you mean mounts?`},
		{"needs: [faults]", "limits: {steps_ms: 200}", `t.yaml:14:14: unknown key "steps_ms" in limits; did you mean step_ms?`},
		{"errno: EPERM", "errno: EPERM, nht: 1", `unknown key "nht" in an item of faults; did you mean nth?`},
		{"{random: status}", "{rnadom: status}", `unknown key "rnadom" in given status; did you mean random?`},
		{"- observe: middle", "- observe: 3", `t.yaml:23:18: observe must be text`},
		{"- observe: middle", "- {observe: middle, observe: middle}", `key "observe" stands twice in a step`},
		{"passing_score: 50", "passing_score: 50\nuse: ['']", `t.yaml:4:7: "": this is no regular file; name an existing file, relative to this one`},
		{"script: {stay: true}", "async: true\n        times: 3", `t.yaml:24:9: async and times in one step: a call whose answer is not waited for is made once, and nothing follows it; remove one of them`},
		{"script: {stay: true}", "async: true\n        times: 3\n        then: [container_wait]", `t.yaml:24:9: async and then in one step: `},
		{"script: {stay: true}", "async: true\n        times: 3\n        anyhow: true", `t.yaml:24:9: async and anyhow in one step: `},
		{"kill: driver", "kill: christof", `cannot kill "christof"`},
		{"- kill: driver", "- kill: driver\n      - interface_up: {iface: lo}", `a call after the driver was killed`},
		{"config: {hostname: \"x${host}\", flags: [pid]}", "container: main", `the container "main" has no config yet`},
		{`watch: ["/run/netns/${host}"]`, `watch: ["/run/netns/x${host}"]`, `which is not watched; add it to watch:`},
		{"given.status && !after.files[", "given.status && !probe.files[", `the expression looks at the file "/run/netns/`},
		{"given.status && !after.files[", "given.status && !probe.files[", `, which is not watched; add it to watch: in the script of probe`},
		{"- container_wait: {}\n      -", "- probe: {name: main}\n      -", `t.yaml:27:16: the probe "main" has ended by now: an earlier step told it to exit, or killed it; ask it before that step`},
		{"exit: 3}\n      - container_wait: {}", "kill: 9}\n      - probe: {name: main}", `t.yaml:27:16: the probe "main" has ended by now`},
		{"that: call.ok", "that: call.ok && call.grown.fds == 0", `t.yaml:42:31: the expression does not hold together: grown of make_mount_private, which is not made several times`},
		{`watch: ["/run/netns/${host}"]`, `watch: ["/run/netns/${host}", "../x"]`, `"../x" is no clean absolute path`},
		{"host: {random: name}}", "host: {random: name}, ip: '${host}.1'}", `t.yaml:15:65: given ip refers to another value, which stays as it is written: no given value is made of others; write`},
		{"that: call.ok", "that: 'pin(after, \"${ns}\").name == \"\"'", `the expression does not hold together: ${ns} means nothing in an expression: write given.ns, or "text" + given.ns`},
		{"that: call.ok", "that: call.okay", `t.yaml:42:20: the expression does not hold together: type evidence.Call has no field okay, did you mean ok?`},
		{"that: call.ok", "that: 'call.okay'", `t.yaml:42:21: the expression does not hold together: type evidence.Call has no field okay, did you mean ok? (column 6 of it)`},
		{"that: call.ok", "that: |\n          call.ok &&\n            call.okay", `t.yaml:44:1: the expression does not hold together: type evidence.Call has no field okay, did you mean ok? (line 2, column 8 of it)`},
		{"that: call.ok", "that: >-\n          call.ok &&\n          call.okay", `t.yaml:43:1: the expression does not hold together: type evidence.Call has no field okay, did you mean ok? (column 17 of it)`},
		{"that: call.ok", "that: call.value", `expected bool, but got int`},
		{"that: call.ok", "that: calls.other.ok", `has no field other`},
		{"that: call.ok", "that: probe.seen", `unknown name probe`},
		{"that: call.ok", "that: call.ok ==", `unexpected token EOF`},
		{"that: call.ok", "that: call.ok && repeat(\"a\", 1000000000) == \"\"", `unknown name repeat`},
		{"that: call.ok", "that: call.ok && [1, 2][5] == 1", `the expression cannot be evaluated: [1, 2][5]: index out of range: 5 (array length is 2); correct it`},
		{"that: call.ok", "that: ''", `the expression does not hold together: unexpected token EOF`},
		{"that: call.ok", "that: zombies", `unknown name zombies (column`},
		{"that: call.ok", "that: given.status == 1", `has no field status, nor any other`},
		{"given.status &&", "given.nothing &&", `has no field nothing, use one of: host, status`},
		{"    concepts: [one]\n    steps:", "    concept: [one]\n    concepts: [one]\n    steps:", `unknown key "concept" in a scenario; did you mean concepts?`},
		{"given.status &&", "given.statu &&", `has no field statu, did you mean status?`},
		{"given.status &&", `"37" &&`, `invalid operation: == (mismatched types int and string)`},
		{"that: call.ok\n        hint: {fr: a, en: a}", "that: call.ok\n        hint: {fr: a}", `t.yaml:43:15: the hint lacks its en text`},
		{"that: call.ok\n        hint: {fr: a, en: a}\n        lesson: {fr: a, en: a}", "that: call.ok\n        hint: {fr: a, en: a}", `t.yaml:42:15: the lesson lacks its`},
		{"that: call.ok\n        hint: {fr: a, en: a}", "that: call.ok\n        go: {lesson: {fr: a}}\n        hint: {fr: a, en: a}", `the lesson for Go lacks its en text`},
		{"that: call.ok\n        hint: {fr: a, en: a}", "that: call.ok\n        go: {hint: {en: a}}\n        hint: {fr: a, en: a}", `the hint for Go lacks its fr text`},
		{"that: call.ok\n        hint: {fr: a, en: a}", "that: call.ok\n        go: {read: ['']}\n        hint: {fr: a, en: a}", `an empty entry in read`},
		{"    expect:\n      - that: call.ok\n        hint: {fr: a, en: a}\n        lesson: {fr: a, en: a}\n", "", `scenario "s.second" expects nothing`},
		{"    steps:\n      - make_mount_private: {path: /}\n", "", `scenario "s.second" has no steps`},
		{"passing_score: 50", "use: [../x.yaml]", `t.yaml:3:7: "../x.yaml" leads out of the folder of specs`},
		{"passing_score: 50", "use: [none.yaml]", `t.yaml:3:7: "none.yaml": file does not exist`},
		{"passing_score: 50", "quiz: [{question: {fr: a, en: a}, options: [], answer: A, explanation: {fr: a, en: a}}]", `a question with 0 options; give ten, A to J`},
		{"passing_score: 50", "driver: {edge_cases: [{name: trap, is_trap: true}]}", `the trap "trap" is not explained`},
		{"passing_score: 50", "kernel_features: !!str x", `t.yaml:3:18: an explicit tag (!!str)`},
		{"passing_score: 50", "tags: &a [x]", `t.yaml:3:7: an anchor (&a)`},
		{"passing_score: 50", "\tpassing_score: 50", `t.yaml:3:1: a tab in the indentation; indent with blanks`},
		{"passing_score: 50", "passing_score: 50\n---\nname: x", `keep one document a file`},
		{"passing_score: 50", "passing_score: \xff", `t.yaml:3:16: this is not UTF-8`},
		{"passing_score: 50", "passing_score: 50\n? [a, b]\n: 3", `a key that is no plain word`},
		{"passing_score: 50", "passing_score: [", `t.yaml:`},
	} {
		t.Run(strings.ReplaceAll(c.new, " ", "_"), func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatalf("the small spec has no %q", c.old)
			}
			err := loadText(text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestAllProblemsAtOnce wants every problem, in the order of the file.
func TestAllProblemsAtOnce(t *testing.T) {
	text := strings.NewReplacer("passing_score: 50", "pasing_score: 50", "points: 40", "points: 30", "needs: [faults]", "needs: [fault]",
		"kill: driver", "kill: all", "call.ok", "call.oh").Replace(small)
	problems, ok := errors.AsType[Problems](loadText(text))
	if !ok || len(problems) != 6 {
		t.Fatalf("got %d problems; want 6:\n%v", len(problems), problems)
	}
	for i, line := range []int{1, 3, 8, 14, 30, 42} {
		if problems[i].Line != line {
			t.Errorf("problem %d: got %v; want line %d", i, problems[i], line)
		}
	}
}

// TestUsedFiles: of a file that cannot be read nothing else is said, and what is in no
// file is told how it would be known.
func TestUsedFiles(t *testing.T) {
	head, scenarios, _ := strings.Cut(small, "scenarios:\n")
	library := "scenarios:\n" + scenarios
	for name, c := range map[string]struct{ use, library, want string }{
		"no such file": {"[s.yml]", library, `t.yaml:1:7: "s.yml": file does not exist; name an existing file, relative to this one`},
		"no YAML":      {"[s.yaml]", "a: 'b\n", `s.yaml:1:1: `},
		"no map":       {"[s.yaml]", "- a\n", `s.yaml:1:1: the document must be a map of keys and values, found a list`},
		"twice":        {"[s.yaml, ./s.yaml]", library, `t.yaml:1:15: "./s.yaml" stands twice under use; remove one`},
		"not named":    {"[o.yaml]", library, `unknown scenario "s.first"; use one of: s.other (a file of scenarios is known once it stands under use:)`},
	} {
		t.Run(name, func(t *testing.T) {
			other := strings.ReplaceAll(library[:strings.Index(library, "  - id: s.second")], "s.first", "s.other")
			_, err := Load(fstest.MapFS{
				"t.yaml": {Data: []byte("use: " + c.use + "\n" + head)}, "s.yaml": {Data: []byte(c.library)}, "o.yaml": {Data: []byte(other)},
			}, "t.yaml")
			var problems Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v; want %s", err, c.want)
			}
			if name != "not named" && len(problems) != 1 {
				t.Errorf("got %d problems; want one:\n%v", len(problems), err)
			}
		})
	}
}

// TestTooManySteps: each step is compared with those before it.
func TestTooManySteps(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"      - make_mount_private: {path: /}\n", strings.Repeat("      - make_mount_private: {path: /}\n", 201), `t.yaml:240:9: 201 steps, more than 200; make it several scenarios`},
		{"{do: hostname}", strings.Repeat("{do: hostname}, ", 201), `t.yaml:22:42: 201 acts of one probe, more than 200; make it several scenarios`},
	} {
		problems, _ := errors.AsType[Problems](loadText(strings.Replace(small, c.old, c.new, 1)))
		if len(problems) != 1 || !strings.Contains(problems.Error(), c.want) {
			t.Errorf("got\n%v\nwant\n%s", problems, c.want)
		}
	}
}

// TestOnce: what is not given, and what is no number, is found wrong in no second way.
func TestOnce(t *testing.T) {
	for old, text := range map[string]string{`exit: "${status}"`: `exit: "${statu}", kill: "${status}"`, "passing_score: 50": "passing_score: many", "points: 60": "points: '60'"} {
		problems, _ := errors.AsType[Problems](loadText(strings.Replace(small, old, text, 1)))
		if len(problems) != 1 {
			t.Errorf("%s: got %d problems; want one:\n%v", text, len(problems), problems)
		}
	}
}

// TestNoExercise: one thing is wrong with what is no exercise at all.
func TestNoExercise(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n": "t.yaml:1:1: the document must be a map of keys and values, found a list; write a map of keys and values",
		"a\n":   `t.yaml:1:1: the document must be a map of keys and values, found "a"; write a map of keys and values`,
		"scenarios:\n" + small[strings.Index(small, "  - id: s.first"):]: "t.yaml:1:1: this is a file of scenarios, no exercise; check the exercise that names it under use:",
	} {
		if err := loadText(text); err == nil || err.Error() != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
	}
}

// TestNoScenarios: where there is none, another name is no cure.
func TestNoScenarios(t *testing.T) {
	head, _, _ := strings.Cut(small, "scenarios:\n")
	want := `unknown scenario "s.first"; write it under scenarios:, or name the file that has it under use:`
	if err := loadText(head); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestHostileFiles must be refused, and at once.
func TestHostileFiles(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"alias bomb":       {bomb, "aliases are not taken"},
		"merge key":        {"a: &a {b: c}\n<<: *a\n", "aliases are not taken"},
		"10 MB of nesting": {strings.Repeat("[", 10<<20), "more than 1048576"},
		"brackets":         {strings.Repeat("[", 1<<19), "nested too deeply"},
		"dashes":           {strings.Repeat("- ", 1<<18), "nested too deeply"},
		"indentation":      {indented(1200), "nested too deeply"},
		"many values":      {"tags: [" + strings.Repeat("a,", 200000) + "]", "more than 100000 values"},
		"too large":        {strings.Repeat("# a comment\n", 1<<17), "more than 1048576"},
		"empty":            {"", "t.yaml: the file is empty; write something into it"},
		"only a comment":   {"# nothing\n", "the file is empty"},
		"a list":           {"- a\n", "the document must be a map of keys and values, found a list"},
		"null":             {"~\n", "t.yaml:1:1: the document must be a map of keys and values, found nothing; write a map of keys and values"},
		"utf-16":           {"\xff\xfen\x00a\x00", "this is not UTF-8"},
		"control":          {"name: a\nb: \x01\n", "t.yaml:2:4: a control character (U+0001); remove it"},
		"nul":              {"name: \x00\n", "t.yaml:1:7: a control character (U+0000); remove it"},
		"null scenarios":   {"name: x\nscenarios: [~, ~]\nrows: [~]\n", "the points of the rows sum to 0"},
	} {
		t.Run(name, func(t *testing.T) {
			err := loadText(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %.300v; want %s", err, c.want)
			}
		})
	}
}

func indented(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestMissingFiles(t *testing.T) {
	for _, file := range []string{"none.yaml", "../t.yaml", "/etc/passwd", "folder"} {
		_, err := Load(fstest.MapFS{"folder/x": {Data: []byte("x")}}, file)
		if err == nil || !strings.HasPrefix(err.Error(), file+": ") {
			t.Errorf("%s: got %v", file, err)
		}
	}
	if _, err := LoadAll(fstest.MapFS{}); err == nil {
		t.Error("an empty folder is loaded")
	}
}

func TestSharedScenarios(t *testing.T) {
	head, scenarios, _ := strings.Cut(small, "scenarios:\n")
	spare := strings.Replace(scenarios[strings.Index(scenarios, "  - id: s.second"):], "s.second", "s.spare", 1)
	fsys := fstest.MapFS{
		"a.yaml":     {Data: []byte(head + "use: [lib/s.yaml]\n")},
		"b.yaml":     {Data: []byte(strings.Replace(head, "name: small", "name: other", 1) + "use: [lib/s.yaml]\n")},
		"lib/s.yaml": {Data: []byte("scenarios:\n" + scenarios)},
	}
	if _, err := LoadAll(fsys); err != nil {
		t.Fatal(err)
	}
	fsys["lib/s.yaml"].Data = []byte("scenarios:\n" + scenarios + spare)
	if _, err := Load(fsys, "a.yaml"); err != nil {
		t.Fatalf("one spec need not use all of a shared file: %v", err)
	}
	_, err := LoadAll(fsys)
	if want := `scenario "s.spare" is used by no row of any spec`; err == nil || strings.Count(err.Error(), want) != 1 {
		t.Errorf("got %v; want once %s", err, want)
	}
	fsys["b.yaml"] = fsys["a.yaml"]
	if _, err := LoadAll(fsys); err == nil || !strings.Contains(err.Error(), "is that of a.yaml too") {
		t.Errorf("got %v; want the name refused", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(small)
	f.Add("name: x\nscenarios: [{given: {a: {random: name}}, steps: [{observe: \"${a}\"}], expect: [{that: \"1..9 == []\"}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		ex, err := Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
		if err != nil {
			return
		}
		for id, s := range ex.Scenarios {
			s.Resolve(3)
			Explain(ex, id, "fr")
		}
	})
}
