package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"moulinette/grader/lack"
)

// metapackages depend on the newest kernel of a distribution; those for virtual
// machines first, because they are smaller and boot faster.
var metapackages = []string{"linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64", "linux-image-generic"}

// apt is this machine's apt in folders of our own: its sources, keys and proxy
// are the machine's, and it changes nothing outside. It checks signatures
// itself; what it may not check it does not fetch.
type apt struct{ dir string }

// aptConfig is read after the machine's own. Hooks of the machine are about the
// machine's folders.
const aptConfig = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "";
Acquire::AllowInsecureRepositories "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Acquire::Retries "2";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Log "%[1]s/log";
`

var cureGive = text{"give --kernel FILE and --modules DIR", "donnez --kernel FICHIER et --modules DOSSIER"}

// patience bounds a fetch. apt has limits of its own for each try of each source, which
// add up to more than anybody waits for.
const patience = 10 * time.Minute

var errSlowSource error = &lack.Error{
	EN: fmt.Sprintf("apt has fetched no kernel in %v: a source does not answer, or the network is slow; run it again, or %s", patience, cureGive.en),
	FR: fmt.Sprintf("apt n'a pas téléchargé de noyau en %v : une source ne répond pas, ou le réseau est lent ; relancez, ou %s", patience, cureGive.fr),
}

// fetch prepares the distribution's kernel.
func (s *store) fetch(ctx context.Context) (*kernel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlowSource)
	defer cancel()
	dir, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	src, err := (&apt{dir}).kernel(ctx)
	if err != nil {
		return nil, fmt.Errorf("apt: %w", err)
	}
	return s.prepare(src)
}

// kernel fetches and unpacks a kernel.
func (a *apt) kernel(ctx context.Context) (*source, error) {
	if err := a.prepare(); err != nil {
		return nil, err
	}
	// A source that does not answer need not be the one that has kernels.
	updateErr := a.run(ctx, nil, "apt-get", "-q", "update")
	packages, err := a.packages(ctx)
	if err != nil {
		return nil, errors.Join(err, updateErr)
	}
	download := append([]string{"-q", "download"}, packages...)
	if err := a.run(ctx, nil, "apt-get", download...); err != nil {
		return nil, errors.Join(err, updateErr)
	}
	root := filepath.Join(a.dir, "root")
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil {
		return nil, err
	}
	for _, deb := range debs {
		if err := a.run(ctx, nil, "dpkg-deb", "-x", deb, root); err != nil {
			return nil, err
		}
	}
	return foundKernel(root, "apt: "+strings.Join(packages, " "))
}

// prepare makes what apt wants to find.
func (a *apt) prepare() error {
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return &Unusable{program, text{
				"not found, and no kernel can be fetched without it", "introuvable, et sans lui aucun noyau ne peut être téléchargé",
			}, cureGive}
		}
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "log", "root"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o700); err != nil {
			return inCache(err)
		}
	}
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	a.dir = dir
	if strings.ContainsAny(dir, "\"\n\\") {
		return fmt.Errorf("cache: %q: apt cannot be told this name", dir)
	}
	if err := errors.Join(write(filepath.Join(dir, "status"), nil),
		write(filepath.Join(dir, "apt.conf"), fmt.Appendf(nil, aptConfig, dir))); err != nil {
		return inCache(err)
	}
	return nil
}

// packages answers what the first metapackage that there is stands for: it is
// empty itself.
func (a *apt) packages(ctx context.Context) (all []string, err error) {
	for _, meta := range metapackages {
		depends, err := a.depends(ctx, meta)
		if err != nil || len(depends) == 0 {
			continue
		}
		for i := 0; i < len(depends); i++ {
			more, err := a.depends(ctx, depends[i])
			if err != nil {
				return nil, err
			}
			for _, name := range more {
				if !slices.Contains(depends, name) && len(depends) < 16 {
					depends = append(depends, name)
				}
			}
		}
		return depends, nil
	}
	names := strings.Join(metapackages, ", ")
	return nil, ctxOr(ctx, &Unusable{
		"kernel",
		text{"none here, and apt reaches no source of " + names, "aucun ici, et apt n'atteint aucune source de " + names},
		text{
			"without a network, put one in beforehand (apt install linux-image-cloud-amd64), or " + cureGive.en,
			"sans réseau, mettez-en un avant (apt install linux-image-cloud-amd64), ou " + cureGive.fr,
		},
	})
}

// ctxOr is why everything failed: because ctx ended, if it did.
func ctxOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// depends answers the packages with a kernel or modules that name depends on.
func (a *apt) depends(ctx context.Context, name string) ([]string, error) {
	var out bytes.Buffer
	if err := a.run(ctx, &out, "apt-cache", "show", "--no-all-versions", name); err != nil {
		return nil, err
	}
	return parseDepends(out.String()), nil
}

// parseDepends reads the first paragraph of `apt-cache show`.
func parseDepends(text string) (names []string) {
	paragraph, _, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(paragraph) {
		list, ok := strings.CutPrefix(line, "Depends:")
		if !ok {
			continue
		}
		for item := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(item), " ")
			if strings.HasPrefix(name, "linux-image-") || strings.HasPrefix(name, "linux-modules-") {
				names = append(names, name)
			}
		}
	}
	return names
}

// maxOutput of a program is kept; its last lines go into an error.
const maxOutput = 1 << 20

// run runs a program of apt; out may be nil. It dies with us, and with ctx.
func (a *apt) run(ctx context.Context, out *bytes.Buffer, name string, args ...string) error {
	if strings.HasPrefix(name, "apt") {
		args = append([]string{"-c", filepath.Join(a.dir, "apt.conf")}, args...)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.dir
	cmd.Stdout, cmd.Stderr = &capped{&errs}, &capped{&errs}
	if out != nil {
		cmd.Stdout = &capped{out}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	// Pdeathsig is about the thread that forked: it has to stay until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w: %s", name, err, lastLines(errs.String(), 3))
	if strings.Contains(errs.String(), "No space left on device") {
		err = inCache(err) // where it is told to write
	}
	return ctxOr(ctx, err)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// capped is a writer that forgets what comes after maxOutput.
type capped struct{ buffer *bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	c.buffer.Write(p[:min(len(p), maxOutput-c.buffer.Len())])
	return len(p), nil
}
