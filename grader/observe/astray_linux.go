package observe

import "strconv"

// strayKinds are the namespaces that a thread can change by itself, and then
// differ from those of the program it belongs to.
func strayKinds() []string {
	return []string{"net", "mnt", "uts", "ipc", "cgroup", "pid_for_children"}
}

// Astray counts the driver's threads, but for the main one, that are elsewhere
// than where the driver began. A thread that has visited another namespace and
// was never brought back works on for whoever is given it next.
func (o *Observer) Astray() int {
	count := 0
	for _, task := range numericNames(o.driver.afresh().list("task", 1<<16)) {
		if task != o.driver.pid && o.strays("task/"+strconv.Itoa(task)+"/ns/") {
			count++
		}
	}
	return count
}

// strays tells whether the thread has left home. One that has ended meanwhile,
// or whose links are no more, has not.
func (o *Observer) strays(ns string) bool {
	for _, kind := range strayKinds() {
		if there := o.driver.afresh().link(ns + kind); there != "" && there != o.home[kind] {
			return true
		}
	}
	return false
}

// Switches sums how often the driver's threads were put on and off a processor; it
// is negative if one of them is on one, or wants to be. Threads that stay at one sum
// all sleep.
func (o *Observer) Switches() int {
	sum := 0
	for _, task := range numericNames(o.driver.afresh().list("task", 1<<16)) {
		data, err := readAt(o.driver.dir, "task/"+strconv.Itoa(task)+"/status", statusBytes)
		st := parseStatus(data)
		if err != nil || st.state != "S" {
			return -1
		}
		sum += st.switches
	}
	return sum
}

// stand notes where the driver began.
func (o *Observer) stand() {
	o.home = map[string]string{}
	for _, kind := range strayKinds() {
		o.home[kind] = o.driver.link("ns/" + kind)
	}
}
