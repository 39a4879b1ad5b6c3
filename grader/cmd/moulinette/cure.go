package main

import (
	"cmp"
	"os"

	"moulinette/grader/box"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/spec"
)

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
	return inContainer()
}

// containerFlags are what a container has to be started with, so that its root opens a
// box and looks into it: mounts take CAP_SYS_ADMIN, /proc/PID of others CAP_SYS_PTRACE;
// the filter that is put on by default refuses pivot_root(2) even then, and the profile of
// AppArmor every mount.
const containerFlags = "--cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined --security-opt apparmor=unconfined"

// openFlags are the same for an ordinary user, and for root of a user namespace. They
// may mount no proc or sysfs of their own where parts of these are covered or read-only
// (mount_too_revealing), as they are in every container but a privileged one.
const openFlags = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined -v /sys:/sys"

// inContainer is the cure where the kernel could, and somebody will not have it.
func inContainer() spec.Text {
	cure := spec.Text{
		FR: "dans un conteneur : lancez celui-ci avec " + containerFlags + " (ou --privileged)",
		EN: "in a container: start it with " + containerFlags + " (or --privileged)",
	}
	if os.Geteuid() != 0 || !box.HasRanges() {
		cure.FR = "dans un conteneur : lancez celui-ci avec " + openFlags + " ; ou, pour un root qui soit celui de l'hôte, avec " + containerFlags
		cure.EN = "in a container: start it with " + openFlags + "; or, for a root that is the host's, with " + containerFlags
	}
	if _, err := vm.Doctor(vm.Options{}); err != nil {
		cure.FR += " ; ou installez-y QEMU (apt install qemu-system-x86), qui ne demande rien de tout cela"
		cure.EN += "; or install QEMU in it (apt install qemu-system-x86), which needs none of that"
	}
	return cure
}

// moreIDs is the cure for having one id only. Root has one in a container that maps one.
func (a *app) moreIDs() spec.Text {
	if os.Geteuid() == 0 {
		return spec.Text{
			FR: "ce conteneur n'a qu'un identifiant : donnez-lui-en 65536 (/etc/subuid et /etc/subgid de qui le lance)",
			EN: "this container has one id only: give it 65536 (/etc/subuid and /etc/subgid of whoever starts it)",
		}
	}
	cure := addSubIDs(cmp.Or(a.env("USER"), "$USER"))
	return spec.Text{FR: "en root, apt install uidmap, puis " + cure, EN: "as root, apt install uidmap, then " + cure}
}

// moreRoot is the cure for what only root of the host can grant.
func moreRoot() spec.Text {
	if os.Geteuid() == 0 {
		return spec.Text{
			FR: "ce root est celui d'un espace de noms utilisateur : un conteneur qui n'en a pas, ou --isolation=vm",
			EN: "this root is that of a user namespace: a container that has none, or --isolation=vm",
		}
	}
	return spec.Text{FR: "lancez la moulinette en root", EN: "run the moulinette as root"}
}

// boundBox is the cure for limits that bind each process and not the whole box.
func boundBox() spec.Text {
	if os.Geteuid() == 0 {
		return spec.Text{
			FR: "dans un conteneur, bornez celui-ci (docker run --memory 3g --pids-limit 4096) ; ailleurs, il faut pouvoir écrire dans /sys/fs/cgroup",
			EN: "in a container, bound that one (docker run --memory 3g --pids-limit 4096); elsewhere, /sys/fs/cgroup has to be writable",
		}
	}
	return spec.Text{FR: "lancez en root, ou par systemd-run --user --scope -p Delegate=yes moulinette …", EN: "run it as root, or by systemd-run --user --scope -p Delegate=yes moulinette …"}
}

// noKernel is what QEMU alone comes to.
var noKernel = symptom{
	follows: spec.Text{
		FR: "pas encore de noyau : la première correction dans une machine en demande un à apt, donc au réseau",
		EN: "no kernel yet: the first grading in a machine asks apt for one, and so the network",
	},
	cure: spec.Text{
		FR: "tant qu'il y a un réseau, moulinette vm build (ou make vm) ; sinon, apt install linux-image-cloud-amd64 dans l'image, ou --kernel FICHIER --modules DOSSIER",
		EN: "while there is a network, moulinette vm build (or make vm); else apt install linux-image-cloud-amd64 in the image, or --kernel FILE --modules DIR",
	},
}
