package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"moulinette/grader/build/words"
	"moulinette/grader/report"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/sandbox/vm/image"
	"moulinette/grader/spec"
)

// machines are the flags that say what virtual machines are made of.
type machines struct {
	kernel, modules, sum string
}

func (m *machines) flags(flags *pflag.FlagSet) {
	flags.StringVar(&m.kernel, "kernel", "", "kernel of virtual machines: a bzImage or vmlinux (default: kept, this host's, or fetched by apt)")
	flags.StringVar(&m.modules, "modules", "", "folder with the kernel's modules (default: beside it, or this host's)")
	flags.StringVar(&m.sum, "kernel-sha256", "", "what --kernel has to be")
}

// check refuses flags that make no sense alone.
func (m *machines) check() error {
	if m.kernel == "" && (m.modules != "" || m.sum != "") {
		return usage("--modules and --kernel-sha256 go with --kernel")
	}
	for _, f := range []struct{ flag, path string }{{"kernel", m.kernel}, {"modules", m.modules}} {
		if _, err := os.Stat(f.path); f.path != "" && err != nil {
			return usage("--%s %s: %w", f.flag, f.path, bare(err))
		}
	}
	if info, err := os.Stat(m.kernel); err == nil && !info.Mode().IsRegular() { // a pipe would be waited for
		return usage("--kernel %s: no regular file; give --kernel a bzImage (vmlinuz) for x86-64", m.kernel)
	}
	return nil
}

// options are for machines kept in the user's cache.
func (m *machines) options(agent, cache string) vm.Options {
	return vm.Options{Agent: agent, Cache: machineCache(cache), Kernel: m.kernel, KernelSHA256: m.sum, Modules: m.modules}
}

// machineCache is where what virtual machines are made of is kept.
func machineCache(cache string) string { return filepath.Join(cache, "vm") }

func (a *app) vmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vm",
		Short: "Look after the virtual machines of --isolation=vm",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.vmBuildCommand(), a.vmInfoCommand(), a.vmPruneCommand(), a.vmShellCommand())
	return cmd
}

func (a *app) vmBuildCommand() *cobra.Command {
	var m machines
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Find or fetch a kernel, boot it once and keep the machine, for later gradings",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.vmBuild(cmd.Context(), m) },
	}
	m.flags(cmd.Flags())
	return cmd
}

// vmBuild does what the first grading would have to wait for.
func (a *app) vmBuild(ctx context.Context, m machines) error {
	o, remove, err := a.machineOptions(m)
	if err != nil {
		return err
	}
	defer remove()
	start := time.Now()
	op, err := vm.New(ctx, o)
	if err != nil {
		return m.machineError(err)
	}
	if err := op.Unkept(); err != nil { // and to keep it is all that was asked for
		return m.machineError(err)
	}
	img := op.Image()
	items := []report.Item{
		a.fact(spec.Text{FR: "noyau", EN: "kernel"}, img.Release),
		a.fact(spec.Text{FR: "origine", EN: "from"}, img.Origin),
		a.fact(spec.Text{FR: "exécuté par", EN: "run by"}, string(op.Accel())),
		a.fact(spec.Text{FR: "dossier", EN: "folder"}, o.Cache),
		a.fact(spec.Text{FR: "durée", EN: "took"}, time.Since(start).Round(10*time.Millisecond).String()),
		{Text: spec.Text{FR: "La machine est prête.", EN: "The machine is ready."}.In(a.lang)},
	}
	return a.checklist(items)
}

// machineOptions finds the agent and the cache.
func (a *app) machineOptions(m machines) (vm.Options, func(), error) {
	if err := m.check(); err != nil {
		return vm.Options{}, nil, err
	}
	agent, err := a.agentPath()
	if err != nil {
		return vm.Options{}, nil, err
	}
	cache, remove, err := cacheDir()
	if err != nil {
		return vm.Options{}, nil, err
	}
	return m.options(agent, cache), remove, nil
}

// machineError tells a kernel that the user gave from a fault of the host, which has its
// cure where it is the cache: a kernel that may not be read is another matter, and so is
// what a guest is full of.
func (m *machines) machineError(err error) error {
	if _, ok := errors.AsType[*image.Unusable](err); ok && m.kernel != "" {
		return &failure{exitUsage, err}
	}
	if errors.Is(err, image.ErrCache) {
		err = words.Cured(err)
	}
	return &failure{exitHarness, err}
}

func (a *app) fact(label spec.Text, text string) report.Item {
	return report.Item{Mark: "·", Ink: color.Faint, Label: label.In(a.lang), Text: text}
}

func (a *app) checklist(items []report.Item) error {
	width, _ := terminal(a.stdout)
	if err := report.Checklist(a.stdout, items, report.Options{Lang: a.lang, Width: width, Color: a.colors(a.stdout)}); err != nil {
		return fault("stdout: %w", err)
	}
	return nil
}

