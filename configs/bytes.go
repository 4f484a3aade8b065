package configs

import (
	"errors"
	"math"
	"strconv"

	"github.com/dustin/go-humanize"
)

// Bytes is an amount of memory or disk. As text it has a unit, 64KiB or 8GiB; powers of ten (64kB) are read as well.
type Bytes int64

// The units in which Bytes are written.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// UnmarshalText reads a size. A number without a unit is one of bytes. It fails on what is not a size or does not fit.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return errors.New("is not a size: write a number and a unit, such as 64KiB or 8GiB")
	}
	*b = Bytes(n)
	return nil
}

// MarshalText writes the size as String does. It never fails.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the size in the largest unit that leaves no fraction, so that reading it gives the same size.
func (b Bytes) String() string {
	for _, unit := range []struct {
		size Bytes
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b != 0 && b%unit.size == 0 {
			return strconv.FormatInt(int64(b/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
