package api

import (
	"context"
	"strings"
)

// Credentials prove to the CRM who asks. They are safe for concurrent use.
type Credentials interface {
	// Access returns what to send. refused is the token that was refused just now, empty at first: another one is
	// returned then, where there can be one. The token is fetched once for all who ask at a time, and its failure is
	// shared by them; the error is a *crm.Error.
	Access(ctx context.Context, refused string) (Access, error)
}

// ownCredentials are those of this package, of which a Client knows more.
type ownCredentials interface {
	// addresses are the URLs of their configuration, secrets what no message may show at this moment.
	addresses() []string
	secrets() []string
	// close closes idle connections and waits for a fetch under way.
	close()
}

// Access is what a request carries.
type Access struct {
	// Header and Value are sent as they are. An empty Header: none.
	Header, Value string
	// Token is the part of Value that can be renewed. Empty: it cannot, a refusal is final.
	Token string
	// BaseURL takes the place of the one configured; empty: it does not.
	BaseURL string
}

// Static returns credentials that are one fixed header, such as "Authorization" and "Bearer …".
func Static(header, value string) Credentials { return static{header: header, value: value} }

type static struct{ header, value string }

// Access returns the header.
func (s static) Access(context.Context, string) (Access, error) {
	return Access{Header: s.header, Value: s.value}, nil
}

func (s static) addresses() []string { return nil }

// secrets are the value and what follows its scheme.
func (s static) secrets() []string {
	return []string{s.value, s.value[strings.LastIndexByte(s.value, ' ')+1:]}
}

func (s static) close() {}
