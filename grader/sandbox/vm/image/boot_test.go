package image_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/sandbox/vm/image"
)

// TestMain is also the guest's /init, as the test binary is the agent here.
func TestMain(m *testing.M) {
	if os.Getpid() == 1 && len(os.Args) > 0 && os.Args[0] == "/init" {
		guest()
	}
	os.Exit(m.Run())
}

// guest loads the modules and tells on the console what came of it.
func guest() {
	defer func() { _ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) }()
	order, err := os.ReadFile("/modules/order")
	if err != nil {
		fmt.Println("order:", err)
	}
	for name := range strings.FieldsSeq(string(order)) {
		if err := load("/modules/" + name); err != nil {
			fmt.Println(name+":", err)
		}
	}
	_ = os.Mkdir("/sys", 0o755)
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		fmt.Println("sysfs:", err)
	}
	ports, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, port := range ports {
		name, err := os.ReadFile(port)
		fmt.Println("port", strings.TrimSpace(string(name)), err)
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	fmt.Println("release", unix.ByteSliceToString(u.Release[:]))
}

func load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.FinitModule(int(file.Fd()), "", 0)
}

// TestBuildBoots fetches a kernel as a machine without one does, and boots it.
func TestBuildBoots(t *testing.T) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("no qemu-system-x86_64: apt install qemu-system-x86")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options := image.Options{Cache: t.TempDir(), Agent: self}
	built, err := image.Build(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := image.Build(ctx, options); err != nil || *again != *built {
		t.Errorf("the second time %+v, %v; want %+v", again, err, built)
	}
	console, err := exec.CommandContext(ctx, qemu, "-machine", "q35", "-accel", "tcg", "-m", "256",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-device", "virtio-serial", "-chardev", "null,id=agent", "-device", "virtserialport,chardev=agent,name=agent.0",
		"-kernel", built.Kernel, "-initrd", built.Initrd, "-append", "console=ttyS0 quiet panic=-1").CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, console)
	}
	for _, want := range []string{"port agent.0 <nil>", "release " + built.Release} {
		if !strings.Contains(string(console), want) {
			t.Errorf("the console does not say %q:\n%s", want, console)
		}
	}
	if strings.Contains(string(console), ".ko:") {
		t.Errorf("modules were not loaded:\n%s", console)
	}
}
