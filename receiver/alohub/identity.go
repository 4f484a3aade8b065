package alohub

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
)

// Identity returns a digest of what the body says, 32 bytes: two bodies that differ only in white space and in the
// order of their keys have the same. Strings and numbers count as written: 300 and "300", or "é" and "\u00e9",
// differ. Where a key stands twice, the order of these two counts, since the last one is what is read. A body that is
// not JSON is its own canonical form.
func (d *Decoder) Identity(body []byte) []byte {
	digest := sha256.Sum256(canonical(body))
	return digest[:]
}

// canonical returns the JSON text without white space and with sorted keys, containers folded, or body itself if it
// is not JSON.
func canonical(body []byte) []byte {
	c := canonicalizer{src: string(body)}
	if !valid(c.src) {
		return body
	}
	c.dst = make([]byte, 0, len(body)+1)
	c.value(skipSpace(c.src, 0))
	return c.dst
}

// canonicalizer copies valid JSON text from src to the end of dst.
type canonicalizer struct {
	src string
	dst []byte
}

// value copies the value that begins at i and returns the position after it.
func (c *canonicalizer) value(i int) int {
	switch c.src[i] {
	case '{':
		return c.object(i)
	case '[':
		return c.array(i)
	default:
		end := skipValue(c.src, i)
		c.dst = append(c.dst, c.src[i:end]...)
		return end
	}
}

// array copies the array that begins at i and returns the position after it.
func (c *canonicalizer) array(i int) int {
	begin := len(c.dst)
	c.dst = append(c.dst, '[')
	for i = skipSpace(c.src, i+1); c.src[i] != ']'; i = skipSpace(c.src, i) {
		if c.src[i] == ',' {
			c.dst = append(c.dst, ',')
			i = skipSpace(c.src, i+1)
		}
		i = c.value(i)
	}
	c.dst = append(c.dst, ']')
	c.fold(begin)
	return i + 1
}

// placed is a member of an object: its key as written, and where in dst the whole member stands.
type placed struct {
	key        string
	begin, end int
}

// object copies the object that begins at i and returns the position after it. Members are copied as they come, and
// put in order afterwards if they are not.
func (c *canonicalizer) object(i int) int {
	begin := len(c.dst)
	c.dst = append(c.dst, '{')
	all := make([]placed, 0, fieldCount)
	for i = skipSpace(c.src, i+1); c.src[i] != '}'; i = skipSpace(c.src, i) {
		if c.src[i] == ',' {
			i = skipSpace(c.src, i+1)
		}
		p := placed{begin: len(c.dst)}
		end := skipString(c.src, i)
		p.key = c.src[i:end]
		c.dst = append(append(c.dst, p.key...), ':')
		i = c.value(skipSpace(c.src, skipSpace(c.src, end)+1))
		c.dst = append(c.dst, ',')
		p.end = len(c.dst)
		all = append(all, p)
	}
	c.sort(begin+1, all)
	if len(all) > 0 {
		c.dst = c.dst[:len(c.dst)-1] // the comma after the last member
	}
	c.dst = append(c.dst, '}')
	c.fold(begin)
	return i + 1
}

// fold puts a digest in the place of the container that begins at begin and ends dst, unless it is as short as one.
// So what a container holds is moved once, and not again by the sort of each container around it, whatever the depth.
// The byte before the digest stands in no JSON text.
func (c *canonicalizer) fold(begin int) {
	if len(c.dst)-begin <= sha256.Size {
		return
	}
	digest := sha256.Sum256(c.dst[begin:])
	c.dst = append(append(c.dst[:begin], 0), digest[:]...)
}

// sort puts the members, which fill dst from begin on, in the order of their keys.
func (c *canonicalizer) sort(begin int, all []placed) {
	byKey := func(a, b placed) int { return strings.Compare(a.key, b.key) }
	if slices.IsSortedFunc(all, byKey) {
		return
	}
	slices.SortStableFunc(all, byKey)
	unsorted := bytes.Clone(c.dst[begin:])
	c.dst = c.dst[:begin]
	for _, p := range all {
		c.dst = append(c.dst, unsorted[p.begin-begin:p.end-begin]...)
	}
}
