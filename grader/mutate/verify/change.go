package verify

import "moulinette/grader/mutate"

// edits tells whether s is its reference but for some edits.
func (s *Solution) edits() bool {
	return s.Kind == Mutant || s.Kind == Alternative && !s.Alternative.Dir
}

// change is what tells a solution from its reference.
type change struct {
	names  map[string]bool   // of declarations that differ
	known  bool              // nothing else does
	before mutate.Difference // as it stands in the reference
	after  mutate.Difference // and in the solution
}

func (s *Solution) compare() *change {
	c := &change{before: s.base.graph.Difference(s.graph), after: s.graph.Difference(s.base.graph)}
	c.names, c.known = s.base.graph.Changed(s.graph)
	return c
}

// difference notes in which scenarios s could be seen to be other than its
// reference: not in those that come to nothing that was changed.
func (v *verification) difference(s *Solution) {
	if v.Matrix == All || !s.edits() {
		return
	}
	c := s.change()
	if !c.known {
		return
	}
	s.differs = map[*shared]bool{}
	for _, sc := range v.scenarios {
		s.differs[sc] = s.reaches(sc, c.names) && (s.reaches(sc, c.before.Names) || v.sights[s.base].comesTo(sc, s.base.graph, c.before.Pieces))
	}
}

// reaches tells whether the calls of a scenario may come to one of the names, in the
// reference or in s.
func (s *Solution) reaches(sc *shared, names map[string]bool) bool {
	return s.base.graph.Reaches(sc.calls, names) || s.graph.Reaches(sc.calls, names)
}

// differsIn tells whether a scenario could show s to be other than its reference.
func (s *Solution) differsIn(sc *shared) bool { return s.differs == nil || s.differs[sc] }
