package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/box"
	"moulinette/grader/build"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// examine looks at the host, simple things first; each looks for itself, so
// that one lack does not hide another.
func (a *app) examine(ctx context.Context) []symptom {
	spaces := append([]symptom{userNamespaces(ctx)}, a.sandbox()...)
	machines := a.machines()
	if _, err := a.agentPath(); err == nil && machines.level == good {
		inMachines(spaces)
	}
	symptoms := append([]symptom{kernelVersion()}, spaces...)
	return append(append(symptoms, machines), goTool(ctx), a.ccTool(), a.compilers(ctx))
}

// inMachines makes what is fatal for namespaces no more than that: there are
// machines to grade in.
func inMachines(spaces []symptom) {
	for i := range spaces {
		if spaces[i].level == fatal {
			spaces[i].level = lacking
			spaces[i].follows = spec.Text{
				FR: "on corrige dans des machines virtuelles (--isolation=vm, ou auto), plus lentement",
				EN: "grading takes virtual machines (--isolation=vm, or auto), and longer",
			}
		}
	}
}

// kernelVersion: seccomp can let a call go on since 5.5, and pidfds can be
// waited for since 5.4; below, faults and evidence are not to be had.
func kernelVersion() symptom {
	s := symptom{name: spec.Text{FR: "noyau", EN: "kernel"}, level: good}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		s.saw, s.level = err.Error(), fatal
		return s
	}
	s.saw = unix.ByteSliceToString(u.Release[:])
	var major, minor int
	_, _ = fmt.Sscanf(s.saw, "%d.%d", &major, &minor)
	if major < 5 || major == 5 && minor < 10 {
		s.level = lacking
		s.follows = spec.Text{FR: "des scénarios resteront « non jugés » : la notification seccomp y est incomplète", EN: "some scenarios stay \"not judged\": its seccomp notification is incomplete"}
		s.cure = spec.Text{FR: "un noyau 5.10 ou plus récent", EN: "a kernel of 5.10 or later"}
	}
	return s
}

// userNamespaces tries one, with a mount in it: where AppArmor restricts them,
// making one succeeds and using it does not.
func userNamespaces(ctx context.Context) symptom {
	s := symptom{name: spec.Text{FR: "espaces de noms utilisateur", EN: "user namespaces"}, level: good, saw: "ok"}
	self, err := os.Executable()
	if err == nil {
		child := exec.CommandContext(ctx, self, "version")
		child.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:   unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
			Unshareflags: unix.CLONE_NEWNS, // package syscall also makes / private in it
			UidMappings:  []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings:  []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			Credential:   &syscall.Credential{NoSetGroups: true},
			Pdeathsig:    syscall.SIGKILL,
		}
		err = child.Run()
	}
	if err != nil {
		s.level, s.saw = fatal, err.Error()
		s.follows = spec.Text{FR: "aucune correction n'est possible ici", EN: "nothing can be graded here"}
		s.cure = whyNoUserNamespace()
	}
	return s
}

// whyNoUserNamespace reads the switches that distributions have for it.
func whyNoUserNamespace() spec.Text {
	for _, lock := range []struct {
		file, locked, cure string
		root               bool // it binds root, too
	}{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000", true},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1", false},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", false},
	} {
		if sysctl(lock.file) != lock.locked {
			continue
		}
		cure := spec.Text{
			FR: lock.file + " vaut " + lock.locked + " : en root, " + lock.cure,
			EN: lock.file + " is " + lock.locked + ": as root, " + lock.cure,
		}
		if !lock.root {
			cure.FR += " ; ou lancez la moulinette en root"
			cure.EN += "; or run the moulinette as root"
		}
		return cure
	}
	return spec.Text{
		FR: "dans un conteneur, lancez celui-ci avec --security-opt seccomp=unconfined --security-opt apparmor=unconfined, ou --privileged",
		EN: "in a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged",
	}
}

