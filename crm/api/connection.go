package api

import (
	"cmp"
	"errors"
	"time"

	"github.com/dustin/go-humanize"
)

// Connection is the section connection of a CRM's configuration.
type Connection struct {
	// Timeout bounds one request with its answer, default 30s; ConnectTimeout its connection and TLS handshake, default
	// 5s.
	Timeout        time.Duration `koanf:"timeout" validate:"gt=0"`
	ConnectTimeout time.Duration `koanf:"connect_timeout" validate:"gt=0"`
	// MaxResponse is how large an answer may be, default 4MiB. A larger one cannot be read.
	MaxResponse Size `koanf:"max_response" validate:"gt=0"`
	// PrivateAddresses allows the names of the CRM to resolve to loopback, private, link-local and other addresses that
	// are not of the internet, default false. An IP address or localhost in the configuration is always allowed.
	PrivateAddresses bool `koanf:"private_addresses"`
}

// DefaultConnection returns the connection to a CRM on the internet.
func DefaultConnection() Connection {
	return Connection{Timeout: 30 * time.Second, ConnectTimeout: 5 * time.Second, MaxResponse: 4 << 20}
}

// filled returns c with the defaults in place of what is not set.
func (c Connection) filled() Connection {
	d := DefaultConnection()
	c.Timeout, c.ConnectTimeout = cmp.Or(c.Timeout, d.Timeout), cmp.Or(c.ConnectTimeout, d.ConnectTimeout)
	c.MaxResponse = cmp.Or(c.MaxResponse, d.MaxResponse)
	return c
}

// Size is a number of bytes. As text it may carry a unit: "64KiB", "1MiB", "2MB".
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > 1<<40 {
		return errors.New("is not a size up to 1TiB: write a number and a unit, such as 1MiB")
	}
	*s = Size(n)
	return nil
}

// MarshalText writes a size with its unit.
func (s Size) MarshalText() ([]byte, error) {
	return []byte(humanize.IBytes(uint64(max(s, 0)))), nil
}