func (a *app) vmInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "List the kernels, images and machines that are kept",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.withEntries(func(cache string, all []image.Entry) error {
				return a.checklist(append(a.entries(all), a.total(cache, all)))
			})
		},
	}
}

// withEntries hands over what is kept.
func (a *app) withEntries(do func(cache string, all []image.Entry) error) error {
	dir, remove, err := cacheDir()
	if err != nil {
		return err
	}
	defer remove()
	all, err := image.Entries(machineCache(dir))
	if err != nil {
		return fault("vm: %w", err)
	}
	return do(machineCache(dir), all)
}

// kinds are what the folders of the cache hold.
var kinds = map[string]spec.Text{
	"kernels": {FR: "noyau", EN: "kernel"},
	"images":  {FR: "image", EN: "image"},
	"bases":   {FR: "machine", EN: "machine"},
}

func (a *app) entries(all []image.Entry) []report.Item {
	slices.SortStableFunc(all, func(x, y image.Entry) int { return cmp.Compare(x.Kind, y.Kind) })
	var items []report.Item
	for _, e := range all {
		kind, ok := kinds[e.Kind]
		if !ok {
			kind = spec.Text{FR: e.Kind, EN: e.Kind}
		}
		text := fmt.Sprintf("%.12s  %4d %s  %s", e.Key, megabytes(e.Bytes), unitMB.In(a.lang), a.ago(time.Since(e.Used)))
		if e.Release != "" {
			text += "  " + e.Release + " (" + e.Origin + ")"
		}
		items = append(items, a.fact(kind, text))
	}
	return items
}

var unitMB = spec.Text{FR: "Mo", EN: "MB"}

func megabytes(bytes int64) int64 { return (bytes + 1<<19) >> 20 }

// ago says how long ago something was used.
func (a *app) ago(d time.Duration) string {
	text := d.Truncate(time.Minute).String()
	switch {
	case d < time.Minute:
		text = "0m"
	case d >= 48*time.Hour:
		text = fmt.Sprintf("%d%s", d/(24*time.Hour), spec.Text{FR: "j", EN: "d"}.In(a.lang))
	default:
		text = text[:len(text)-len("0s")]
	}
	return spec.Text{FR: "il y a " + text, EN: text + " ago"}.In(a.lang)
}

func (a *app) total(cache string, all []image.Entry) report.Item {
	bytes := int64(0)
	for _, e := range all {
		bytes += e.Bytes
	}
	colon := spec.Text{FR: " : ", EN: ": "}.In(a.lang)
	return report.Item{Text: fmt.Sprintf("%s%s%d %s", cache, colon, megabytes(bytes), unitMB.In(a.lang))}
}

// pruneFlags say what stays.
type pruneFlags struct {
	megabytes int64
	age       time.Duration
	all       bool
}

func (a *app) vmPruneCommand() *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove kernels, images and machines that have not been used for long, or are too many",
		Long: `prune removes what has not been used for --older, and then what was used longest
ago until the rest takes at most --size. Gradings do the same by themselves, now and
then. What was used in the last hour stays, but with --all.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.vmPrune(f) },
	}
	flags := cmd.Flags()
	flags.Int64Var(&f.megabytes, "size", image.DefaultLimits.Bytes>>20, "megabytes to keep")
	flags.DurationVar(&f.age, "older", image.DefaultLimits.Age, "how long things are kept that nobody uses")
	flags.BoolVar(&f.all, "all", false, "remove everything; no grading may be running")
	return cmd
}

func (a *app) vmPrune(f pruneFlags) error {
	if f.megabytes < 0 || f.age < 0 {
		return usage("--size and --older: from 0 on")
	}
	limits := image.Limits{Bytes: min(f.megabytes, math.MaxInt64>>20) << 20, Age: f.age, Spare: image.DefaultLimits.Spare}
	if f.all {
		limits = image.Limits{}
	}
	return a.withEntries(func(cache string, _ []image.Entry) error {
		removed, err := image.Prune(cache, limits)
		if f.all {
			err = errors.Join(err, vm.ForgetProof(cache))
		}
		if len(removed) > 0 {
			fmt.Fprintln(a.stdout, spec.Text{FR: "Supprimé :", EN: "Removed:"}.In(a.lang))
			if err := a.checklist(a.entries(removed)); err != nil {
				return err
			}
		}
		if err != nil {
			return fault("vm: %w", err)
		}
		left, err := image.Entries(cache)
		if errors.Is(err, os.ErrNotExist) || err == nil {
			return a.checklist([]report.Item{a.total(cache, left)})
		}
		return fault("vm: %w", err)
	})
}
