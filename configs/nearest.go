package configs

import "slices"

// nearest returns the name that is closest to a mistyped one, if it is close enough to have been meant.
func nearest(typed string, names []string) (string, bool) {
	slices.Sort(names)
	best, least := "", len(typed)/4+1
	for _, name := range names {
		if d := distance(typed, name); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best, best != ""
}

// distance is how many letters have to be put in, taken out or changed to make b of a (Levenshtein). Names longer than
// any of ours are not compared.
func distance(a, b string) int {
	if len(a) > maxName {
		return maxName
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// maxName is longer than the name of any variable.
const maxName = 128