func sysctl(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// ids tells how many ids a box has: one, for an ordinary user without
// subordinate ones.
func (a *app) ids(mode box.Mode) symptom {
	s := symptom{name: spec.Text{FR: "identifiants", EN: "ids"}, level: good, saw: string(mode)}
	if mode != box.Single {
		return s
	}
	s.level, s.saw = lacking, "1"
	for _, helper := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(helper); err != nil {
			s.saw += ", " + helper + ": not found"
		}
	}
	s.follows = spec.Text{
		FR: "le bac à sable n'a qu'un identifiant : les scénarios qui en demandent plusieurs ne sont pas jugés",
		EN: "the sandbox has one id only: scenarios that need several are not judged",
	}
	cure := addSubIDs(cmp.Or(a.env("USER"), "$USER"))
	s.cure = spec.Text{FR: "en root, apt install uidmap, puis " + cure, EN: "as root, apt install uidmap, then " + cure}
	return s
}

// sandbox opens a box, as a grading does, and tells what it offers.
func (a *app) sandbox() []symptom {
	s := symptom{name: spec.Text{FR: "bac à sable", EN: "sandbox"}, level: good}
	agent, err := a.agentPath()
	var opener *ns.Opener
	if err == nil {
		opener, err = ns.New(ns.Options{Agent: agent})
	}
	if err != nil {
		s.level, s.saw = fatal, err.Error()
		s.follows = spec.Text{FR: "aucune correction n'est possible ici", EN: "nothing can be graded here"}
		s.cure = spec.Text{FR: "voyez la cause ci-contre, et les lignes au-dessus", EN: "see the cause beside it, and the lines above"}
		return []symptom{s}
	}
	host := opener.Host()
	s.saw = host.Tier + ": " + strings.Join(host.Features, ", ")
	all := []symptom{s, a.ids(opener.Mode()), cgroups(host.Features)}
	for _, feature := range []string{"faults", "devices", "proc_remount"} {
		if !slices.Contains(host.Features, feature) {
			all = append(all, lackingFeature(feature))
		}
	}
	return all
}

// lackingFeature explains a feature that boxes of this host do not have.
func lackingFeature(feature string) symptom {
	s := symptom{
		name: spec.Text{FR: feature, EN: feature}, level: lacking, saw: "-",
		follows: spec.Text{
			FR: "indisponible : " + spec.Features()[feature].FR + " ; ce qui en dépend n'est pas jugé",
			EN: "not available: " + spec.Features()[feature].EN + "; what depends on it is not judged",
		},
		cure: spec.Text{FR: "lancez la moulinette en root", EN: "run the moulinette as root"},
	}
	if feature == "faults" {
		s.cure = spec.Text{
			FR: "un noyau avec CONFIG_SECCOMP_FILTER ; dans un conteneur, --security-opt seccomp=unconfined",
			EN: "a kernel with CONFIG_SECCOMP_FILTER; in a container, --security-opt seccomp=unconfined",
		}
	}
	return s
}

// cgroups tells which hierarchy there is, and which limits come of it.
func cgroups(features []string) symptom {
	s := symptom{name: spec.Text{FR: "limites", EN: "limits"}, level: good, saw: "cgroup " + hierarchy()}
	var by []string
	for _, limit := range []struct{ feature, name string }{{"memory_limit", "memory"}, {"process_limit", "processes"}} {
		if slices.Contains(features, limit.feature) {
			by = append(by, limit.name+": cgroup")
			continue
		}
		by = append(by, limit.name+": rlimit")
		s.level = lacking
	}
	s.saw += " (" + strings.Join(by, ", ") + ")"
	s.follows = spec.Text{FR: "la mémoire et les processus d'un rendu sont limités un par un, non pour toute la boîte", EN: "a submission's memory and processes are limited one by one, not for the whole box"}
	s.cure = spec.Text{FR: "lancez en root, ou par systemd-run --user --scope -p Delegate=yes moulinette …", EN: "run it as root, or by systemd-run --user --scope -p Delegate=yes moulinette …"}
	return s
}

