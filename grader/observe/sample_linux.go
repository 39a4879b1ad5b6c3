package observe

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sample is what the driver holds at one moment.
type Sample struct {
	DataKiB, FDs, Zombies, Mounts, Threads int
}

// Sample counts what the driver holds. It is an error if the driver has ended. One whose
// first thread has ended is looked at by another.
func (o *Observer) Sample() (Sample, error) {
	driver := o.driver.afresh()
	s, st, err := o.sample(driver)
	if st.headless() {
		thread, none := driver.livingThread()
		if none != nil {
			return Sample{}, fmt.Errorf("sample: %w", none)
		}
		defer thread.close()
		s, _, err = o.sample(thread)
	}
	return s, err
}

// sample counts by one thread of the driver, of which it also gives the status.
func (o *Observer) sample(driver *proc) (Sample, status, error) {
	s := Sample{FDs: driver.countFDs(), Mounts: bytes.Count(driver.mountinfo(), []byte{'\n'})}
	s.Zombies, _ = o.unreaped()
	st, err := driver.status()
	if err = cmp.Or(o.blind(driver, err == nil && st.memory), err); err != nil {
		return Sample{}, st, fmt.Errorf("sample: %w", err)
	}
	if !st.memory {
		return Sample{}, st, fmt.Errorf("sample: process %d: %w", o.driver.pid, unix.ESRCH)
	}
	s.DataKiB, s.Threads = st.dataKiB, st.threads
	return s, st, nil
}

// countFDs asks for the folder's size, which is their number since Linux 6.2.
func (p *proc) countFDs() int {
	var st unix.Stat_t
	if unix.Fstatat(p.dir, "fd", &st, 0) == nil && st.Size > 0 {
		return int(st.Size)
	}
	return len(p.list("fd", 1<<20))
}

// unreaped counts the driver's zombies, but for the bystander, and tells
// whether that one is still among them.
func (o *Observer) unreaped() (zombies int, bystander bool) {
	for _, pid := range o.children() {
		p, err := openProc(o.root, pid)
		if err != nil {
			continue
		}
		st, err := p.status()
		p.close()
		switch {
		case err != nil || st.ppid != o.driver.pid || st.state != "Z" || st.headless():
		case pid == o.Bystander:
			bystander = true
		default:
			zombies++
		}
	}
	return zombies, bystander
}

// children lists the driver's children. Without CONFIG_PROC_CHILDREN, which
// some kernels lack, everybody is a candidate.
func (o *Observer) children() []int {
	var pids []int
	for _, task := range numericNames(o.driver.afresh().list("task", 1<<16)) {
		data, err := readAt(o.driver.dir, "task/"+strconv.Itoa(task)+"/children", 1<<20)
		if err != nil && task == o.driver.pid {
			pids, _ = o.Members()
			return pids
		}
		pids = append(pids, numbers(string(data))...)
	}
	slices.Sort(pids)
	return pids[:min(len(pids), maxProcesses)]
}
