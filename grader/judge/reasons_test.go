package judge

import (
	"strings"
	"testing"

	"moulinette/grader/evidence"
)

// Why somebody is not believed is told in French, too.
func TestImpostorInFrench(t *testing.T) {
	for _, why := range []string{evidence.Nameless, evidence.Borrowed, evidence.Gone, evidence.Traced, evidence.Otherwise, evidence.Altered} {
		told := impostor("probe", why)
		if strings.Contains(told.FR, why) || !strings.Contains(told.FR, "probe") || !strings.Contains(told.EN, "probe") {
			t.Errorf("%s: %+v", why, told)
		}
	}
	if told := impostor("probe", "something else"); !strings.Contains(told.FR, "(something else)") {
		t.Errorf("got %q; want the words as they are", told.FR)
	}
}