// hierarchy is how control groups are mounted here.
func hierarchy() string {
	var fs unix.Statfs_t
	switch err := unix.Statfs("/sys/fs/cgroup", &fs); {
	case err != nil:
		return "none"
	case int64(fs.Type) == unix.CGROUP2_SUPER_MAGIC:
		return "v2"
	}
	if err := unix.Statfs("/sys/fs/cgroup/unified", &fs); err == nil && int64(fs.Type) == unix.CGROUP2_SUPER_MAGIC {
		return "hybrid"
	}
	return "v1"
}

func goTool(ctx context.Context) symptom {
	s := symptom{name: spec.Text{FR: "go", EN: "go"}, level: good}
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if s.saw = strings.TrimSpace(string(out)); err != nil {
		s.level, s.saw = fatal, err.Error()
		s.follows = spec.Text{FR: "les rendus ne peuvent pas être compilés", EN: "submissions cannot be built"}
		s.cure = spec.Text{FR: "installez Go 1.26 ou plus récent, et mettez-le dans PATH", EN: "install Go 1.26 or later, and put it in PATH"}
	}
	return s
}

// ccTool looks for the compiler of C that a grading takes.
func (a *app) ccTool() symptom {
	s := symptom{name: spec.Text{FR: "gcc", EN: "gcc"}, level: good}
	var err error
	for _, name := range build.Compilers(a.env("CC")) {
		if s.saw, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		s.level, s.saw = lacking, "-"
		s.follows = spec.Text{FR: "pas de rendus en C17", EN: "no C17 submissions"}
		s.cure = spec.Text{FR: "apt install gcc libc6-dev", EN: "apt install gcc libc6-dev"}
		if asked := a.env("CC"); asked != "" {
			s.saw = "CC=" + asked
			s.cure = spec.Text{FR: "effacez CC (unset CC), ou nommez-y un programme, sans options", EN: "unset CC, or have it name a program, without flags"}
		}
	}
	return s
}

// compilers tells what a stranger's text is compiled in.
func (a *app) compilers(ctx context.Context) symptom {
	s := symptom{name: spec.Text{FR: "compilation", EN: "compilation"}, level: good}
	agent, err := a.agentPath()
	cache, remove, cacheErr := cacheDir()
	if err == nil {
		err = cacheErr
	}
	if cacheErr == nil {
		defer remove()
	}
	builder := &build.Builder{Cache: cache, Jail: agent}
	if err == nil {
		err = builder.Look(ctx)
	}
	if err != nil {
		s.level, s.saw = fatal, err.Error()
		s.follows = spec.Text{FR: "les rendus ne peuvent pas être compilés", EN: "submissions cannot be built"}
		s.cure = spec.Text{FR: "voyez la cause ci-contre", EN: "see the cause beside it"}
		return s
	}
	if s.saw = builder.Boxed(submission.Go); s.saw == "nothing" {
		s.level = lacking
		s.follows = spec.Text{FR: "le compilateur d'un rendu voit les fichiers de cette machine", EN: "a submission's compiler sees this host's files"}
		s.cure = spec.Text{FR: "des espaces de noms utilisateur, ou Landlock (Linux 5.13)", EN: "user namespaces, or Landlock (Linux 5.13)"}
	}
	return s
}

// machines tells whether there can be virtual machines, and how fast they would
// be. They are needed where namespaces are refused, and with --isolation=vm.
func (a *app) machines() symptom {
	s := symptom{name: spec.Text{FR: "machines virtuelles", EN: "virtual machines"}, level: good}
	accel, err := vm.Doctor(vm.Options{})
	if err != nil {
		s.level, s.saw = lacking, err.Error()
		s.follows = spec.Text{FR: "pas de --isolation=vm, qui n'a besoin ni de root ni d'espaces de noms", EN: "no --isolation=vm, which needs neither root nor namespaces"}
		s.cure = spec.Text{FR: "en root, apt install qemu-system-x86", EN: "as root, apt install qemu-system-x86"}
		return s
	}
	// So much a fresh machine and its scenario take, on one processor.
	s.saw = map[vm.Accel]string{vm.KVM: "qemu, kvm", vm.TCG: "qemu, tcg (~1 s / scenario)"}[accel]
	return s
}
