package hostile

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"moulinette/grader"
	"moulinette/grader/judge"
	"moulinette/grader/run"
	"moulinette/tests/battery"
)

var (
	soak     = flag.Int("soak", 60, "scenarios of the soak, hostile and honest ones mixed")
	soakSeed = flag.Uint64("soak-seed", 1, "which ones")
)

const (
	together = 500  // scenarios between two looks at the machine, at most
	company  = 3    // honest scenarios after each hostile one, on its worker
	long     = 1000 // a soak of so many also plays what takes its whole time limit
)

// Hostile and honest scenarios mixed, by chance: the fingerprint is compared
// every so often, and in the end. Every kind of user has a round at least.
func TestSoak(t *testing.T) {
	s := newSoaking(open(t, *only))
	most := min(together, (*soak+len(s.Users)-1)/len(s.Users))
	for round, played := 0, 0; played < *soak && !t.Failed(); round++ {
		as, start := s.Users[round%len(s.Users)], time.Now()
		some := s.draw(max(1, min(most, *soak-played)/(1+company)))
		s.play(t, as, some)
		half := time.Now()
		s.harmless(t, part{as: as}, some)
		played += len(some) * (1 + company)
		t.Logf("%d scenarios, %d of them hostile, the last %d as %s in %v; the machine's fingerprint in %v",
			played, s.hostile, len(some)*(1+company), as, half.Sub(start).Round(time.Second), time.Since(half).Round(time.Millisecond))
	}
}

// soaking is a theatre with a memory of what each program costs.
type soaking struct {
	*theatre
	dice    *rand.Rand
	fresh   []*battery.Program // not played yet
	known   []*battery.Program
	cost    map[string]float64 // of a program, ms
	honesty []string           // the scenarios that the reference is asked for
	hostile int
}

func newSoaking(th *theatre) *soaking {
	s := &soaking{theatre: th, dice: rand.New(rand.NewPCG(*soakSeed, 2)), cost: map[string]float64{}, honesty: judge.Needed(th.exercise, nil)}
	s.fresh = slices.DeleteFunc(slices.Clone(th.programs), func(p *battery.Program) bool { return p.Slow && *soak < long })
	s.dice.Shuffle(len(s.fresh), func(i, j int) { s.fresh[i], s.fresh[j] = s.fresh[j], s.fresh[i] })
	return s
}

// draw chooses programs: those that were not played yet first, then the cheaper
// the more often.
func (s *soaking) draw(n int) (some []*battery.Program) {
	for len(some) < n {
		if len(s.fresh) > 0 {
			some, s.known, s.fresh = append(some, s.fresh[0]), append(s.known, s.fresh[0]), s.fresh[1:]
			continue
		}
		p := s.known[s.dice.IntN(len(s.known))]
		if s.dice.Float64() < 30/max(30, s.cost[p.Name]) {
			some = append(some, p)
		}
	}
	s.hostile += len(some)
	return some
}

// play has each program played, and the reference after it.
func (s *soaking) play(t *testing.T, as battery.User, programs []*battery.Program) {
	t.Helper()
	plan := battery.Plan{Wide: 8}
	for _, p := range programs {
		turn := []run.Job{s.built.Job(p.Name, s.scenario(p))}
		for range company {
			sc, _ := s.exercise.Scenarios[s.honesty[s.dice.IntN(len(s.honesty))]].Resolve(s.dice.Uint64())
			turn = append(turn, s.built.Job(battery.Honest, sc))
		}
		plan.Turns = append(plan.Turns, turn)
	}
	outcomes, err := s.patiently(t.Context(), as, plan)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	for i, p := range programs {
		if err := s.check(p, as, outcomes[i][0]); err != nil {
			t.Errorf("%s, as %s: %v", p.Name, as, err)
		} else {
			s.cost[p.Name] = outcomes[i][0].Record.Millis
		}
		for j, o := range outcomes[i][1:] {
			if o.Record != nil {
				_, o.Record.Given = s.exercise.Scenarios[o.Record.Scenario].Resolve(o.Record.Seed)
			}
			if err := s.honest(o); err != nil && !s.beyond(o) {
				t.Errorf("%s, %d after %s, as %s: %v", plan.Turns[i][1+j].Scenario.ID, j+1, p.Name, as, err)
			}
		}
	}
}

// beyond tells whether a scenario asks for what this user's host cannot show: the
// grader does not even begin such a one.
func (s *soaking) beyond(o battery.Outcome) bool {
	return o.Record != nil && grader.Unavailable(s.exercise.Scenarios[o.Record.Scenario], o.Record.Host, o.Record.Seed) != nil
}
