package submission

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Hash names what is built of a submission: its language, and each file by name
// and content.
func (s *Submission) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", s.Language)
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		fmt.Fprintf(h, "%q %d\n", name, len(s.Files[name]))
		_, _ = h.Write(s.Files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
