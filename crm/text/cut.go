package text

import (
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/rivo/uniseg"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// plain leaves a piece as it is.
func plain(s string) string { return s }

// pieces takes a text apart into what must not be cut: characters as a reader sees them, and the address of the
// recording, each rendered.
func pieces(text, address string, character, link func(string) string) []string {
	var all []string
	for text != "" {
		before, after, found := strings.Cut(text, address)
		if address == "" || !found {
			before, after, found = text, "", false
		}
		for state := -1; before != ""; {
			var cluster string
			cluster, before, _, state = uniseg.FirstGraphemeClusterInString(before, state)
			all = append(all, character(cluster))
		}
		if found {
			all = append(all, link(address))
		}
		text = after
	}
	return all
}

// join puts pieces together. Where they have more than limit characters, as many as fit before the ellipsis remain; 0:
// there is no limit.
func join(pieces []string, limit int) string {
	var text strings.Builder
	used, fitting := 0, 0
	for _, piece := range pieces {
		used += characters(piece)
		if limit > 0 && used > limit {
			return strings.TrimRight(text.String()[:fitting], " \n") + ellipsis
		}
		text.WriteString(piece)
		if used < limit {
			fitting = text.Len()
		}
	}
	return text.String()
}

// characters returns the length of a text in UTF-16 code units.
func characters(text string) int {
	count := 0
	for _, r := range text {
		count += max(utf16.RuneLen(r), 1)
	}
	return count
}

// linkable reports whether an address may become a link.
func linkable(address string) bool {
	parsed, err := url.Parse(address)
	web := err == nil && parsed.Host != "" && (parsed.Scheme == "https" || parsed.Scheme == "http")
	return web && !strings.Contains(address, " ")
}
