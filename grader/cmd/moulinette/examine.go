package main

import (
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
	"moulinette/grader/lack"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// examine looks at the host, simple things first; each looks for itself, so
// that one lack does not hide another.
func (a *app) examine(ctx context.Context) []symptom {
	limits := ulimits()
	if limits.level != good { // with so little, nothing can be tried
		return []symptom{kernelVersion(), limits}
	}
	users := userNamespaces(ctx)
	spaces := append([]symptom{users}, a.sandbox(users.level == good)...)
	machines, possible := a.machines()
	if _, err := a.agentPath(); err == nil && possible {
		inMachines(spaces)
	}
	symptoms := append([]symptom{kernelVersion(), limits}, spaces...)
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

// kernelVersion: boxes are made with mount_setattr(2), which came with 5.12, after
// all that faults and evidence take.
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
	if major < 5 || major == 5 && minor < 12 {
		s.level = lacking
		s.follows = spec.Text{FR: "--isolation=ns n'y ouvre rien : mount_setattr(2) manque", EN: "--isolation=ns opens nothing there: mount_setattr(2) is missing"}
		s.cure = spec.Text{FR: "un noyau 5.12 ou plus récent", EN: "a kernel of 5.12 or later"}
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
	s.cure = a.moreIDs()
	return s
}

// sandbox opens a box, as a grading does, and tells what it offers. The cure may have
// been told with the user namespaces, which were looked at before.
func (a *app) sandbox(users bool) []symptom {
	s := symptom{name: spec.Text{FR: "bac à sable", EN: "sandbox"}, level: good}
	agent, err := a.agentPath()
	var opener *ns.Opener
	if err == nil {
		opener, err = ns.New(ns.Options{Agent: agent})
	}
	if err != nil {
		s.level, s.saw = fatal, lack.In(a.lang, err)
		s.follows = spec.Text{FR: "aucune correction n'est possible ici", EN: "nothing can be graded here"}
		s.cure = spec.Text{FR: "voyez la cause ci-contre, et les lignes au-dessus", EN: "see the cause beside it, and the lines above"}
		refused := strings.Contains(s.saw, unix.EPERM.Error()) || strings.Contains(s.saw, unix.EACCES.Error()) // it came through a pipe, as text
		if users && refused {
			s.cure = inContainer()
		}
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
		cure: moreRoot(),
	}
	if feature == "faults" {
		s.cure = spec.Text{
			FR: "un noyau avec CONFIG_SECCOMP_FILTER ; dans un conteneur, --security-opt seccomp=unconfined",
			EN: "a kernel with CONFIG_SECCOMP_FILTER; in a container, --security-opt seccomp=unconfined",
		}
		if sysctl("/proc/sys/kernel/yama/ptrace_scope") == "3" {
			s.cure = spec.Text{
				FR: "kernel.yama.ptrace_scope vaut 3, ce que seul un redémarrage change : 2 ou moins dans /etc/sysctl.d, ou --isolation=vm",
				EN: "kernel.yama.ptrace_scope is 3, which only a reboot changes: 2 or less in /etc/sysctl.d, or --isolation=vm",
			}
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
	s.cure = boundBox()
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
	cmd := exec.CommandContext(ctx, "go", "version")
	cmd.Dir = "/" // as for a build: where we are may have been removed, or ask for another Go
	out, err := cmd.Output()
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
	builder := &build.Builder{Cache: cache, CC: a.env("CC"), Jail: agent, Hide: private()}
	if err == nil {
		err = builder.Look(ctx)
	}
	if err != nil {
		s.level, s.saw = fatal, lack.In(a.lang, err)
		s.follows = spec.Text{FR: "les rendus ne peuvent pas être compilés", EN: "submissions cannot be built"}
		s.cure = spec.Text{FR: "voyez la cause ci-contre", EN: "see the cause beside it"}
		return s
	}
	s.saw = builder.Boxed(submission.Go)
	bare := s.saw == "nothing"
	if builder.LookC(ctx) == nil { // or the line before says what is wrong
		c := builder.Boxed(submission.C17)
		bare = bare || c == "nothing"
		if c != s.saw {
			s.saw = fmt.Sprintf("Go: %s, C: %s", s.saw, c)
		}
	}
	if bare {
		s.level = lacking
		s.follows = spec.Text{FR: "le compilateur d'un rendu voit les fichiers de cette machine", EN: "a submission's compiler sees this host's files"}
		s.cure = spec.Text{FR: "des espaces de noms utilisateur, ou Landlock (Linux 5.13)", EN: "user namespaces, or Landlock (Linux 5.13)"}
	}
	return s
}

// machines tells whether there can be virtual machines, and how fast they would
// be. They are needed where namespaces are refused, and with --isolation=vm.
func (a *app) machines() (s symptom, possible bool) {
	s = symptom{name: spec.Text{FR: "machines virtuelles", EN: "virtual machines"}, level: good}
	kept := ""
	if cache, remove, err := cacheDir(); err == nil {
		defer remove()
		kept = machineCache(cache)
	}
	accel, err := vm.Doctor(vm.Options{Cache: kept})
	if err != nil {
		s.level, s.saw = lacking, lack.In(a.lang, err)
		s.follows = spec.Text{FR: "pas de --isolation=vm, qui n'a besoin ni de root ni d'espaces de noms", EN: "no --isolation=vm, which needs neither root nor namespaces"}
		s.cure = spec.Text{FR: "en root, apt install qemu-system-x86", EN: "as root, apt install qemu-system-x86"}
		return s, false
	}
	if kept != "" && !vm.KernelAtHand(vm.Options{Cache: kept}) {
		s.level, s.follows, s.cure = lacking, noKernel.follows, noKernel.cure
	}
	// So much a fresh machine and its scenario take, on one processor.
	s.saw = map[vm.Accel]string{
		vm.KVM: "qemu, kvm", vm.TCG: "qemu, tcg (~1 s / scenario)",
		"": spec.Text{FR: "qemu, kvm (pas encore essayé)", EN: "qemu, kvm (not tried yet)"}.In(a.lang),
	}[accel]
	return s, true
}
