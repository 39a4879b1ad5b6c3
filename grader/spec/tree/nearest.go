package tree

import (
	"slices"
	"strings"
)

// Nearest is the word of known that was probably meant by word, or "".
func Nearest(word string, known []string) string {
	best, least := "", 1+len(word)/3
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d < least || d == least && (best == "" || strings.HasPrefix(k, word) && !strings.HasPrefix(best, word)) {
			best, least = k, d
		}
	}
	return best
}

// Suggest is the advice for an unknown word: the nearest right one, or the
// first few of them.
func Suggest(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(known)))
	if len(sorted) == 0 {
		return "remove it"
	}
	const most = 14
	if len(sorted) > most {
		sorted = append(sorted[:most], "...")
	}
	return "use one of: " + strings.Join(sorted, ", ")
}

// distance is Levenshtein's, over bytes of words cut to 64.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
