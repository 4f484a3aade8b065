package configs

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // whether a zone is known must not depend on the machine

	"github.com/go-playground/validator/v10"
)

// validate reports every rule that config breaks.
func (l *loader) validate(config *Config) error {
	rules, err := newRules()
	if err != nil {
		return err
	}
	err = rules.Struct(config)
	broken, ok := errors.AsType[validator.ValidationErrors](err)
	if err != nil && !ok {
		return err
	}
	for _, b := range broken {
		_, path, _ := strings.Cut(b.Namespace(), ".")
		if path, _ := l.locate(path); !l.wrong(path) {
			l.mistake(path, broke(b), explain(b))
		}
	}
	l.validateOrder(config)
	l.validateListeners(config)
	if l.adapter.name == "" {
		return nil
	}
	for _, p := range l.adapter.problems(&config.CRM) {
		path := strings.TrimSuffix(join("crm", p.Path), ".")
		if path, _ := l.locate(path); !l.wrong(path) {
			l.mistake(path, p.Value, p.Problem)
		}
	}
	return nil
}

// validateOrder reports pairs of which the first must not be more than the second.
func (l *loader) validateOrder(c *Config) {
	retry, breaker, outbox := c.Delivery.Retry, c.Delivery.Breaker, c.Outbox
	inOrder(l, "delivery.retry.initial", retry.Initial, "delivery.retry.max", retry.Max)
	inOrder(l, "delivery.breaker.pause", breaker.Pause, "delivery.breaker.max_pause", breaker.MaxPause)
	inOrder(l, "outbox.quarantine_limit", outbox.QuarantineLimit, "outbox.limit", outbox.Limit)
}

// inOrder reports a value that is more than another, if nothing else is wrong with the two.
func inOrder[T time.Duration | Bytes](l *loader, lessPath string, less T, morePath string, more T) {
	if less <= more || l.wrong(lessPath) || l.wrong(morePath) {
		return
	}
	l.mistake(lessPath, format(reflect.ValueOf(less)),
		"must not be more than "+morePath+", which is "+format(reflect.ValueOf(more)))
}

// validateListeners reports listeners that exclude each other and an admin listener open to others.
func (l *loader) validateListeners(c *Config) {
	if l.wrong("admin.listen") {
		return
	}
	admin, _ := parseListen(c.Admin.Listen)
	if !admin.loopback() && !c.Admin.Token.IsSet() && !l.wrong("admin.token") {
		l.mistake("admin.listen", c.Admin.Listen,
			"can be reached from other machines: set admin.token or admin.token_file, or listen on 127.0.0.1")
	}
	public, err := parseListen(c.Receiver.Listen)
	if err == nil && public.clashes(admin) {
		l.mistake("admin.listen", c.Admin.Listen,
			"takes the port of receiver.listen, which is "+strconv.Quote(c.Receiver.Listen)+": choose another")
	}
}

// listenAddress is an address to listen on.
type listenAddress struct {
	host string
	port uint16
}

// parseListen reads host:port. Without a host it is every address of the machine.
func parseListen(text string) (listenAddress, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return listenAddress{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return listenAddress{}, err
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.ContainsAny(host, " /:@?#%") {
		return listenAddress{}, err
	}
	return listenAddress{host: host, port: uint16(number)}, nil
}

// loopback tells whether only this machine can reach the address.
func (a listenAddress) loopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || err == nil && ip.IsLoopback()
}

// everywhere tells whether it is every address of the machine.
func (a listenAddress) everywhere() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "" || err == nil && ip.IsUnspecified()
}

// clashes tells whether two listeners would take the same port. Port 0 is one that the system chooses.
func (a listenAddress) clashes(b listenAddress) bool {
	return a.port != 0 && a.port == b.port && (a.host == b.host || a.everywhere() || b.everywhere())
}

// broke returns the value that broke a rule, for a message.
func broke(b validator.FieldError) string {
	if isSecret(b.Type()) || b.Tag() == "base_url" {
		return "" // a URL may carry a password
	}
	return format(reflect.ValueOf(b.Value()))
}

// explain says in plain words what would be right.
func explain(b validator.FieldError) string {
	switch b.Tag() {
	case "required":
		return "must not be empty"
	case "min":
		return "is required: " + howToMake
	case "max":
		return "has too many, " + b.Param() + " are allowed"
	case "gt":
		return "must be more than " + b.Param()
	case "gte":
		return "must be at least " + bound(b)
	case "lte":
		return "must be at most " + bound(b)
	case "oneof":
		return "must be one of " + strings.ReplaceAll(b.Param(), " ", ", ")
	default:
		return explanation(b.Tag())
	}
}

// howToMake tells how to come by a secret.
const howToMake = "openssl rand -hex 32 makes a good one"

// bound returns the bound of a rule in the unit of its field.
func bound(b validator.FieldError) string {
	n, err := strconv.ParseInt(b.Param(), 10, 64)
	switch {
	case err != nil:
		return b.Param()
	case b.Type() == reflect.TypeFor[Bytes]():
		return Bytes(n).String()
	case b.Type() == reflect.TypeFor[time.Duration]():
		return formatDuration(time.Duration(n))
	default:
		return b.Param()
	}
}
