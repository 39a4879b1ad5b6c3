// Package scenario says what is asked of a submission: a prepared world, steps,
// faults and limits. It never says what is expected: a Scenario crosses into the
// sandbox, and the answer stays outside.
//
// The package is data and its JSON; it imports nothing of ours. The same types
// are what a spec's YAML is decoded into, after references to given values
// ("${name}") have been resolved.
package scenario

// Scenario is one run in one fresh sandbox.
type Scenario struct {
	ID     string   `json:"id"`
	Seed   uint64   `json:"seed"`
	World  World    `json:"world"`
	Steps  []Step   `json:"steps"`
	Faults []Fault  `json:"faults,omitempty"`
	Watch  []string `json:"watch,omitempty"` // paths looked at in every snapshot, in the driver's root
	Limits Limits   `json:"limits"`
	// Root is [RealRoot] for a scenario that wants no user namespace around the
	// submission; empty: what the sandbox has.
	Root string `json:"root,omitempty"`
	// Variant chooses among several submissions linked into one driver; the
	// driver finds it in its environment under [VariantVariable]. Empty for a
	// driver that holds one.
	Variant string `json:"variant,omitempty"`
}

// RealRoot asks for root of the machine: in the namespaces of a box, but for a
// user namespace. Only sandboxes that are thrown away as a whole offer it.
const RealRoot = "real"

// Limits bound one scenario. Times are counted from the start of the
// submission and are scaled by the sandbox's measured slowness; what the
// submission waits for a processor that others have does not count, see [Patience].
type Limits struct {
	StepMS     int  `json:"step_ms,omitempty" yaml:"step_ms"`         // one step; 0 means 5000
	ScenarioMS int  `json:"scenario_ms,omitempty" yaml:"scenario_ms"` // all steps; 0 means 20000
	MemoryMiB  int  `json:"memory_mib,omitempty" yaml:"memory_mib"`   // whole box; 0 means 512
	Reserve    bool `json:"reserve,omitempty" yaml:"-"`               // memory that is reserved only does not count: a sanitizer wants terabytes
	Processes  int  `json:"processes,omitempty" yaml:"processes"`     // whole box, threads included; 0 means 256
	DiskMiB    int  `json:"disk_mib,omitempty" yaml:"disk_mib"`       // each writable tmpfs; 0 means 64
	OutputKiB  int  `json:"output_kib,omitempty" yaml:"output_kib"`   // of stdout and stderr each; 0 means 256
}

// Patience is how many times its limits a scenario may take that cannot make use
// of its time, because others have the processors or the memory.
const Patience = 10

// WithDefaults replaces each zero by the documented default.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.StepMS, 5000},
		{&l.ScenarioMS, 20000},
		{&l.MemoryMiB, 512},
		{&l.Processes, 256},
		{&l.DiskMiB, 64},
		{&l.OutputKiB, 256},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// World is what the box holds before the first step. Two mount namespaces stand
// side by side in it: the driver's own, in which the submission runs, and the
// peer's (the box's init), which plays the rest of the host. Every mount of one
// is a peer of the same mount of the other unless Private is set.
type World struct {
	Private   bool       `json:"private,omitempty" yaml:"private"`     // the driver's mounts are private instead of shared
	As        int        `json:"as,omitempty" yaml:"as"`               // user id of the driver inside the box, and its group id; not 0: no capabilities
	Group     int        `json:"group,omitempty" yaml:"group"`         // with As: another group id
	Cwd       string     `json:"cwd,omitempty" yaml:"cwd"`             // working directory of the driver; empty means /
	Mounts    []Mount    `json:"mounts,omitempty" yaml:"mounts"`       // made in this order, before the driver's namespace is copied
	Roots     []Root     `json:"roots,omitempty" yaml:"roots"`         // folders that can serve as a container's root
	Files     []File     `json:"files,omitempty" yaml:"files"`         // files and folders made last
	Netns     []string   `json:"netns,omitempty" yaml:"netns"`         // pinned at /run/netns as `ip netns add` does
	Links     []VethPair `json:"links,omitempty" yaml:"links"`         // pairs in the driver's network namespace
	Targets   []Target   `json:"targets,omitempty" yaml:"targets"`     // children of the driver, started by our shim, that wait
	Bystander bool       `json:"bystander,omitempty" yaml:"bystander"` // a child of the driver that has exited and is not reaped yet
}

// Mount is a tmpfs (or a bind mount of Source) made on Target.
type Mount struct {
	Target  string `json:"target" yaml:"target"`
	Source  string `json:"source,omitempty" yaml:"source"`   // bind mount of this folder; empty: a fresh tmpfs
	Private bool   `json:"private,omitempty" yaml:"private"` // not shared with the peer
}

// Root is a folder made by the sandbox with a minimal system in it: /bin with true, /etc,
// /tmp, /usr, /var, and our probe at [ProbePath]. It holds no mount.
type Root struct {
	Path    string   `json:"path" yaml:"path"`                 // below [WorkDir]
	Without []string `json:"without,omitempty" yaml:"without"` // folders left out: proc, dev, sys, tmp
}

// File is a file, with Dir a folder, or with Link a symbolic link.
type File struct {
	Path    string `json:"path" yaml:"path"`
	Dir     bool   `json:"dir,omitempty" yaml:"dir"`
	Link    string `json:"link,omitempty" yaml:"link"` // where it leads
	Content string `json:"content,omitempty" yaml:"content"`
	Mode    uint32 `json:"mode,omitempty" yaml:"mode"` // 0 means 0644, or 0755 for a folder
}

// VethPair is a pair of links made in the driver's network namespace.
type VethPair struct {
	A string `json:"a" yaml:"a"`
	B string `json:"b" yaml:"b"`
}

// Target is a process that waits in new namespaces of its own, without maps.
// Steps name it where they take a pid; probe evidence has it under its name.
type Target struct {
	Name  string   `json:"name" yaml:"name"`
	Flags []string `json:"flags" yaml:"flags"` // see [FlagNames]
}

// Folders are those of the box's own root that a world may mount on; the root is
// read-only.
func Folders() []string {
	return []string{"/mnt", "/home", "/root", "/opt", "/srv", "/var", "/etc", "/old"}
}

// Places inside a box.
const (
	// WorkDir is a writable folder; roots lie below it.
	WorkDir = "/work"
	// ProbeDir holds the probe, the socket it reports to and [TruePath], in the box's
	// own root and in every [Root].
	ProbeDir = "/moulinette"
	// ProbePath is the program that stands for a child or a container's
	// command.
	ProbePath = ProbeDir + "/probe"
	// TargetPath is the same program for a [Target]. It can be read, so that its
	// maps can be written by root in the box; the probe's memory is nobody's.
	TargetPath = ProbeDir + "/target"
	// TruePath is a program that needs no library and ends well at once: for containers
	// that are started for their own sake, and whose probe would only be in the way.
	TruePath = ProbeDir + "/true"
	// ProbeSocket is where it checks in.
	ProbeSocket = ProbeDir + "/sock"
	// VariantVariable carries [Scenario.Variant] to the driver.
	VariantVariable = "MOULINETTE_VARIANT"
	// NetnsDir is where network namespaces are pinned.
	NetnsDir = "/run/netns"
)
