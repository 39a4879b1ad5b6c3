package vm

import (
	"testing"
	"time"

	"moulinette/grader/observe"
)

// TestStarved is a machine of three threads, the third of which is new.
func TestStarved(t *testing.T) {
	type sched struct{ ran, waited int }
	for _, test := range []struct {
		name    string
		threads [3]sched // percent of the time
		want    int
	}{
		{"it sleeps", [3]sched{{1, 1}, {0, 2}, {0, 0}}, 0},
		{"it works", [3]sched{{95, 2}, {3, 10}, {0, 0}}, 0},
		{"one waits", [3]sched{{5, 90}, {1, 0}, {0, 0}}, 90},
		{"they wait for each other", [3]sched{{4, 48}, {3, 20}, {1, 20}}, 88},
		{"all wait all the time", [3]sched{{4, 96}, {4, 96}, {4, 96}}, 100},
		{"half of the time", [3]sched{{5, 30}, {1, 20}, {0, 0}}, 0},
		{"it keeps its own threads from the processor", [3]sched{{40, 60}, {30, 70}, {30, 70}}, 0},
	} {
		const passed = 20 * time.Second
		was, now := map[int]observe.Sched{}, map[int]observe.Sched{}
		for tid, s := range test.threads {
			before := observe.Sched{Ran: time.Duration(tid) * time.Hour, Waited: time.Duration(tid) * time.Minute}
			if tid == 2 {
				before = observe.Sched{}
			} else {
				was[tid] = before
			}
			now[tid] = observe.Sched{Ran: before.Ran + time.Duration(s.ran)*passed/100, Waited: before.Waited + time.Duration(s.waited)*passed/100}
		}
		if got := starved(passed, was, now); got != time.Duration(test.want)*passed/100 {
			t.Errorf("%s: %v; want %d %% of %v", test.name, got, test.want, passed)
		}
	}
}
